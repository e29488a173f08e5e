/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OUTPUT_MESH_FILES_H
#define OUTPUT_MESH_FILES_H

#include <stdbool.h>

struct checked_mesh;
struct outcome;
struct task;

/* Every file of a mesh but result.json: called once, with the mesh that was chosen in Gmsh's model
 * and t->attempts complete.  False after outcome_fail. */
bool mesh_files_write(struct task *t, const struct checked_mesh *m, struct outcome *o);

#endif
