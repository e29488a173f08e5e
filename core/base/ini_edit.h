/* SPDX-License-Identifier: MIT
 *
 * One value of an INI file read or replaced in its text; all else stays as it is: comments, order,
 * blanks, line ends.  Lines mean what core/config/read.c takes them for: a section stands once, a
 * value ends before a blank and ';'.
 */
#ifndef BASE_INI_EDIT_H
#define BASE_INI_EDIT_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

struct ini_place {
  const char *section, *name; /* "route", "mesh" of [route mesh] */
  const char *key;
};

bool ini_has_section(const char *text, size_t len, const struct ini_place *at);
/* Appends the value to `out`; false: it is not there. */
bool ini_get(const char *text, size_t len, const struct ini_place *at, struct buf *out);
/* Appends the text with the value in its place: instead of the one that was there, below its
 * section's header, or in a new section at the end. */
void ini_set(const char *text, size_t len, const struct ini_place *at, const char *value,
             struct buf *out);

#endif
