/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "layers/layers_surface.h"

#include "base/out.h"
#include "base/vec.h"
#include "layers/layers.h"

#include <stdlib.h>
#include <string.h>

double layers_share(const struct layers_spec *w, int k) {
  double sum = 0, part = 0, height = 1;
  for (int i = 0; i < w->count; i++, height *= w->growth) {
    sum += height;
    part += i < k ? height : 0;
  }
  return part / sum;
}

double layers_total(const struct layers_spec *w) {
  double sum = 0, height = w->first;
  for (int i = 0; i < w->count; i++, height *= w->growth)
    sum += height;
  return sum;
}

void layers_around_make(struct layers_around *a, const struct layers_surface *s) {
  a->first = out_alloc(s->node_count + 2, sizeof *a->first);
  a->triangle = out_alloc(3 * s->count + 1, sizeof *a->triangle);
  for (size_t i = 0; i < 3 * s->count; i++)
    a->first[s->triangles[i] + 2]++;
  for (size_t i = 2; i < s->node_count + 2; i++)
    a->first[i] += a->first[i - 1];
  for (size_t i = 0; i < 3 * s->count; i++)
    a->triangle[a->first[s->triangles[i] + 1]++] = (uint32_t)(i / 3);
}

void layers_around_free(struct layers_around *a) {
  free(a->first);
  free(a->triangle);
}

void layers_round(const struct layers *l, const struct layers_surface *s, uint32_t node,
                  double point[3]) {
  const struct layers_face *f = l->ball[node];
  double out[3];
  if (!f)
    return;
  vec_sub(out, point, f->at);
  if (!(vec_unit(out) > 0))
    return;
  memcpy(point, f->at, sizeof f->at);
  vec_add(point, vec_distance(s->xyz + 3 * (size_t)node, f->at), out);
}
