/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The parameter `boundary_layers`: layers of prisms on chosen faces.
 *
 *   boundary_layers_read     the form, out of the job's parameters
 *   boundary_layers_find     which faces are meant, in Gmsh's model
 *   boundary_layers_shrink   between the mesh of the faces and that of the solids: nodes of the
 *                            faces move to where the layers end inside (layers.h)
 *   boundary_layers_grow     after the solids were filled: nodes go back, layers between
 *   boundary_layers_json     what came of it
 */
#ifndef LAYERS_LAYERS_PARAMS_H
#define LAYERS_LAYERS_PARAMS_H

#include "layers/layers.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct out;
struct outcome;
struct task;

#define BOUNDARY_LAYERS_MAX 64

struct boundary_layer {
  struct layers_spec as;
  const json_t *json; /* as the job gives it */
  int *tags;          /* of faces */
  size_t count;
};

struct layers_work; /* layers_model.c: between shrink and grow */

struct boundary_layers {
  struct boundary_layer of[BOUNDARY_LAYERS_MAX];
  size_t count;
  struct layers_work *work;
};

bool boundary_layers_read(struct task *t, const json_t *layers); /* false after task_fail */
int32_t boundary_layers_find(struct task *t);
void boundary_layers_json(const struct task *t, const struct outcome *o, struct out *out);

#endif
