/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * OpenFOAM's constant/polyMesh as a tar archive, to be unpacked in a case.  A cell is a
 * tetrahedron, with boundary layers a prism or a pyramid too.  A group of faces is a patch, or a
 * faceZone where solids share the faces; a group of solids is a cellZone.
 *
 * OpenFOAM wants the faces in an order of its own: those between two cells first, by the lower cell
 * and then by the higher one; then patch by patch.  Normals point out of the lower cell.
 */
#include "output/foam.h"

#include "arrays/cells.h"
#include "arrays/mesh_arrays.h"
#include "base/out.h"
#include "model/groups.h"
#include "output/export.h"
#include "output/tar.h"
#include "quality/checked_mesh.h"
#include "quality/foam_check.h"
#include "select/periodic.h"
#include "task/task.h"

#include <stdlib.h>
#include <string.h>

#define FOLDER       "constant/polyMesh/"
#define NONE         FOAM_OUTSIDE
#define DEFAULT_NAME "defaultFaces"

struct foam {
  const struct export *x;
  size_t cells;
  uint32_t sides; /* numbers that are kept for the sides of each cell: 4, or 5 with layers */
  /* Of side sides * cell + number: the cell behind it (NONE: outside), and the number of its face
   * (from the lower cell alone). */
  uint32_t *behind, *face;
  uint32_t *order; /* sides, in the order of OpenFOAM's faces */
  size_t count, inner;
  size_t *start;       /* of each patch: its first face */
  uint8_t *turn;       /* of each face: its corner that comes first */
  size_t *patch_faces; /* of each group, and one more for what is in none */
};

/* Of three corners the last one twice.  How many there are; 0: the cell has fewer sides. */
static int corners(const struct foam *f, uint32_t side, uint32_t n[4]) {
  const struct mesh_arrays *s = f->x->arrays;
  if (f->sides == SIDES) { /* tetrahedra alone, and many: the quick way */
    const uint32_t *tet = s->tets + (size_t)(side / SIDES) * (size_t)s->tet_nodes;
    for (int k = 0; k < 3; k++)
      n[k] = tet[SIDE_CORNERS[side % SIDES][k]];
    n[3] = n[2];
    return 3;
  }
  return cells_side(cells_get(s, side / f->sides), (int)(side % f->sides), n);
}

/* The same corners in whatever order. */
static bool same_corners(const uint32_t a[4], const uint32_t b[4]) {
  for (int k = 0; k < 4; k++)
    if ((a[k] != b[0] && a[k] != b[1] && a[k] != b[2] && a[k] != b[3]) ||
        (b[k] != a[0] && b[k] != a[1] && b[k] != a[2] && b[k] != a[3]))
      return false;
  return true;
}

static uint64_t hash_of(const uint32_t n[4]) {
  uint64_t last = n[3] == n[2] ? 0 : n[3];
  uint64_t sum = (uint64_t)n[0] + n[1] + n[2] + last;
  uint64_t squares = (uint64_t)n[0] * n[0] + (uint64_t)n[1] * n[1] + (uint64_t)n[2] * n[2] +
                     last * last;
  return (sum * 0x9e3779b97f4a7c15u + squares) * 0xc2b2ae3d27d4eb4fu >> 24;
}

/* Which sides are the two of one face: an open hash table of sides. */
static void find_behind(struct foam *f) {
  size_t sides = f->sides * f->cells, size = 64;
  while (size < sides) /* a face is in it once, so that half of it stays empty */
    size *= 2;
  uint32_t *slot = out_alloc(size, sizeof *slot), n[4], m[4];
  memset(slot, 0xff, size * sizeof *slot);
  memset(f->behind, 0xff, sides * sizeof *f->behind);
  for (uint32_t side = 0; side < sides; side++) {
    if (corners(f, side, n) == 0)
      continue;
    size_t at = hash_of(n) & (size - 1);
    for (; slot[at] != NONE; at = (at + 1) & (size - 1)) {
      corners(f, slot[at], m);
      if (same_corners(n, m))
        break;
    }
    if (slot[at] == NONE) {
      slot[at] = side;
    } else {
      f->behind[side] = slot[at] / f->sides;
      f->behind[slot[at]] = side / f->sides;
    }
  }
  free(slot);
}

