/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Names and colours by the text of a STEP file.
 */
#ifndef MODEL_NAMES_STEP_H
#define MODEL_NAMES_STEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct names;

/* Over the labels what the text of the STEP file at `path` says; `file` is what the input is
 * called.  labelled: Gmsh read the kernel's labels; else the solids are those of the text one by
 * one.  Returns the entity by which an assembly is part of itself, 0 where none is. */
uint32_t names_of_step(struct names *n, const char *path, const char *file, bool labelled);
/* About how many solids the text has, by a quick look. */
size_t names_step_count(const char *path);
/* Whether the text is enough without the kernel's labels: it has the same solids in the same order,
 * all of them named, and every face is in one of them. */
bool names_step_knows_all(const struct names *n, const char *path, const char *file);

#endif
