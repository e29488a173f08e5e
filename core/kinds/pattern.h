/* SPDX-License-Identifier: MIT
 *
 * Regular expressions of JSON Schema's keyword `pattern`: the part of ECMA-262 that means the same
 * everywhere, matched by PCRE2 within a bound that is linear in the text (docs/adr/0021).
 */
#ifndef KINDS_PATTERN_H
#define KINDS_PATTERN_H

#include "base/err.h"

#include <stddef.h>

struct pattern;

enum pattern_verdict {
  PATTERN_MATCHES,
  PATTERN_DIFFERS,
  PATTERN_TOO_HARD, /* the bound was passed, and nobody knows */
};

/* pattern_free() it.  NULL: err says where the text leaves what is taken. */
struct pattern *pattern_compile(const char *text, struct err *err);
void pattern_free(struct pattern *p); /* NULL is fine */
/* Is there a match anywhere in the text (valid UTF-8)?  Any thread, many at a time. */
enum pattern_verdict pattern_match(const struct pattern *p, const char *text, size_t len);

#endif
