/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What came of each local size.
 */
#include "sizes/local_sizes_json.h"

#include "arrays/mesh_arrays.h"
#include "base/out.h"
#include "sizes/local_sizes.h"
#include "sizes/size_field.h"
#include "task/outcome.h"
#include "task/task.h"

#include <gmshc.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LISTED_MAX 500 /* numbers of entities in result.json */

struct lengths {
  double *of;
  size_t count, cap;
};

static void local_sizes_json_add(struct lengths *l, const double *a, const double *b) {
  double x = a[0] - b[0], y = a[1] - b[1], z = a[2] - b[2];
  if (l->count == l->cap) {
    l->cap = l->cap ? 2 * l->cap : 1024;
    l->of = out_again(l->of, l->count, l->cap, sizeof *l->of);
  }
  l->of[l->count++] = sqrt(x * x + y * y + z * z);
}

static void local_sizes_json_add_face(struct lengths *l, const struct mesh_arrays *s, int tag) {
  for (size_t f = 0; f < s->face_count; f++)
    for (size_t i = 0; s->faces[f].tag == tag && i < 3 * s->faces[f].count; i++) {
      const uint32_t *n = s->triangles + 3 * (s->faces[f].first + i / 3);
      local_sizes_json_add(l, s->xyz + 3 * (size_t)n[i % 3], s->xyz + 3 * (size_t)n[(i + 1) % 3]);
    }
}

static const uint8_t SIDES[6][2] = {{0, 1}, {0, 2}, {0, 3}, {1, 2}, {1, 3}, {2, 3}};

static void add_body(struct lengths *l, const struct mesh_arrays *s, int tag) {
  for (size_t b = 0; b < s->solid_count; b++)
    for (size_t i = 0; s->solids[b].tag == tag && i < 6 * s->solids[b].count; i++) {
      const uint32_t *n = s->tets + (s->solids[b].first + i / 6) * (size_t)s->tet_nodes;
      local_sizes_json_add(l, s->xyz + 3 * (size_t)n[SIDES[i % 6][0]],
                           s->xyz + 3 * (size_t)n[SIDES[i % 6][1]]);
    }
}

/* Edges whose middle is within `reach` of the region. */
static void add_region(struct lengths *l, const struct mesh_arrays *s, const struct size_region *r,
                       double reach) {
  for (size_t i = 0; i < 6 * s->tet_count; i++) {
    const uint32_t *n = s->tets + i / 6 * (size_t)s->tet_nodes;
    const double *a = s->xyz + 3 * (size_t)n[SIDES[i % 6][0]];
    const double *b = s->xyz + 3 * (size_t)n[SIDES[i % 6][1]];
    double middle[3] = {(a[0] + b[0]) / 2, (a[1] + b[1]) / 2, (a[2] + b[2]) / 2};
    if (size_region_distance(r, middle) <= reach)
      local_sizes_json_add(l, a, b);
  }
}

struct node {
  size_t tag;
  double at[3];
};

static int by_tag(const void *a, const void *b) {
  size_t x = ((const struct node *)a)->tag, y = ((const struct node *)b)->tag;
  return x < y ? -1 : x > y;
}

/* The nodes of a curve by their tags; to be freed. */
static struct node *nodes_of(int curve, size_t *count) {
  size_t *tags = NULL, n = 0, coords = 0, params = 0;
  double *xyz = NULL, *uv = NULL;
  int e = 0;
  gmshModelMeshGetNodes(&tags, &n, &xyz, &coords, &uv, &params, 1, curve, 1, 0, &e);
  *count = e ? 0 : n;
  struct node *list = out_alloc(*count + 1, sizeof *list);
  for (size_t i = 0; i < *count; i++) {
    list[i].tag = tags[i];
    memcpy(list[i].at, xyz + 3 * i, sizeof list[i].at);
  }
  qsort(list, *count, sizeof *list, by_tag);
  gmshFree(tags);
  gmshFree(xyz);
  gmshFree(uv);
  return list;
}

static void add_edge(struct lengths *l, int curve, int order) {
  size_t *tags = NULL, *nodes = NULL, n = 0, m = 0, count = 0;
  struct node *list = nodes_of(curve, &count);
  int e = 0;
  size_t width = order == 2 ? 3 : 2; /* the corners come first */
  gmshModelMeshGetElementsByType(order == 2 ? 8 : 1, &tags, &n, &nodes, &m, curve, 0, 1, &e);
  for (size_t i = 0; e == 0 && i < n; i++) {
    const struct node *a = bsearch(&(struct node){.tag = nodes[width * i]}, list, count,
                                   sizeof *list, by_tag);
    const struct node *b = bsearch(&(struct node){.tag = nodes[width * i + 1]}, list, count,
                                   sizeof *list, by_tag);
    if (a && b)
      local_sizes_json_add(l, a->at, b->at);
  }
  gmshFree(tags);
  gmshFree(nodes);
  free(list);
}

static int by_length(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

void local_sizes_measure(const struct task *t, const struct mesh_arrays *s, struct outcome *o) {
  for (size_t i = 0; t->local && i < t->local->count; i++) {
    const struct local_size *l = &t->local->of[i];
    struct lengths lengths = {0};
    for (size_t k = 0; k < l->count; k++)
      if (l->on == ON_FACES)
        local_sizes_json_add_face(&lengths, s, l->tags[k]);
      else if (l->on == ON_BODIES)
        add_body(&lengths, s, l->tags[k]);
      else
        add_edge(&lengths, l->tags[k], t->params.order);
    if (l->on == ON_REGION) {
      add_region(&lengths, s, &l->region, 0);
      if (lengths.count == 0)
        add_region(&lengths, s, &l->region, l->size);
    }
    if (lengths.count)
      qsort(lengths.of, lengths.count, sizeof *lengths.of, by_length);
    o->local_edge[i] = lengths.count ? lengths.of[lengths.count / 2] : 0;
    free(lengths.of);
  }
}

void local_sizes_json(const struct task *t, const struct outcome *o, struct out *out) {
  if (!t->local)
    return;
  out_text(out, "\"local_sizes\":[");
  for (size_t i = 0; i < t->local->count; i++) {
    const struct local_size *l = &t->local->of[i];
    out_text(out, i ? ",{\"name\":" : "{\"name\":");
    out_json_string(out, l->name);
    out_printf(out, ",\"on\":\"%s\",\"size\":%.9g,\"growth_rate\":%.9g,\"median_edge\":",
               local_sizes_word(l->on), l->size, 1 + l->slope);
    if (o->local_edge[i] > 0)
      out_printf(out, "%.6g", o->local_edge[i]);
    else
      out_text(out, "null");
    if (l->on != ON_REGION) {
      out_printf(out, ",\"count\":%zu,\"%s\":[", l->count, local_sizes_word(l->on));
      for (size_t k = 0; k < l->count && k < LISTED_MAX; k++)
        out_printf(out, "%s%d", k ? "," : "", l->tags[k]);
      out_text(out, "]");
    }
    out_text(out, "}");
  }
  out_text(out, "],");
}
