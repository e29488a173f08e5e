/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Looks at the bytes of an upload before Gmsh does.  Gmsh hands what it does not know to its script
 * parser, and OpenCASCADE crashes on numbers like NAN, so both see only files that passed here.
 */
#ifndef SNIFF_H
#define SNIFF_H

#include "task.h"

struct view { /* the file, mapped */
  const char *data;
  size_t size;
};

/* Each: LATHE_OK, or a class after task_fail. */
/* The line of a text that is longer than the CAD kernel reads; 0: there is none. */
#define STEP_TEXT_MAX 16381 /* bytes with the quote before it */
size_t step_long_text(struct view v);
int32_t sniff_step(struct task *t, struct view v);
int32_t sniff_stl_binary(struct task *t, struct view v);
int32_t sniff_stl_ascii(struct task *t, struct view v);

/* units.c: t->file_unit, left empty where the file names none that is known. */
void sniff_unit(struct task *t, struct view v);

/* The whole file, to be unmapped.  No data: it is empty, or cannot be read (errno). */
struct view view_map(const char *path);
void view_unmap(struct view v);
bool view_begins(struct view v, const char *text, bool ignore_case); /* past blanks and a BOM */
const char *view_find(const char *from, const char *end, const char *text);
/* STL whose facet count fits its size exactly. */
bool view_is_binary_stl(struct view v);
/* "line N" of a position, for messages. */
size_t view_line(struct view v, const char *at);

#define COORDINATE_MAX 1e9 /* model units; a part of a thousand kilometres in mm */

#endif
