/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The contents of the artifacts, each built in memory.
 */
#ifndef FILES_H
#define FILES_H

#include "drawing.h"
#include "export.h"
#include "out.h"
#include "picture.h"
#include "quality.h"
#include "soup.h"
#include "task.h"

/* Indexed GLB: one primitive per CAD face with its name and colour, a material per colour. */
void glb_build(struct out *o, const struct soup *s, const struct drawing *d,
               const struct names *names);
/* The original's preview: nine coordinates a triangle. */
void preview_json_build(struct out *o, const struct soup *s, const struct names *names,
                        const struct geometry *g, double volume);
void geometry_json(struct out *o, const struct geometry *g, double volume);

/* Of a mesh, in the unit of `x`: */
/* VTK unstructured grid, appended raw, with the solid and the quality of each tetrahedron. */
/* CGNS by its own library, which writes the file itself.  False: it cannot. */
bool cgns_write(const struct export *x, const char *path);
/* MED by HDF5. */
bool med_write(const struct export *x, const char *path);
void vtu_build(struct out *o, const struct export *x);
/* Behind a .msh of Gmsh's (`old`: 2.2, text) a view of the elements of the poor set,
 * where there is such a set.  False: it cannot be written. */
bool msh_poor_append(const struct export *x, bool old, const char *path);
/* The original's mesh data for its viewer. */
void viewer_json_build(struct out *o, const struct export *x);
void inp_build(struct out *o, const struct export *x);
void bdf_build(struct out *o, const struct export *x);
void unv_build(struct out *o, const struct export *x);
/* Of faces alone; of solids Gmsh writes them. */
void su2_build(struct out *o, const struct export *x);
void stl_file_build(struct out *o, const struct export *x);
void foam_build(struct out *tar, const struct export *x); /* a tar archive */

struct report_pictures { /* PNGs; each may be empty */
  const struct out *mesh, *groups;
};
/* One page without anything from outside. */
void report_build(struct out *o, const struct task *t, const struct soup *s,
                  const struct quality *q, const struct outcome *r,
                  const struct report_pictures *pictures);

/* Writes WORKDIR/name and frees the content; false after outcome_fail. */
bool files_put(struct task *t, struct outcome *o, struct out *content, const char *name);

/* Every file of a mesh but result.json: called once, with the mesh that was chosen in Gmsh's model
 * and t->attempts complete.  False after outcome_fail. */
bool mesh_files_write(struct task *t, const struct mesh *m, struct outcome *o);

#endif
