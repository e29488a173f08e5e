/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The facets of an STL.
 */
#ifndef IMPORT_STL_H
#define IMPORT_STL_H

#include <stdbool.h>
#include <stdint.h>

struct geometry;
struct out;
struct outcome;
struct strategy;
struct task;

/* Reads t->model into t->facets, mends them and says so; of a mesh they must close.  LATHE_OK or a
 * class. */
int32_t stl_read(struct task *t);
/* Warns of what was mended; of a mesh they must close.  LATHE_OK or a class. */
int32_t stl_check(struct task *t);
/* The facets into Gmsh's model, a discrete face each of the file's faces.  False: Gmsh refused. */
bool stl_load(const struct task *t);
void stl_measure(const struct task *t, struct geometry *g);
/* t->names: bodies, and faces by their numbers. */
void stl_names(struct task *t);
/* Faces that Gmsh can mesh, and of those the solids; t->names.faces are then Gmsh's surfaces. */
bool stl_solids(struct task *t, const struct strategy *r, struct outcome *o);
/* "repairs":[...], */
void stl_repairs_json(const struct task *t, struct out *o);
/* "assembly":{...}: which bodies overlap; what nobody looked for is null. */
void stl_assembly_json(const struct task *t, struct out *o);

#endif
