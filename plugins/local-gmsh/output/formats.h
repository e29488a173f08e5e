/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The files that a mesh can be had as, beside quality.json, report.html and result.json.
 */
#ifndef OUTPUT_FORMATS_H
#define OUTPUT_FORMATS_H

#include <stdbool.h>
#include <stddef.h>

struct checked_mesh;
struct out;
struct outcome;
struct task;

/* Into t->params.outputs, out of "msh, inp, stl" ("all": every one that this library writes; NULL
 * or empty: msh and vtu).  False after task_fail: a word that is none, or one that this library or
 * the element order rules out. */
bool formats_read(struct task *t, const char *list);

/* Of the input's unit, which is known after the import: false after task_fail where output_unit
 * cannot be had.  Warns where a solver would take the numbers for something else. */
bool formats_check(struct task *t);

/* "files":[{"name":,"unit":,"factor":}], of the files that were asked for. */
void formats_json(const struct task *t, struct out *o);

/* "mm: mesh.msh, mesh.vtu; m: polyMesh.tar", of the same files. */
void formats_units(const struct task *t, struct out *o);

/* All that was asked for, of the mesh in Gmsh's model.  False after outcome_fail. */
bool formats_write(struct task *t, const struct checked_mesh *m, struct outcome *o);

/* The file's name and media type of format `i`; NULL past the last. */
const char *formats_file(size_t i, const char **media_type);

#endif
