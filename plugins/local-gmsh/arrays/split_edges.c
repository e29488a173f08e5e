/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Face by face, the longest edge first: of those that must be cut, and then of those that another
 * edge might take the place of.  After each cut the edges around the new node are turned
 * where the triangles on both sides lie in one plane and would be better shaped: without that the
 * thin triangles around a hole would all be cut along their length.
 *
 * An edge where the face ends is cut in its middle if it is too long, whatever else is cut: so the
 * face on its other side gets the same nodes.
 */
#include "arrays/split_edges.h"

#include "arrays/mesh_arrays.h"
#include "base/out.h"
#include "base/vec.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NONE     UINT32_MAX
#define ROUNDING 1e-9
#define FIRST    1e12       /* times: what must be cut comes before what may be turned */
#define FLAT     (1 - 1e-6) /* cosine between two triangles of one plane */
#define TURNS    256        /* edges looked at around one new node */

struct middle {       /* of an edge that was cut, in an open hash table */
  uint32_t low, high; /* nodes */
  uint32_t node;      /* + 1; 0: an empty slot */
};

struct long_edge { /* of a heap */
  double rank;     /* the highest on top */
  uint32_t half, from, to;
};

/* Half-edge 3 t + k runs from corner k of triangle t to the next. */
struct splitter {
  struct mesh_arrays *s;
  double longest;    /* squared */
  size_t most, done; /* triangles: allowed, and in faces that are done */
  size_t node_cap;
  struct middle *middles;
  size_t middle_count, middle_size; /* size: a power of two */
  uint32_t *node, *mate;            /* of the face at hand, per half-edge */
  size_t count, cap;                /* triangles */
  struct long_edge *heap;
  size_t heap_count, heap_cap;
};

static uint32_t after(uint32_t half) {
  return half % 3 == 2 ? half - 2 : half + 1;
}

static uint32_t before(uint32_t half) {
  return half % 3 == 0 ? half + 2 : half - 1;
}

static const double *split_edges_at(const struct splitter *p, uint32_t node) {
  return p->s->xyz + 3 * (size_t)node;
}

static double squared_length(const struct splitter *p, uint32_t a, uint32_t b) {
  double sum = 0;
  for (size_t i = 0; i < 3; i++)
    sum += (split_edges_at(p, a)[i] - split_edges_at(p, b)[i]) *
           (split_edges_at(p, a)[i] - split_edges_at(p, b)[i]);
  return sum;
}

/* ---- geometry ---- */

static void normal(const struct splitter *p, uint32_t a, uint32_t b, uint32_t c, double n[3]) {
  double u[3], v[3];
  for (int i = 0; i < 3; i++) {
    u[i] = split_edges_at(p, b)[i] - split_edges_at(p, a)[i];
    v[i] = split_edges_at(p, c)[i] - split_edges_at(p, a)[i];
  }
  for (int i = 0; i < 3; i++)
    n[i] = u[(i + 1) % 3] * v[(i + 2) % 3] - u[(i + 2) % 3] * v[(i + 1) % 3];
}

/* Whether the triangles on both sides of an edge lie in one plane: then it may be turned. */
static bool is_flat(const struct splitter *p, uint32_t half) {
  uint32_t mate = p->mate[half];
  double n[3], m[3];
  if (mate == NONE)
    return false;
  normal(p, p->node[half], p->node[after(half)], p->node[before(half)], n);
  normal(p, p->node[mate], p->node[after(mate)], p->node[before(mate)], m);
  double nn = vec_dot(n, n) * vec_dot(m, m);
  return nn > 0 && vec_dot(n, m) >= FLAT * sqrt(nn);
}

/* ---- the edges that are too long ---- */

