/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An STL with holes, or whose bodies overlap, and faces of a CAD file that close to no solid, or
 * whose solid nobody can mesh, get a closed surface round them where the job asks for that
 * (wrap.h).
 */
#ifndef IMPORT_WRAPPING_H
#define IMPORT_WRAPPING_H

#include <stdint.h>

struct out;
struct task;

/* Takes the wrap's facets for the file's, if those do not close or overlap, and warns.  LATHE_OK or
 * a class after task_fail. */
int32_t wrapping_do(struct task *t);
/* Wraps the triangles of the faces in Gmsh's model: they become the task's facets, as if the file
 * was an STL. */
int32_t wrapping_take_model(struct task *t);
/* "wrap":{...},; nothing where there is none. */
void wrapping_json(const struct task *t, struct out *o);

#endif
