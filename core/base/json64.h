/* SPDX-License-Identifier: MIT
 *
 * JSON whose integers are exact to 64 bits, unsigned ones too.
 *
 * The library's integers end at INT64_MAX, and it refuses a text with a larger one.  Such a number
 * is kept as a string that begins with a mark here; what writes a document turns it back.  The mark
 * is U+FDD0, a code point that Unicode reserves for uses within a program and that I-JSON (RFC
 * 7493, 2.1) forbids in a text, so a text that has it is refused: a string of a stranger is never
 * taken for a number.
 */
#ifndef BASE_JSON64_H
#define BASE_JSON64_H

#include <jansson.h>
#include <stdbool.h>

#define JSON64_MARK       "\xEF\xB7\x90" /* UTF-8 */
#define JSON64_MARK_POINT 0xFDD0

typedef __int128 wide_int; /* holds both ranges */
#define WIDE_MIN ((wide_int)INT64_MIN)
#define WIDE_MAX ((wide_int)UINT64_MAX)
enum { WIDE_TEXT = 24 };

/* As json_loadb().  An integer past both ranges becomes a real.  A text with U+FDD0 is an error. */
json_t *json64_load(const char *text, size_t len, size_t flags, json_error_t *e);
/* As json_dumps(); free() it. */
char *json64_dump(const json_t *v, size_t flags);
/* False: v is not an integer (a real without a fraction is one, as far as a real is exact). */
bool json64_int(const json_t *v, wide_int *out);
bool json64_is_number(const json_t *v);
double json64_number(const json_t *v); /* nearest; 0 for no number */
/* Has the text (UTF-8, not JSON) the code point that no value may have? */
bool json64_has_mark(const char *text);
/* "-12", "12", nothing else.  False: it is not one, or is past both ranges. */
bool wide_read(const char *text, wide_int *out);
const char *wide_text(wide_int v, char text[WIDE_TEXT]);

#endif