static void push(struct splitter *p, uint32_t half) {
  struct long_edge e = {.half = half, .from = p->node[half], .to = p->node[after(half)]};
  double length = squared_length(p, e.from, e.to);
  if (!(length > p->longest))
    return;
  e.rank = is_flat(p, half) ? length : FIRST * length;
  if (p->heap_count == p->heap_cap) {
    p->heap_cap = 2 * p->heap_cap + 64;
    p->heap = out_again(p->heap, p->heap_count, p->heap_cap, sizeof *p->heap);
  }
  size_t i = p->heap_count++;
  for (; i > 0 && p->heap[(i - 1) / 2].rank < e.rank; i = (i - 1) / 2)
    p->heap[i] = p->heap[(i - 1) / 2];
  p->heap[i] = e;
}

static struct long_edge pop(struct splitter *p) {
  struct long_edge top = p->heap[0], last = p->heap[--p->heap_count];
  size_t i = 0;
  for (size_t k = 1; k < p->heap_count; k = 2 * i + 1) {
    k += k + 1 < p->heap_count && p->heap[k + 1].rank > p->heap[k].rank;
    if (p->heap[k].rank <= last.rank)
      break;
    p->heap[i] = p->heap[k];
    i = k;
  }
  p->heap[i] = last;
  return top;
}

/* ---- nodes ---- */

static uint32_t add_node(struct splitter *p, uint32_t a, uint32_t b) {
  struct mesh_arrays *s = p->s;
  if (s->node_count == p->node_cap) {
    p->node_cap = 2 * p->node_cap + 64;
    s->xyz = out_again(s->xyz, s->node_count, p->node_cap, 3 * sizeof *s->xyz);
  }
  for (size_t i = 0; i < 3; i++)
    s->xyz[3 * s->node_count + i] = (split_edges_at(p, a)[i] + split_edges_at(p, b)[i]) / 2;
  return (uint32_t)s->node_count++;
}

static struct middle *slot_of(const struct splitter *p, uint32_t low, uint32_t high) {
  size_t mask = p->middle_size - 1;
  size_t slot = (((uint64_t)low << 32 | high) * 0x9e3779b97f4a7c15u) >> 20 & mask;
  while (p->middles[slot].node && (p->middles[slot].low != low || p->middles[slot].high != high))
    slot = (slot + 1) & mask;
  return &p->middles[slot];
}

static void widen_middles(struct splitter *p) {
  struct middle *old = p->middles;
  size_t size = p->middle_size;
  p->middle_size = size ? 2 * size : 1024;
  p->middles = out_alloc(p->middle_size, sizeof *p->middles);
  for (size_t i = 0; i < size; i++)
    if (old[i].node)
      *slot_of(p, old[i].low, old[i].high) = old[i];
  free(old);
}

/* The same for every face that has this edge. */
static uint32_t middle_of(struct splitter *p, uint32_t a, uint32_t b) {
  uint32_t low = a < b ? a : b, high = a < b ? b : a;
  if (2 * p->middle_count >= p->middle_size)
    widen_middles(p);
  struct middle *m = slot_of(p, low, high);
  if (!m->node) {
    p->middle_count++;
    *m = (struct middle){low, high, add_node(p, low, high) + 1};
  }
  return m->node - 1;
}

/* ---- cutting and turning ---- */

static void split_edges_join(struct splitter *p, uint32_t a, uint32_t b) {
  if (a != NONE)
    p->mate[a] = b;
  if (b != NONE)
    p->mate[b] = a;
}

/* Cuts the triangle of `half` from `middle` to the corner across; returns the half-edge from
 * `middle` on, in the new triangle. */
static uint32_t split_edges_cut(struct splitter *p, uint32_t half, uint32_t middle) {
  if (p->count == p->cap) {
    size_t cap = 2 * p->cap + 64;
    p->node = out_again(p->node, 3 * p->count, 3 * cap, sizeof *p->node);
    p->mate = out_again(p->mate, 3 * p->count, 3 * cap, sizeof *p->mate);
    p->cap = cap;
  }
  uint32_t fresh = 3 * (uint32_t)p->count++, next = after(half);
  p->node[fresh] = middle;
  p->node[fresh + 1] = p->node[next];
  p->node[fresh + 2] = p->node[before(half)];
  p->node[next] = middle;
  split_edges_join(p, fresh + 1, p->mate[next]);
  split_edges_join(p, fresh + 2, next);
  p->mate[fresh] = NONE;
  return fresh;
}

