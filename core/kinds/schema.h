/* SPDX-License-Identifier: MIT
 *
 * The part of JSON Schema that a parameter's declaration may use (plugin-sdk/kinds/README.md has the
 * table of keywords).  What is not in it is refused when the kind is loaded, never passed over.
 */
#ifndef KINDS_SCHEMA_H
#define KINDS_SCHEMA_H

#include "base/err.h"
#include "kinds/faults.h"

#include <jansson.h>
#include <stdbool.h>

struct schema;

/* May a key that is not known be passed over?  "x-..." always; else what the list of texts
 * `may_ignore` (or NULL) names. */
bool schema_may_ignore(const json_t *may_ignore, const char *key);
/* Both are borrowed and must outlive it.  NULL: err names the keyword and its place. */
struct schema *schema_parse(const json_t *json, const json_t *may_ignore, struct err *err);
void schema_free(struct schema *s); /* NULL is fine */

/* Fills in the defaults of members that are missing, and writes 2.0 as 2 where an integer is asked
 * for.  Returns the value (a new reference; `value` is taken over and may be changed).  NULL: with
 * its defaults it would have more than `bytes_max` bytes; it is freed then. */
json_t *schema_fill(const struct schema *s, json_t *value, size_t bytes_max);
/* Adds each place where the value is not as the schema has it.  subject: what begins
 * their sentences.  pointer: of the value; not empty.  False: there was one. */
bool schema_check(const struct schema *s, const json_t *value, const char *subject,
                  struct buf *pointer, struct kind_faults *faults);
/* A value that the schema takes, for examples (json_decref it).  NULL: none was found. */
json_t *schema_example(const struct schema *s);

#endif
