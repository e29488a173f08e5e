/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMPORT_IMPORT_H
#define IMPORT_IMPORT_H

#include <stdbool.h>
#include <stdint.h>

struct geometry;
struct outcome;
struct task;

int32_t import_model(struct task *t);
/* The file once more: a wrap of its faces' triangles becomes the model, as if the file was an STL
 * (wrapping.h). */
int32_t import_wrap(struct task *t);
/* The input under a name of ours in the job's folder, into t->model. */
int32_t import_name(struct task *t);
/* The longest edge, of the model's extent and the job's parameters, into t->size. */
int32_t import_size(struct task *t);
/* Once more, in a clean model, with OCC's repairs or without.  Geometry in *g. */
bool import_again(struct task *t, bool heal, struct geometry *g, struct outcome *o);
/* Extent and number of entities of Gmsh's model. */
void import_measure(const struct task *t, struct geometry *g);

#endif