/* The cosine at corner c of a triangle whose sides are known, times twice the product of the two
 * sides that meet there. */
static double corner(const struct splitter *p, uint32_t a, uint32_t b, uint32_t c) {
  return squared_length(p, a, c) + squared_length(p, b, c) - squared_length(p, a, b);
}

/* Whether the other diagonal of the two triangles at `half` gives better ones (Delaunay) in the
 * same place. */
static bool is_better_turned(const struct splitter *p, uint32_t half) {
  uint32_t mate = p->mate[half], a = p->node[half], b = p->node[after(half)];
  uint32_t c = p->node[before(half)], d = p->node[before(mate)];
  double n[3], m[3], first[3], second[3];
  if (!is_flat(p, half))
    return false;
  normal(p, a, b, c, n);
  normal(p, b, a, d, m);
  double nn = sqrt(vec_dot(n, n)), mm = sqrt(vec_dot(m, m));
  if (corner(p, a, b, c) * mm + corner(p, a, b, d) * nn > -1e-9 * nn * mm)
    return false;
  normal(p, a, d, c, first);
  normal(p, b, c, d, second);
  return vec_dot(first, n) > 1e-9 * nn * nn && vec_dot(second, n) > 1e-9 * nn * nn;
}

static void split_edges_turn(struct splitter *p, uint32_t half) {
  uint32_t mate = p->mate[half];
  uint32_t mine = p->mate[after(half)], its = p->mate[after(mate)];
  p->node[after(half)] = p->node[before(mate)];
  p->node[after(mate)] = p->node[before(half)];
  split_edges_join(p, half, its);
  split_edges_join(p, mate, mine);
  split_edges_join(p, after(half), after(mate));
  push(p, after(half));
  push(p, half); /* these two are other edges now */
  push(p, mate);
}

/* Turns what is better turned among the edges across from a new node. */
static void improve(struct splitter *p, uint32_t *stack, int count) {
  for (int looked = 0; count > 0 && looked < TURNS; looked++) {
    uint32_t half = stack[--count], mate = p->mate[half];
    if (mate == NONE || mate / 3 == half / 3 || !is_better_turned(p, half))
      continue;
    split_edges_turn(p, half);
    if (count + 2 > TURNS)
      return;
    stack[count++] = half; /* the node is across from these two now */
    stack[count++] = before(mate);
  }
}

static void split_edges_split(struct splitter *p, uint32_t half) {
  uint32_t stack[TURNS], mate = p->mate[half], count = 0;
  uint32_t middle = middle_of(p, p->node[half], p->node[after(half)]);
  uint32_t sides[2] = {half, mate}, fresh[2] = {NONE, NONE};
  for (int i = 0; i < 2 && sides[i] != NONE; i++)
    fresh[i] = split_edges_cut(p, sides[i], middle);
  split_edges_join(p, half, fresh[1]);
  split_edges_join(p, fresh[0], mate);
  for (int i = 0; i < 2 && sides[i] != NONE; i++) {
    push(p, sides[i]);
    push(p, after(sides[i]));
    push(p, fresh[i]);
    push(p, fresh[i] + 1);
    stack[count++] = before(sides[i]);
    stack[count++] = fresh[i] + 1;
  }
  improve(p, stack, (int)count);
}

/* ---- a face ---- */

struct side { /* of a face's triangles, in an open hash table */
  uint32_t low, high;
  uint32_t half; /* + 1 of the first; 0: an empty slot */
  uint8_t uses;
};

