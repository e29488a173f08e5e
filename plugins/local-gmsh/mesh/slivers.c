/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The worst tetrahedra of a mesh, which Gmsh's passes leave because their nodes lie on the surface.
 *
 * Peel: a flat tetrahedron with two sides on one face of the CAD is taken away, and the face gets
 * its other two sides: the other diagonal of the same four nodes.
 *
 * Move: a node goes where the worst tetrahedron around it is best; one on a face or on a curve of
 * the CAD along that, by its parameters.
 *
 * Both work on plain arrays; what changed is put into Gmsh's model at the end.
 */
#include "mesh/slivers.h"

#include "arrays/mesh_arrays.h"
#include "base/compare.h"
#include "base/out.h"
#include "mesh/slivers_model.h"
#include "mesh/slivers_move.h"
#include "mesh/slivers_part.h"
#include "mesh/slivers_peel.h"

#include <gmshc.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 3
#define MOST   1000 /* tetrahedra a round: where a wall is thinner than its elements all are bad */
#define FEW    0.01 /* of all tetrahedra; so many may have nodes moved on bent faces */

static int by_sicn(const void *a, const void *b) {
  const struct bad *x = a, *y = b;
  return x->sicn < y->sicn ? -1 : x->sicn > y->sicn;
}

/* The worst first. */
static void find_bad(struct work *w) {
  w->bad_count = 0;
  for (size_t i = 0; i < w->s.tet_count; i++)
    if (w->sicn[i] < BAD)
      w->bad[w->bad_count++] = (struct bad){w->sicn[i], i};
  qsort(w->bad, w->bad_count, sizeof *w->bad, by_sicn);
}

static void index_surface(struct work *w) {
  const struct mesh_arrays *s = &w->s;
  w->edge_count = 3 * s->triangle_count;
  for (size_t i = 0; i < s->triangle_count; i++) {
    const uint32_t *n = s->triangles + 3 * i;
    w->keys[i] = slivers_key(n[0], n[1], n[2]);
    w->keys[i].triangle = (uint32_t)i;
    for (size_t k = 0; k < 3; k++)
      w->edges[3 * i + k] = edge_of(n[k], n[(k + 1) % 3]);
  }
  qsort(w->keys, s->triangle_count, sizeof *w->keys, slivers_by_nodes);
  qsort(w->edges, w->edge_count, sizeof *w->edges, compare_u64);
}

/* Tetrahedra around the nodes of bad ones. */
static void index_around(struct work *w) {
  size_t n = w->s.node_count, sum = 0;
  bool *wanted = out_alloc(n, sizeof *wanted);
  for (size_t i = 0; i < w->bad_count; i++)
    for (int k = 0; k < 4; k++)
      wanted[nodes_of(w, w->bad[i].tet)[k]] = true;
  memset(w->first, 0, (n + 1) * sizeof *w->first);
  for (size_t i = 0; i < 4 * w->s.tet_count; i++)
    if (w->sicn[i / 4] < DEAD && wanted[w->s.tets[i]])
      w->first[w->s.tets[i] + 1]++;
  for (size_t i = 0; i < n; i++)
    w->first[i + 1] += w->first[i];
  sum = w->first[n];
  free(w->around);
  w->around = out_alloc(sum, sizeof *w->around);
  for (size_t i = 4 * w->s.tet_count; i-- > 0;) /* from behind: first[node + 1] walks down */
    if (w->sicn[i / 4] < DEAD && wanted[w->s.tets[i]])
      w->around[--w->first[w->s.tets[i] + 1]] = (uint32_t)(i / 4);
  memmove(w->first, w->first + 1, n * sizeof *w->first);
  w->first[n] = sum;
  free(wanted);
}

static bool prepare(struct work *w) {
  const struct mesh_arrays *s = &w->s;
  w->first = out_alloc(s->node_count + 2, sizeof *w->first);
  w->keys = out_alloc(s->triangle_count, sizeof *w->keys);
  w->edges = out_alloc(3 * s->triangle_count, sizeof *w->edges);
  w->place = out_alloc(s->node_count, sizeof *w->place);
  w->fixed = out_alloc(s->face_count, sizeof *w->fixed);
  w->changed = out_alloc(s->face_count, sizeof *w->changed);
  w->emptied = out_alloc(s->solid_count, sizeof *w->emptied);
  w->moved = out_alloc(s->node_count, sizeof *w->moved);
  w->touched = out_alloc(s->node_count, sizeof *w->touched);
  return slivers_read(w);
}

/* Nodes on faces and edges stay where they are. */
static void hold_surface(struct work *w) {
  for (size_t i = 0; i < w->s.node_count; i++)
    if (w->place[i].dim < 3)
      w->place[i].dim = 0;
}

static void one_round(struct work *w, bool may_peel) {
  index_around(w);
  if (may_peel)
    index_surface(w);
  memset(w->touched, 0, w->s.node_count * sizeof *w->touched);
  for (size_t i = 0; may_peel && i < w->bad_count; i++)
    slivers_peel(w, w->bad[i].tet);
  for (size_t i = 0; i < w->bad_count; i++)
    for (int k = 0; w->sicn[w->bad[i].tet] < BAD && k < 4; k++)
      if (!w->touched[nodes_of(w, w->bad[i].tet)[k]])
        slivers_move(w, nodes_of(w, w->bad[i].tet)[k]);
}

static void release(struct work *w) {
  void *const all[] = {w->sicn,  w->bad,   w->first,   w->around,  w->keys,  w->edges,  w->curves,
                       w->place, w->fixed, w->changed, w->emptied, w->moved, w->touched};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    free(all[i]);
  gmshFree(w->tags);
  mesh_arrays_free(&w->s);
}

int slivers_mend(bool may_peel, bool may_bend, bool may_slide) {
  struct work w = {0};
  int e = 0;
  if (!mesh_arrays_take(&w.s, 4))
    return 0;
  w.sicn = out_alloc(w.s.tet_count, sizeof *w.sicn);
  w.bad = out_alloc(w.s.tet_count, sizeof *w.bad);
  for (size_t i = 0; i < w.s.tet_count; i++)
    w.sicn[i] = slivers_sicn(&w, i);
  find_bad(&w);
  size_t few = (size_t)(FEW * (double)w.s.tet_count) + 1;
  w.bend_below = !may_bend ? 0 : w.bad_count > few ? w.bad[few].sicn : BAD;
  if (w.bad_count && prepare(&w)) {
    if (!may_slide)
      hold_surface(&w);
    for (int i = 0; i < ROUNDS && w.bad_count; i++) {
      w.bad_count = w.bad_count < MOST ? w.bad_count : MOST;
      one_round(&w, may_peel);
      find_bad(&w);
    }
    e = slivers_write(&w);
  }
  release(&w);
  return e;
}
