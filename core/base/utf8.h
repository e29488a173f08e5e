/* SPDX-License-Identifier: MIT */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes (1 to 4) of the valid UTF-8 sequence that text begins with, 0 when it begins with none:
 * over-long forms, surrogates, values past U+10FFFF and cut-off sequences are not valid. */
size_t utf8_sequence(const char *text, size_t len);
bool utf8_is_valid(const char *text, size_t len);

#endif
