/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Edges and faces.  Each bool is false after outcome_fail.
 */
#ifndef MESH_SURFACE_H
#define MESH_SURFACE_H

#include <stdbool.h>
#include <stdint.h>

struct outcome;
struct strategy;
struct mesh_arrays;
struct task;

/* The triangles of a preview into *s, checked and counted; to be freed also where it fails. */
bool surface_preview(struct task *t, const struct strategy *r, struct outcome *o,
                     struct mesh_arrays *s);
/* The 1D and 2D steps with their checks, which both kinds share. */
bool surface_generate(struct task *t, struct outcome *o);
/* The same by the CAD kernel: its facets, their edges no longer than the job's size. */
bool surface_by_kernel(struct task *t, const struct strategy *r, struct outcome *o);
/* Equal for equal meshes; 0 where there is none. */
uint64_t surface_fingerprint(void);

#endif
