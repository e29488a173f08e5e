/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arrays/sheet.h"

#include "arrays/mesh_arrays.h"
#include "arrays/sheet_curved.h"
#include "base/out.h"
#include "base/union_find.h"

#include <gmshc.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct kind { /* Gmsh's elements */
  int dim, type;
  uint8_t corners, count;
} KINDS[] = {{1, 1, 2, 2}, {1, 8, 2, 3}, {2, 2, 3, 3}, {2, 9, 3, 6}, {2, 3, 4, 4}, {2, 16, 4, 8}};

struct taking { /* elements of one dimension */
  struct sheet_element *elements;
  size_t count, cap;
  const uint32_t *index;
};

static void take_kind(struct taking *t, const struct kind *k, int entity) {
  size_t *tags = NULL, *nodes = NULL, n = 0, node_n = 0;
  int e = 0;
  gmshModelMeshGetElementsByType(k->type, &tags, &n, &nodes, &node_n, entity, 0, 1, &e);
  if (e == 0 && n && t->count + n > t->cap) {
    size_t cap = t->cap * 2 > t->count + n ? t->cap * 2 : t->count + n;
    t->elements = out_again(t->elements, t->count, cap, sizeof *t->elements);
    t->cap = cap;
  }
  for (size_t i = 0; e == 0 && i < n; i++) {
    struct sheet_element *to = &t->elements[t->count++];
    *to = (struct sheet_element){.corners = k->corners, .count = k->count};
    for (size_t c = 0; c < k->count; c++)
      to->node[c] = t->index[nodes[i * k->count + c]];
  }
  gmshFree(tags);
  gmshFree(nodes);
}

/* Of all entities of a dimension, in Gmsh's order. */
static struct range *take_elements(struct taking *t, int dim, size_t *count) {
  int *entities = NULL, e = 0;
  size_t n = 0;
  gmshModelGetEntities(&entities, &n, dim, &e);
  *count = n / 2;
  struct range *ranges = out_alloc(*count, sizeof *ranges);
  for (size_t i = 0; i < *count; i++) {
    ranges[i].tag = entities[2 * i + 1];
    ranges[i].first = t->count;
    for (size_t k = 0; k < sizeof KINDS / sizeof *KINDS; k++)
      if (KINDS[k].dim == dim)
        take_kind(t, &KINDS[k], ranges[i].tag);
    ranges[i].count = t->count - ranges[i].first;
  }
  gmshFree(entities);
  return ranges;
}

/* ---- sides ---- */

static int by_nodes(const void *a, const void *b) {
  const struct sheet_side *x = a, *y = b;
  if (x->low != y->low)
    return x->low < y->low ? -1 : 1;
  if (x->high != y->high)
    return x->high < y->high ? -1 : 1;
  return (x->element > y->element) - (x->element < y->element);
}

static void sheet_find_sides(struct sheet *sheet) {
  sheet->sides = out_alloc(4 * sheet->element_count, sizeof *sheet->sides);
  for (size_t i = 0; i < sheet->element_count; i++) {
    const struct sheet_element *e = &sheet->elements[i];
    for (uint8_t k = 0; k < e->corners; k++) {
      uint32_t a = e->node[k], b = e->node[(k + 1) % e->corners];
      sheet->sides[sheet->side_count++] = (struct sheet_side){a < b ? a : b, a < b ? b : a,
                                                              (uint32_t)i, k, a > b};
    }
  }
  qsort(sheet->sides, sheet->side_count, sizeof *sheet->sides, by_nodes);
}

/* How many sides from here on lie in one place. */
static size_t run_at(const struct sheet *sheet, size_t at) {
  const struct sheet_side *s = sheet->sides;
  size_t n = 1;
  while (at + n < sheet->side_count && s[at + n].low == s[at].low && s[at + n].high == s[at].high)
    n++;
  return n;
}

