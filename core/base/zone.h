/* SPDX-License-Identifier: MIT
 *
 * The days and months of a named time zone ("Europe/Berlin"), from the system's time zone database.
 * The C library knows one zone for the whole process, and that one is not ours to change.
 *
 * Times are seconds of the epoch, UTC.  A day begins at the first moment that bears its date, also
 * where the clock skips midnight.
 */
#ifndef BASE_ZONE_H
#define BASE_ZONE_H

#include "base/err.h"

#include <stdint.h>

struct zone;

struct zone_date {
  int year, month, day; /* month and day from 1 */
};

/* "UTC" is known without the database.  $TZDIR is the folder of the database, where it is set. */
int zone_load(const char *name, struct zone **out, struct err *err);
void zone_free(struct zone *z);
const char *zone_name(const struct zone *z);

int64_t zone_offset(const struct zone *z, int64_t at); /* seconds east of Greenwich */
struct zone_date zone_date(const struct zone *z, int64_t at);
/* When the day begins.  The month may be past 12, or under 1, and the day likewise: they carry over. */
int64_t zone_begin(const struct zone *z, struct zone_date day);
/* From the first moment of the month in which `at` lies to the first of the next one. */
void zone_month(const struct zone *z, int64_t at, int64_t *from, int64_t *to);

#endif
