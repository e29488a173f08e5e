/* SPDX-License-Identifier: MIT
 *
 * JSON that somebody else wrote, looked at without building a tree: no memory, one pass.
 */
#ifndef BASE_JSON_CHECK_H
#define BASE_JSON_CHECK_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

/* Is the text one JSON object (RFC 8259) that every reader takes: valid UTF-8, no surrogate alone,
 * integers within 64 bits (with a sign or without), other numbers finite, at most `depth` values
 * inside each other?  Where `compact` is asked for, white space between tokens makes it false: such
 * a text has no line end at all. */
bool json_check_object(const char *text, size_t len, int depth, bool compact);
/* Appends the text without the white space between its tokens.  It must be JSON. */
void json_put_compact(struct buf *out, const char *text, size_t len);

#endif