const struct sheet_side *sheet_sides_of(const struct sheet *sheet, const struct sheet_element *line,
                                        size_t *n) {
  uint32_t a = line->node[0], b = line->node[1];
  struct sheet_side key = {.low = a < b ? a : b, .high = a < b ? b : a};
  size_t low = 0, high = sheet->side_count;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (by_nodes(&sheet->sides[middle], &key) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  const struct sheet_side *at = &sheet->sides[low];
  bool found = low < sheet->side_count && at->low == key.low && at->high == key.high;
  *n = found ? run_at(sheet, low) : 0;
  return at;
}

bool sheet_is_open_curve(const struct sheet *sheet, const struct range *curve) {
  size_t n = 0;
  if (curve->count)
    sheet_sides_of(sheet, &sheet->lines[curve->first], &n);
  return n == 1;
}

struct sheet_open_edges sheet_open_edges(const struct sheet *sheet) {
  struct sheet_open_edges r = {0};
  for (size_t i = 0, n; i < sheet->side_count; i += n) {
    n = run_at(sheet, i);
    r.open += n == 1;
    r.branches += n > 2;
    r.crossed += n == 2 && sheet->sides[i].down == sheet->sides[i + 1].down;
  }
  return r;
}

/* ---- the whole ---- */

/* The corners as triangles of the arrays. */
static void give_triangles(const struct sheet *sheet, struct mesh_arrays *s) {
  size_t at = 0;
  s->triangle_count = sheet->element_count + sheet_quads(sheet);
  s->triangles = out_alloc(3 * s->triangle_count, sizeof *s->triangles);
  s->halves = out_alloc(s->triangle_count, sizeof *s->halves);
  s->face_count = sheet->face_count;
  s->faces = out_alloc(s->face_count, sizeof *s->faces);
  for (size_t f = 0; f < sheet->face_count; f++) {
    const struct range *r = &sheet->faces[f];
    s->faces[f] = (struct range){.tag = r->tag, .first = at};
    for (size_t i = r->first; i < r->first + r->count; i++) {
      const struct sheet_element *e = &sheet->elements[i];
      for (uint32_t half = 0; half + 2 < e->corners; half++, at++) {
        uint32_t *to = s->triangles + 3 * at;
        to[0] = e->node[0];
        to[1] = e->node[1 + half];
        to[2] = e->node[2 + half];
        s->halves[at] = half > 0;
      }
    }
    s->faces[f].count = at - s->faces[f].first;
  }
}

bool sheet_take(struct sheet *sheet, struct mesh_arrays *s) {
  size_t max_tag = 0;
  *sheet = (struct sheet){0};
  *s = (struct mesh_arrays){0};
  uint32_t *index = mesh_arrays_take_nodes(s, &max_tag);
  if (!index)
    return false;
  struct taking faces = {.index = index, .elements = out_alloc(1, sizeof *faces.elements)};
  struct taking curves = {.index = index, .elements = out_alloc(1, sizeof *curves.elements)};
  sheet->faces = take_elements(&faces, 2, &sheet->face_count);
  sheet->curves = take_elements(&curves, 1, &sheet->curve_count);
  sheet->elements = faces.elements;
  sheet->element_count = faces.count;
  sheet->lines = curves.elements;
  sheet->line_count = curves.count;
  free(index);
  give_triangles(sheet, s);
  sheet_find_sides(sheet);
  return true;
}

void sheet_free(struct sheet *sheet) {
  free(sheet->elements);
  free(sheet->lines);
  free(sheet->faces);
  free(sheet->curves);
  free(sheet->sides);
  *sheet = (struct sheet){0};
}

size_t sheet_quads(const struct sheet *sheet) {
  size_t n = 0;
  for (size_t i = 0; i < sheet->element_count; i++)
    n += sheet->elements[i].corners == 4;
  return n;
}

void sheet_middle(const struct mesh_arrays *s, const struct sheet_element *e, double at[3]) {
  at[0] = at[1] = at[2] = 0;
  for (int k = 0; k < e->corners; k++)
    for (size_t i = 0; i < 3; i++)
      at[i] += s->xyz[3 * (size_t)e->node[k] + i] / e->corners;
}

/* Of the diagonals of a quadrangle, of two sides of a triangle. */
void sheet_normal(const struct mesh_arrays *s, const struct sheet_element *e, double normal[3]) {
  const double *a = s->xyz + 3 * (size_t)e->node[0], *b = s->xyz + 3 * (size_t)e->node[1],
               *c = s->xyz + 3 * (size_t)e->node[2],
               *d = e->corners == 4 ? s->xyz + 3 * (size_t)e->node[3] : a;
  double u[3], v[3];
  for (int i = 0; i < 3; i++) {
    u[i] = c[i] - a[i];
    v[i] = d[i] - b[i];
  }
  for (int i = 0; i < 3; i++)
    normal[i] = u[(i + 1) % 3] * v[(i + 2) % 3] - u[(i + 2) % 3] * v[(i + 1) % 3];
}

double sheet_area(const struct sheet *sheet, const struct mesh_arrays *s) {
  double sum = 0, n[3];
  for (size_t i = 0; i < sheet->element_count; i++) {
    const struct sheet_element *e = &sheet->elements[i];
    sheet_normal(s, e, n);
    sum += e->count > e->corners ? sheet_curved_area(e, s->xyz)
                                 : sqrt(n[0] * n[0] + n[1] * n[1] + n[2] * n[2]) / 2;
  }
  return sum;
}

/* Whether all nodes have one z. */
static bool sheet_is_level(const struct mesh_arrays *s, double *z) {
  double low[3] = {INFINITY, INFINITY, INFINITY}, high[3] = {-INFINITY, -INFINITY, -INFINITY};
  for (size_t i = 0; i < 3 * s->node_count; i++) {
    low[i % 3] = fmin(low[i % 3], s->xyz[i]);
    high[i % 3] = fmax(high[i % 3], s->xyz[i]);
  }
  *z = low[2];
  return high[2] - low[2] <= 1e-7 * fmax(high[0] - low[0], high[1] - low[1]);
}

size_t sheet_pieces(const struct sheet *sheet, size_t nodes) {
  uint32_t *parent = union_find_new(nodes);
  uint8_t *seen = out_alloc(nodes, 1);
  size_t pieces = 0;
  for (size_t i = 0; i < sheet->element_count; i++) {
    const struct sheet_element *e = &sheet->elements[i];
    for (int k = 1; k < e->corners; k++)
      union_find_join(parent, e->node[k], e->node[0]);
  }
  for (size_t i = 0; i < sheet->element_count; i++) {
    uint32_t first = union_find_root(parent, sheet->elements[i].node[0]);
    pieces += !seen[first];
    seen[first] = 1;
  }
  free(seen);
  free(parent);
  return pieces;
}

/* ---- which side is up ---- */

struct link {    /* of a face to one that stands for all that hang together with it */
  size_t root;   /* or one on the way there */
  bool opposite; /* to it */
};

static size_t root_of(struct link *links, size_t face, bool *opposite) {
  *opposite = false;
  while (links[face].root != face) {
    *opposite ^= links[face].opposite;
    face = links[face].root;
  }
  return face;
}

static size_t *face_of_elements(const struct sheet *sheet) {
  size_t *face = out_alloc(sheet->element_count, sizeof *face);
  for (size_t f = 0; f < sheet->face_count; f++)
    for (size_t i = 0; i < sheet->faces[f].count; i++)
      face[sheet->faces[f].first + i] = f;
  return face;
}

static void link_faces(const struct sheet *sheet, struct link *links) {
  size_t *face = face_of_elements(sheet);
  for (size_t i = 0, n; i < sheet->side_count; i += n) {
    const struct sheet_side *a = &sheet->sides[i], *b = a + 1;
    bool of_a, of_b;
    n = run_at(sheet, i);
    if (n != 2 || face[a->element] == face[b->element])
      continue;
    size_t x = root_of(links, face[a->element], &of_a);
    size_t y = root_of(links, face[b->element], &of_b);
    if (x == y)
      continue;
    links[y].root = x;
    links[y].opposite = of_a ^ of_b ^ (a->down == b->down);
  }
  free(face);
}

bool *sheet_turned(const struct sheet *sheet, const struct mesh_arrays *s, size_t *count) {
  bool *turned = out_alloc(sheet->face_count, sizeof *turned);
  struct link *links = out_alloc(sheet->face_count, sizeof *links);
  double *weight = out_alloc(sheet->face_count, sizeof *weight), z, n[3];
  bool level = sheet_is_level(s, &z), opposite;
  for (size_t f = 0; f < sheet->face_count; f++)
    links[f].root = f;
  link_faces(sheet, links);
  /* A root is turned where that is less work, or in a plane where most look down. */
  for (size_t f = 0; f < sheet->face_count; f++) {
    size_t root = root_of(links, f, &opposite);
    for (size_t i = 0; i < sheet->faces[f].count; i++) {
      sheet_normal(s, &sheet->elements[sheet->faces[f].first + i], n);
      weight[root] += (opposite ? -1 : 1) * (level ? n[2] : 1);
    }
  }
  *count = 0;
  for (size_t f = 0; f < sheet->face_count; f++) {
    size_t root = root_of(links, f, &opposite);
    turned[f] = opposite ^ (weight[root] < 0);
    *count += turned[f];
  }
  free(weight);
  free(links);
  return turned;
}