/* Two triangles are neighbours where no third one has their edge. */
static void match(struct splitter *p) {
  size_t size = 64;
  while (size < 5 * p->count)
    size *= 2;
  struct side *table = out_alloc(size, sizeof *table);
  for (uint32_t half = 0; half < 3 * p->count; half++) {
    uint32_t a = p->node[half], b = p->node[after(half)];
    uint32_t low = a < b ? a : b, high = a < b ? b : a;
    size_t slot = (((uint64_t)low << 32 | high) * 0x9e3779b97f4a7c15u) >> 20 & (size - 1);
    while (table[slot].half && (table[slot].low != low || table[slot].high != high))
      slot = (slot + 1) & (size - 1);
    struct side *e = &table[slot];
    p->mate[half] = NONE;
    if (e->uses == 0) {
      *e = (struct side){low, high, half + 1, 1};
    } else if (e->uses++ == 1 && p->node[e->half - 1] == b) {
      split_edges_join(p, e->half - 1, half);
    } else if (p->mate[e->half - 1] != NONE) {
      p->mate[p->mate[e->half - 1]] = NONE;
      p->mate[e->half - 1] = NONE;
    }
    e->uses = e->uses > 2 ? 2 : e->uses;
  }
  free(table);
}

static void split_edges_take(struct splitter *p, const uint32_t *triangles, size_t count) {
  if (count > p->cap) {
    free(p->node);
    free(p->mate);
    p->node = out_alloc(3 * count, sizeof *p->node);
    p->mate = out_alloc(3 * count, sizeof *p->mate);
    p->cap = count;
  }
  p->count = count;
  memcpy(p->node, triangles, 3 * count * sizeof *p->node);
  match(p);
  for (uint32_t half = 0; half < 3 * count; half++)
    if (p->mate[half] == NONE || half < p->mate[half])
      push(p, half);
}

static bool is_any_long(const struct splitter *p, const uint32_t *n, size_t count) {
  for (size_t i = 0; i < 3 * count; i++)
    if (squared_length(p, n[i], n[i % 3 == 2 ? i - 2 : i + 1]) > p->longest)
      return true;
  return false;
}

static bool split_face(struct splitter *p, const uint32_t *triangles, size_t count) {
  split_edges_take(p, triangles, count);
  while (p->heap_count && p->done + p->count <= p->most) {
    struct long_edge e = pop(p);
    if (p->node[e.half] == e.from && p->node[after(e.half)] == e.to)
      split_edges_split(p, e.half);
  }
  return p->done + p->count <= p->most;
}

/* Puts the triangles of a face behind those that are done. */
static uint32_t *append(uint32_t *all, size_t *cap, size_t done, const uint32_t *n, size_t count) {
  if (done + count > *cap) {
    *cap = 2 * (done + count);
    all = out_again(all, done, *cap, 3 * sizeof *all);
  }
  memcpy(all + 3 * done, n, 3 * count * sizeof *n);
  return all;
}

/* No triangle without a longer edge is larger than the one with three equal sides. */
static bool is_hopeless(const struct splitter *p) {
  const uint32_t *n = p->s->triangles;
  double area = 0, across[3];
  for (size_t t = 0; t < p->s->triangle_count; t++, n += 3) {
    normal(p, n[0], n[1], n[2], across);
    area += sqrt(vec_dot(across, across)) / 2;
  }
  return area / (sqrt(3) / 4 * p->longest) > (double)p->most;
}

bool split_edges(struct mesh_arrays *s, double longest, size_t most) {
  struct splitter p = {.s = s,
                       .longest = longest * longest * (1 + ROUNDING),
                       .most = most,
                       .node_cap = s->node_count};
  uint32_t *all = NULL;
  size_t cap = 0;
  bool within = true;
  if (is_hopeless(&p))
    return false;
  for (size_t f = 0; f < s->face_count && within; f++) {
    struct range *face = &s->faces[f];
    const uint32_t *n = s->triangles + 3 * face->first;
    bool cut = face->count && is_any_long(&p, n, face->count);
    within = cut ? split_face(&p, n, face->count) : p.done + face->count <= most;
    face->first = p.done;
    face->count = cut ? p.count : face->count;
    if (within && face->count)
      all = append(all, &cap, p.done, cut ? p.node : n, face->count);
    p.done += face->count;
  }
  free(s->triangles);
  s->triangles = all;
  s->triangle_count = p.done;
  free(p.middles);
  free(p.node);
  free(p.mate);
  free(p.heap);
  return within;
}
