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
 * no \u0000 and no U+FDD0 (one text with either makes our own readers refuse the whole document),
 * integers within 64 bits (with a sign or without), other numbers finite, at most `depth` values
 * inside each other?  Where `compact` is asked for, white space between tokens makes it false: such
 * a text has no line end at all. */
bool json_check_object(const char *text, size_t len, int depth, bool compact);
/* What would a tree of the text hold?  A tree may take a hundred times the bytes of its text, so
 * this is asked before there is one; the text need not be JSON.  *values: how many at most, then
 * how many there are (names of members count, too).  *at: the byte where a bound was passed. */
enum json_excess { JSON_FITS, JSON_TOO_DEEP, JSON_TOO_MANY };
enum json_excess json_measure(const char *text, size_t len, size_t depth_max, size_t *values,
                              size_t *at);
/* Appends the text without the white space between its tokens.  It must be JSON. */
void json_put_compact(struct buf *out, const char *text, size_t len);

#endif