static void foam_add(struct foam *f, uint32_t side) {
  f->face[side] = (uint32_t)f->count;
  f->order[f->count++] = side;
}

static void order_inner(struct foam *f) {
  for (uint32_t cell = 0; cell < f->cells; cell++) {
    uint32_t last = cell; /* the cells behind its sides that are higher, lowest first */
    for (;;) {
      uint32_t best = NONE;
      for (uint32_t side = f->sides * cell; side < f->sides * (cell + 1); side++)
        if (f->behind[side] != NONE && f->behind[side] > last &&
            (best == NONE || f->behind[side] < f->behind[best]))
          best = side;
      if (best == NONE)
        break;
      last = f->behind[best];
      foam_add(f, best);
    }
  }
  f->inner = f->count;
}

/* Calls with the side of each triangle of the group that lies on a cell. */
static void each_side(struct foam *f, const struct group *g,
                      void (*with)(struct foam *f, uint32_t side, void *arg), void *arg) {
  for (size_t i = 0; i < g->count; i++) {
    const struct range *r = export_range(f->x, 2, g->tags[i]);
    for (size_t k = r ? r->first : 0; r && k < r->first + r->count; k++)
      if (f->x->sides[k].cell != SIDE_NONE)
        with(f, f->sides * f->x->sides[k].cell + f->x->sides[k].number, arg);
  }
}

static void add_outer(struct foam *f, uint32_t side, void *arg) {
  size_t *count = arg;
  if (f->behind[side] != NONE || f->face[side] != NONE)
    return;
  foam_add(f, side);
  ++*count;
}

/* ---- periodic pairs: face i of one patch is the image of face i of the other, and so is its first
 * corner ---- */

struct image { /* a side of the patch `to` */
  uint32_t n[3], side;
};

struct images {
  struct image *of;
  size_t count;
};

static int by_corners(const void *a, const void *b) {
  return memcmp(a, b, sizeof((struct image *)0)->n);
}

static struct image image_of(const uint32_t n[3], uint32_t side) {
  struct image i = {{n[0], n[1], n[2]}, side};
  for (int k = 0; k < 3; k++)
    if (i.n[k % 2] > i.n[k % 2 + 1]) {
      uint32_t swap = i.n[k % 2];
      i.n[k % 2] = i.n[k % 2 + 1];
      i.n[k % 2 + 1] = swap;
    }
  return i;
}

static void add_image(struct foam *f, uint32_t side, void *arg) {
  struct images *all = arg;
  uint32_t n[4];
  if (f->behind[side] != NONE || f->face[side] != NONE)
    return;
  corners(f, side, n);
  all->of[all->count++] = image_of(n, side);
}

static size_t count_triangles(const struct foam *f, const struct group *g) {
  size_t n = 0;
  for (size_t i = 0; i < g->count; i++) {
    const struct range *r = export_range(f->x, 2, g->tags[i]);
    n += r ? r->count : 0;
  }
  return n;
}

/* The faces of a pair's second patch, in the order of its first one's, which are those from `first`
 * on. */
static void order_images(struct foam *f, size_t set, size_t group, size_t first) {
  const struct node_pairs *pairs = f->x->pairs;
  struct images all = {out_alloc(count_triangles(f, &f->x->groups->of[group]), sizeof *all.of), 0};
  uint32_t *partner = out_alloc(f->x->arrays->node_count, sizeof *partner), n[4], m[4];
  size_t end = f->count;
  for (size_t i = 0; i < pairs->count; i++)
    if (pairs->of[i].set == set)
      partner[pairs->of[i].from] = pairs->of[i].to;
  each_side(f, &f->x->groups->of[group], add_image, &all);
  qsort(all.of, all.count, sizeof *all.of, by_corners);
  for (size_t face = first; face < end; face++) {
    corners(f, f->order[face], n);
    for (int k = 0; k < 3; k++)
      n[k] = partner[n[k]];
    struct image key = image_of(n, 0);
    const struct image *found = bsearch(&key, all.of, all.count, sizeof *all.of, by_corners);
    if (!found || f->face[found->side] != NONE)
      continue;
    corners(f, found->side, m);
    for (uint8_t k = 0; k < 3; k++)
      if (m[k] == n[0])
        f->turn[f->count] = k;
    add_outer(f, found->side, &f->patch_faces[group]);
  }
  free(partner);
  free(all.of);
}

