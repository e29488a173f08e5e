/* SPDX-License-Identifier: MIT
 *
 * Quantities as an admin writes them.  Each returns 0 or ERR_INVAL with a text
 * that shows an example of the right form.
 */
#ifndef BASE_UNITS_H
#define BASE_UNITS_H

#include "base/err.h"

#include <stdint.h>

int units_size(const char *text, int64_t *bytes, struct err *err); /* "64M", "1.5G", "512" */
int units_duration(const char *text, int64_t *ms,
                   struct err *err); /* "250ms" "30s" "10m" "2h" "7d" */
int units_share(const char *text, double *share, struct err *err); /* "5%" -> 0.05 */
int units_bool(const char *text, int *value, struct err *err); /* yes/no true/false on/off 1/0 */
int units_int(const char *text, int64_t *value, struct err *err);

#endif
