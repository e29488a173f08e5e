/* SPDX-License-Identifier: MIT
 *
 * The form of a submit.
 */
#ifndef FORM_H
#define FORM_H

#include "http_client.h"

/* The operands from `first` on as files.  "-" is standard input; it, pipes and devices are read to
 * their end and take their names from the values of `name_option`, in order; where there are none
 * of them, files take them.  CLI_OK, or CLI_USAGE (said). */
int form_add_inputs(const struct cli *c, curl_mime *mime, size_t first, const char *name_option);
void form_add_field(curl_mime *mime, const char *name, size_t name_len, const char *value);
/* The options that every submit has: -p, --backend, --priority, --timeout.  *count grows by the
 * fields. */
int form_add_params(const struct cli *c, curl_mime *mime, const char *kind, int *count);
/* "NAME:key=value,key=value" or "key=value,...", appended to the list as {"name", "params"} with
 * values as texts.  A name is what stands before the first ':', when no '=' comes earlier. */
int form_add_set(json_t *sets, const char *text);

#endif