static void order_periodic(struct foam *f) {
  const struct periodic *p = f->x->task->periodic;
  for (size_t i = 0; p && i < p->count; i++) {
    const struct periodic_set *s = &p->of[i];
    size_t first = f->count;
    each_side(f, &f->x->groups->of[s->group_from], add_outer, &f->patch_faces[s->group_from]);
    f->start[s->group_from] = first;
    f->start[s->group_to] = f->count;
    order_images(f, i, s->group_to, first);
  }
}

static void order_outer(struct foam *f) {
  const struct groups *g = f->x->groups;
  order_periodic(f);
  for (size_t i = 0; i < g->count; i++) {
    if (g->of[i].dim != 2 || g->of[i].kind == GROUP_PERIODIC)
      continue;
    f->start[i] = f->count;
    each_side(f, &g->of[i], add_outer, &f->patch_faces[i]);
  }
  f->start[g->count] = f->count;
  for (uint32_t side = 0; side < f->sides * f->cells; side++) {
    uint32_t n[4];
    if (corners(f, side, n) > 0)
      add_outer(f, side, &f->patch_faces[g->count]);
  }
}

/* ---- files ---- */

static void begin_in(struct out *o, const char *folder, const char *class, const char *object,
                     const char *note) {
  out_printf(o, "FoamFile\n{\n    version     2.0;\n    format      ascii;\n    class       %s;\n",
             class);
  if (note)
    out_printf(o, "    note        \"%s\";\n", note);
  out_printf(o, "    location    \"%s\";\n    object      %s;\n}\n\n", folder, object);
}

static void foam_begin(struct out *o, const char *class, const char *object, const char *note) {
  begin_in(o, "constant/polyMesh", class, object, note);
}

static void put_points(struct out *tar, const struct foam *f) {
  const struct export *x = f->x;
  struct out o = {0};
  out_room(&o, 64 * x->node_count + 1024);
  foam_begin(&o, "vectorField", "points", NULL);
  out_printf(&o, "%zu\n(\n", x->node_count);
  for (size_t i = 0; i < x->arrays->node_count; i++) {
    if (x->number[i] == EXPORT_NO_NODE)
      continue;
    for (size_t k = 0; k < 3; k++) {
      out_text(&o, k ? " " : "(");
      out_real(&o, x->xyz[3 * i + k], 22);
    }
    out_text(&o, ")\n");
  }
  out_text(&o, ")\n");
  tar_add(tar, FOLDER "points", &o);
}

static void foam_put_faces(struct out *tar, const struct foam *f) {
  struct out o = {0};
  out_room(&o, 32 * f->count + 1024);
  foam_begin(&o, "faceList", "faces", NULL);
  out_printf(&o, "%zu\n(\n", f->count);
  for (size_t i = 0; i < f->count; i++) {
    uint32_t n[4];
    int count = corners(f, f->order[i], n);
    for (int k = 0; k < count; k++) {
      out_text(&o, k ? " " : count == 3 ? "3(" : "4(");
      out_integer(&o, f->x->number[n[(k + f->turn[i]) % count]], 0);
    }
    out_text(&o, ")\n");
  }
  out_text(&o, ")\n");
  tar_add(tar, FOLDER "faces", &o);
}

/* owner: the cell of each face; neighbour: the cell behind each inner one. */
static void put_cells(struct out *tar, const struct foam *f, bool owner) {
  struct out o = {0}, note = {0};
  size_t count = owner ? f->count : f->inner;
  out_printf(&note, "nPoints: %zu nCells: %zu nFaces: %zu nInternalFaces: %zu", f->x->node_count,
             f->cells, f->count, f->inner);
  out_put(&note, "", 1);
  foam_begin(&o, "labelList", owner ? "owner" : "neighbour", note.data);
  out_printf(&o, "%zu\n(\n", count);
  for (size_t i = 0; i < count; i++) {
    out_integer(&o, owner ? f->order[i] / f->sides : f->behind[f->order[i]], 0);
    out_text(&o, "\n");
  }
  out_text(&o, ")\n");
  out_free(&note);
  tar_add(tar, owner ? FOLDER "owner" : FOLDER "neighbour", &o);
}

