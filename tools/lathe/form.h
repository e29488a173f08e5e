/* SPDX-License-Identifier: MIT
 *
 * The form of a submit.
 */
#ifndef FORM_H
#define FORM_H

#include "http_client.h"

/* CLI_OK, or CLI_USAGE (said). */
int form_add_file(curl_mime *mime, const char *path);
void form_add_field(curl_mime *mime, const char *name, size_t name_len, const char *value);
/* The options that every submit has: -p, --backend, --priority, --timeout.  *count grows by the
 * fields. */
int form_add_params(const struct cli *c, curl_mime *mime, const char *kind, int *count);

#endif
