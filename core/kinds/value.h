/* SPDX-License-Identifier: MIT
 *
 * JSON values (of base/json64) compared as JSON Schema compares them: 1 and 1.0 are the same number,
 * the order of an object's members means nothing.
 */
#ifndef KINDS_VALUE_H
#define KINDS_VALUE_H

#include "base/buf.h"

#include <jansson.h>
#include <stdbool.h>

/* Appends a text that two values share exactly where they are the same. */
void value_put_canonical(struct buf *out, const json_t *v);
char *value_canonical(const json_t *v); /* the same; free() it */
/* Below 0, 0, above 0; exact, also between an integer of 64 bits and a real.  Both are numbers. */
int value_compare(const json_t *a, const json_t *b);
/* Is `v` a whole number of times `of` (above 0), both as people write them in decimals? */
bool value_is_multiple(const json_t *v, const json_t *of);
/* Characters (code points) of a string. */
size_t value_characters(const json_t *v);
/* Do two items of the list have the same value?  Then which. */
bool value_repeats(const json_t *list, size_t *first, size_t *second);

#endif
