/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The bytes of a file, to be looked at without a copy.
 */
#ifndef BASE_FILE_VIEW_H
#define BASE_FILE_VIEW_H

#include <stdbool.h>
#include <stddef.h>

struct view { /* the file, mapped */
  const char *data;
  size_t size;
};

/* The whole file, to be unmapped.  No data: it is empty, or cannot be read (errno). */
struct view view_map(const char *path);
void view_unmap(struct view v);
bool view_begins(struct view v, const char *text, bool ignore_case); /* past blanks and a BOM */
const char *view_find(const char *from, const char *end, const char *text);
/* "line N" of a position, for messages. */
size_t view_line(struct view v, const char *at);

#endif
