/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Looks at the bytes of an upload before Gmsh does.  Gmsh hands what it does not know to its script
 * parser, and OpenCASCADE crashes on numbers like NAN, so both see only files that passed here.
 */
#ifndef IMPORT_SNIFF_H
#define IMPORT_SNIFF_H

#include <stddef.h>
#include <stdint.h>

struct task;

/* What the file is, by its content; refuses what is none of ours.  LATHE_OK or a class. */
int32_t sniff_input(struct task *t);
/* Of a STEP file in which the CAD kernel found nothing: the line of a text that is too long for it;
 * 0: that is not why. */
size_t sniff_long_text(const struct task *t);

#endif
