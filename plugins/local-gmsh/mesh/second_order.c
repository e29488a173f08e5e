/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Ten-node tetrahedra in Gmsh's model: middle nodes on the CAD, and towards straight where they
 * bend an element through itself.
 */
#include "mesh/second_order.h"

#include "arrays/curved.h"
#include "arrays/mesh_arrays.h"
#include "base/out.h"
#include "mesh/middle_nodes.h"
#include "task/outcome.h"
#include "task/task.h"

#include <gmshc.h>
#include <stdlib.h>
#include <string.h>

/* An STL has no curves and faces but those that Gmsh makes of facets, and only Gmsh knows them. */
bool second_order_raise(const struct task *t, struct outcome *o) {
  struct middle_nodes_chord worst;
  int e = 0;
  o->deviation.chord = -1;
  if (t->format != FORMAT_STL && middle_nodes_raise(&worst)) {
    o->deviation.chord = worst.distance;
    o->deviation.mean_chord = worst.mean;
    memcpy(o->deviation.chord_at, worst.at, sizeof worst.at);
    return true;
  }
  gmshModelMeshSetOrder(1, &e);
  gmshModelMeshSetOrder(2, &e);
  return e == 0 ? true : outcome_fail(o, REASON_LOG, "no middle nodes could be made");
}

bool second_order_give_back(const struct mesh_arrays *s, const uint8_t *moved) {
  size_t *tags = NULL, n = 0, coords = 0, params = 0;
  double *xyz = NULL, *uv = NULL;
  int e = 0;
  gmshModelMeshGetNodes(&tags, &n, &xyz, &coords, &uv, &params, -1, -1, 0, 0, &e);
  bool same = e == 0 && n == s->node_count;
  for (size_t i = 0; same && e == 0 && i < n; i++)
    if (moved[i])
      gmshModelMeshSetNode(tags[i], s->xyz + 3 * i, 3, NULL, 0, &e);
  gmshFree(tags);
  gmshFree(xyz);
  gmshFree(uv);
  return same && e == 0;
}

bool second_order_mend(const struct task *t, struct mesh_arrays *s, struct outcome *o) {
  uint8_t *moved = out_alloc(s->node_count, 1);
  struct curved_report *r = &o->curved;
  curved_mend(s->xyz, s->node_count, s->tets, s->tet_count, moved, r);
  bool ok = r->moved == 0 || second_order_give_back(s, moved);
  free(moved);
  o->volume = r->volume;
  if (!ok)
    return outcome_fail(o, REASON_LOG, "middle nodes could not be moved towards straight");
  if (r->curved)
    o->deviation.mean_chord += r->distance * (double)r->straighter / (double)r->curved;
  if (r->distance > o->deviation.chord && o->deviation.chord >= 0) {
    o->deviation.chord = r->distance;
    memcpy(o->deviation.chord_at, r->far, sizeof r->far);
  }
  if (r->bent)
    outcome_warn(o,
                 "%zu of %zu ten-node tetrahedra were bent through themselves, or nearly, at "
                 "curved faces: %zu middle node%s moved towards straight, at most %.3g%s off the "
                 "CAD's surface",
                 r->bent, s->tet_count, r->moved, r->moved == 1 ? " was" : "s were", r->distance,
                 task_unit(t));
  return true;
}