/* How a patch of a pair is tied to the other. */
static void put_cyclic(struct out *o, const struct foam *f, const struct periodic_set *s,
                       bool is_from) {
  const double *d = s->shift, *c = s->point, *a = s->axis, k = f->x->factor;
  double way = is_from ? k : -k;
  out_printf(o,
             "        type            cyclic;\n        neighbourPatch  %s;\n"
             "        matchTolerance  0.0001;\n",
             f->x->words[is_from ? s->group_to : s->group_from]);
  if (s->turns)
    out_printf(o,
               "        transform       rotational;\n"
               "        rotationAxis    (%.12g %.12g %.12g);\n"
               "        rotationCentre  (%.12g %.12g %.12g);\n",
               a[0], a[1], a[2], k * c[0], k * c[1], k * c[2]);
  else
    out_printf(o,
               "        transform       translational;\n"
               "        separationVector (%.12g %.12g %.12g);\n",
               way * d[0], way * d[1], way * d[2]);
}

/* The set of which the group is a side; NULL: none. */
static const struct periodic_set *set_of(const struct foam *f, size_t group) {
  const struct periodic *p = f->x->task->periodic;
  for (size_t i = 0; p && i < p->count; i++)
    if (p->of[i].group_from == group || p->of[i].group_to == group)
      return &p->of[i];
  return NULL;
}

static void put_patch(struct out *o, const struct foam *f, size_t i) {
  const struct periodic_set *s = set_of(f, i);
  out_printf(o, "    %s\n    {\n", i < f->x->groups->count ? f->x->words[i] : DEFAULT_NAME);
  if (s)
    put_cyclic(o, f, s, i == s->group_from);
  else
    out_text(o, "        type            patch;\n");
  out_printf(o, "        nFaces          %zu;\n        startFace       %zu;\n    }\n",
             f->patch_faces[i], f->start[i]);
}

/* In the order of their faces: pairs come first. */
static void put_boundary(struct out *tar, const struct foam *f) {
  const struct groups *g = f->x->groups;
  struct out o = {0};
  size_t patches = 0;
  for (size_t i = 0; i <= g->count; i++)
    patches += f->patch_faces[i] > 0;
  foam_begin(&o, "polyBoundaryMesh", "boundary", NULL);
  out_printf(&o, "%zu\n(\n", patches);
  for (int pairs = 1; pairs >= 0; pairs--)
    for (size_t i = 0; i <= g->count; i++)
      if (f->patch_faces[i] > 0 && (set_of(f, i) != NULL) == (pairs == 1))
        put_patch(&o, f, i);
  out_text(&o, ")\n");
  tar_add(tar, FOLDER "boundary", &o);
}

/* The cells of a solid; how many there are. */
static size_t zone_cells(const struct foam *f, int solid, struct out *o) {
  const struct mesh_arrays *s = f->x->arrays;
  size_t count = 0;
  for (enum cell_kind kind = CELL_TET; kind < CELL_KINDS; kind++)
    for (size_t i = 0; cells_solids(s, kind) && i < s->solid_count; i++) {
      const struct range *r = &cells_solids(s, kind)[i];
      if (s->solids[i].tag != solid)
        continue;
      count += r->count;
      for (size_t k = 0; o && k < r->count; k++) {
        out_integer(o, cells_first(s, kind) + r->first + k, 0);
        out_text(o, "\n");
      }
    }
  return count;
}

static void put_zone_cells(struct out *o, const struct foam *f, size_t group) {
  const struct group *g = &f->x->groups->of[group];
  size_t count = 0;
  for (size_t i = 0; i < g->count; i++)
    count += zone_cells(f, g->tags[i], NULL);
  out_printf(o, "%s\n{\n    type            cellZone;\n    cellLabels      List<label>\n%zu\n(\n",
             f->x->words[group], count);
  for (size_t i = 0; i < g->count; i++)
    zone_cells(f, g->tags[i], o);
  out_text(o, ")\n;\n}\n");
}

static void put_cell_zones(struct out *tar, const struct foam *f) {
  const struct groups *g = f->x->groups;
  struct out o = {0};
  size_t zones = 0;
  for (size_t i = 0; i < g->count; i++)
    zones += g->of[i].dim == 3 && g->of[i].count > 0;
  foam_begin(&o, "regIOobject", "cellZones", NULL);
  out_printf(&o, "%zu\n(\n", zones);
  for (size_t i = 0; i < g->count; i++)
    if (g->of[i].dim == 3 && g->of[i].count > 0)
      put_zone_cells(&o, f, i);
  out_text(&o, ")\n");
  tar_add(tar, FOLDER "cellZones", &o);
}

struct zone {
  struct out faces;
  size_t count;
};

static void add_inner(struct foam *f, uint32_t side, void *arg) {
  struct zone *z = arg;
  if (f->behind[side] == NONE)
    return;
  out_integer(&z->faces, f->face[side], 0);
  out_text(&z->faces, "\n");
  z->count++;
}

/* Left out where no group has faces between two solids. */
static void put_face_zones(struct out *tar, struct foam *f) {
  const struct groups *g = f->x->groups;
  struct out o = {0}, zones = {0};
  size_t count = 0;
  for (size_t i = 0; i < g->count; i++) {
    struct zone z = {0};
    if (g->of[i].dim == 2)
      each_side(f, &g->of[i], add_inner, &z);
    if (z.count) {
      out_printf(&zones,
                 "%s\n{\n    type            faceZone;\n    faceLabels      List<label>\n%zu\n(\n",
                 f->x->words[i], z.count);
      out_put(&zones, z.faces.data, z.faces.len);
      out_printf(&zones, ")\n;\n    flipMap         List<bool> %zu{0};\n}\n", z.count);
      count++;
    }
    out_free(&z.faces);
  }
  if (count) {
    foam_begin(&o, "regIOobject", "faceZones", NULL);
    out_printf(&o, "%zu\n(\n", count);
    out_put(&o, zones.data, zones.len);
    out_text(&o, ")\n");
    tar_add(tar, FOLDER "faceZones", &o);
  }
  out_free(&zones);
}

/* A cellSet: a zone of cells may not share cells with another. */
static void foam_put_poor(struct out *tar, const struct foam *f) {
  const struct export *x = f->x;
  struct out o = {0}, name = {0};
  if (!x->poor_word)
    return;
  begin_in(&o, FOLDER "sets", "cellSet", x->poor_word, NULL);
  out_printf(&o, "%zu\n(\n", x->poor_count);
  for (size_t i = 0; i < x->poor_count; i++) {
    out_integer(&o, x->poor[i], 0);
    out_text(&o, "\n");
  }
  out_text(&o, ")\n");
  out_printf(&name, FOLDER "sets/%s", x->poor_word);
  out_put(&name, "", 1);
  tar_add(tar, name.data, &o);
  out_free(&name);
}

static void foam_measure(const struct foam *f) {
  const struct export *x = f->x;
  struct foam_face *faces = out_alloc(f->count + 1, sizeof *faces);
  for (size_t i = 0; i < f->count; i++) {
    uint32_t side = f->order[i];
    corners(f, side, faces[i].corner);
    faces[i].owner = side / f->sides;
    faces[i].neighbour = f->behind[side];
  }
  foam_check(x->arrays->xyz, faces, f->count, f->cells, x->shapes);
  free(faces);
}

void foam_build(struct out *tar, const struct export *x) {
  struct foam f = {
      .x = x, .cells = cells_count(x->arrays), .sides = x->layer_sicn ? CELL_SIDES : SIDES};
  size_t sides = f.sides * f.cells;
  f.behind = out_alloc(sides, sizeof *f.behind);
  f.face = out_alloc(sides, sizeof *f.face);
  f.order = out_alloc(sides, sizeof *f.order);
  f.patch_faces = out_alloc(x->groups->count + 1, sizeof *f.patch_faces);
  f.start = out_alloc(x->groups->count + 1, sizeof *f.start);
  f.turn = out_alloc(sides, sizeof *f.turn);
  memset(f.face, 0xff, sides * sizeof *f.face);
  find_behind(&f);
  order_inner(&f);
  order_outer(&f);
  put_points(tar, &f);
  foam_put_faces(tar, &f);
  put_cells(tar, &f, true);
  put_cells(tar, &f, false);
  put_boundary(tar, &f);
  put_cell_zones(tar, &f);
  put_face_zones(tar, &f);
  foam_put_poor(tar, &f);
  tar_end(tar);
  foam_measure(&f);
  free(f.behind);
  free(f.face);
  free(f.order);
  free(f.patch_faces);
  free(f.start);
  free(f.turn);
}
