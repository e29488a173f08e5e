/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An STL on its way into Gmsh's model.  Its facets are mended first (facets.h); Gmsh gets them as
 * discrete faces, with the numbers and names that the preview shows:
 *
 *   stl_read -> stl_load: a face each -> [mesh] stl_solids: Gmsh's own surfaces -> solids, groups
 */
#include "import/stl.h"

#include "base/file_view.h"
#include "base/out.h"
#include "facets/facets.h"
#include "facets/facets_mend.h"
#include "facets/facets_read.h"
#include "import/sniff_stl.h"
#include "import/tessellated.h"
#include "import/wrapping.h"
#include "model/names.h"
#include "step/step_text.h"
#include "task/log.h"
#include "task/outcome.h"
#include "task/strategy.h"
#include "task/task.h"

#include <errno.h>
#include <gmshc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CREASE          (40 * M_PI / 180)
#define LINE            1 /* Gmsh's element types */
#define TRIANGLE        2
#define BODIES_MAX      20000
#define OVERLAPS_LISTED 64

/* ---- reading ---- */

static const struct repair {
  const char *name, *one, *many;
  size_t at; /* in struct repairs */
} REPAIRS[] = {
    {"merged_points", "point was merged with one very near to it",
     "points were merged with others very near to them", offsetof(struct repairs, merged)},
    {"flat_facets", "facet without area was left out", "facets without area were left out",
     offsetof(struct repairs, flat)},
    {"duplicate_facets", "facet that was there twice was left out",
     "facets that were there twice were left out", offsetof(struct repairs, duplicate)},
    {"split_facets", "facet was split where a corner of another lies on its edge",
     "facets were split where corners of others lie on their edges",
     offsetof(struct repairs, split)},
    {"turned_facets", "facet was turned round", "facets were turned round",
     offsetof(struct repairs, turned)},
};
#define REPAIR_COUNT (sizeof REPAIRS / sizeof *REPAIRS)

static size_t times(const struct task *t, const struct repair *r) {
  size_t n;
  memcpy(&n, (const char *)&t->facets->repairs + r->at, sizeof n);
  return n;
}

void stl_repairs_json(const struct task *t, struct out *o) {
  out_text(o, "\"repairs\":[");
  for (size_t i = 0, written = 0; t->facets && i < REPAIR_COUNT; i++)
    if (times(t, &REPAIRS[i]))
      out_printf(o, "%s{\"repair\":\"%s\",\"count\":%zu}", written++ ? "," : "", REPAIRS[i].name,
                 times(t, &REPAIRS[i]));
  out_text(o, "],");
}

/* A body by its name, or its number as the preview has it. */
static void shell_name(const struct facets *f, uint32_t shell, char *text, size_t size) {
  const struct shell *s = &f->shells[shell];
  const char *name = s->part == FACET_NONE ? "" : f->part_names[s->part];
  if (*name && f->part_count > 1)
    snprintf(text, size, "%.60s", name);
  else if (s->body != FACET_NONE)
    snprintf(text, size, "body %u", (unsigned)s->body + 1);
  else
    snprintf(text, size, "a shell near (%.6g, %.6g, %.6g)", s->low[0], s->low[1], s->low[2]);
}

static void warn_of_overlaps(struct task *t) {
  const struct facets *f = t->facets;
  char one[100], other[100];
  size_t count = 0;
  uint32_t first = 0;
  for (uint32_t i = (uint32_t)f->shell_count; i-- > 0;)
    if (f->shells[i].overlaps != FACET_NONE) {
      first = i;
      count++;
    }
  if (count == 0)
    return;
  shell_name(f, first, one, sizeof one);
  shell_name(f, f->shells[first].overlaps, other, sizeof other);
  task_warn(
      t,
      "%zu of %zu bodies overlap others, the first %s and %s: unite them in the CAD program%s, "
      "or their elements lie in each other",
      count, f->shell_count, one, other, t->tessellation ? "" : " or by wrap=true");
}

/* One of a pair that names each other is enough. */
static bool is_told(const struct facets *f, uint32_t i) {
  uint32_t other = f->shells[i].overlaps;
  return other != FACET_NONE && (f->shells[other].overlaps != i || i < other);
}

void stl_assembly_json(const struct task *t, struct out *o) {
  const struct facets *f = t->facets;
  size_t count = 0, listed = 0;
  for (uint32_t i = 0; i < f->shell_count; i++)
    count += is_told(f, i);
  out_printf(o,
             "\"assembly\":{\"mode\":\"separate\",\"tolerance\":0,\"shared_faces\":0,\"counts\":{"
             "\"duplicates\":null,\"overlaps\":%zu,\"gaps\":null,\"loose_faces\":null},"
             "\"duplicates\":null,\"overlaps\":[",
             count);
  for (uint32_t i = 0; i < f->shell_count && listed < OVERLAPS_LISTED; i++) {
    char one[100], other[100];
    if (!is_told(f, i))
      continue;
    shell_name(f, i, one, sizeof one);
    shell_name(f, f->shells[i].overlaps, other, sizeof other);
    out_text(o, listed++ ? ",{\"solids\":[" : "{\"solids\":[");
    out_json_string(o, one);
    out_text(o, ",");
    out_json_string(o, other);
    out_text(o, "],\"volume\":null}");
  }
  out_text(o, "],\"gaps\":null,\"loose_faces\":null}");
}

static void warn(struct task *t) {
  for (size_t i = 0; i < REPAIR_COUNT; i++) {
    size_t n = times(t, &REPAIRS[i]);
    if (n)
      task_warn(t, "%zu %s", n, n == 1 ? REPAIRS[i].one : REPAIRS[i].many);
  }
  warn_of_overlaps(t);
  if (t->params.conformal || t->params.imprint)
    task_warn(
        t,
        "assembly=%s cuts the solids of a CAD file along each other; the bodies of an STL stay "
        "apart, and are not looked at for gaps and overlaps of faces",
        t->params.imprint ? "imprint" : "conformal");
}

/* What tetrahedra need. */
static int32_t check_solid(struct task *t) {
  const struct facets *f = t->facets;
  const struct edge_census *c = &f->edges;
  if (c->open || c->crowded)
    return task_fail(
        t, LATHE_BAD_INPUT,
        "%s: its facets do not close to a solid: of %zu edges %zu are open and %zu belong to "
        "more than two facets, one near (%.6g, %.6g, %.6g). Repair %s, or ask for a "
        "preview",
        t->name, c->all, c->open, c->crowded, c->at[0], c->at[1], c->at[2],
        t->tessellation ? "the part, or export it as exact geometry"
                        : "the STL, let it be wrapped (wrap=true)");
  if (f->body_count == 0)
    return task_fail(t, LATHE_BAD_INPUT,
                     "%s: its facets enclose no volume, so there is nothing to fill with "
                     "tetrahedra. Export the part again as a solid, or ask for a preview",
                     t->name);
  if (f->body_count > BODIES_MAX)
    return task_fail(t, LATHE_BAD_INPUT,
                     "%s holds %zu separate bodies; %d can be meshed at once. Remove the specks, "
                     "or send the bodies one by one",
                     t->name, f->body_count, BODIES_MAX);
  return LATHE_OK;
}

int32_t stl_read(struct task *t) {
  struct facets *f = out_alloc(1, sizeof *f);
  struct view v = view_map(t->model);
  if (!v.data) {
    free(f);
    return task_fail(t, LATHE_RETRY, "%s cannot be read: %s", t->name, strerror(errno));
  }
  bool ok = facets_read(f, v.data, v.size, view_is_binary_stl(v));
  view_unmap(v);
  if (ok)
    facets_mend(f);
  if (!ok || f->count == 0) {
    bool flat = ok;
    facets_free(f);
    free(f);
    return task_fail(t, LATHE_BAD_INPUT,
                     flat ? "%s: none of its facets has an area; export the part again"
                          : "%s holds no facets that can be read; export the part again",
                     t->name);
  }
  t->facets = f;
  return stl_check(t);
}

int32_t stl_check(struct task *t) {
  warn(t);
  int32_t rc = task_fills(t) && t->params.wrap && !t->tessellation ? wrapping_do(t) : LATHE_OK;
  return task_fills(t) && rc == LATHE_OK ? check_solid(t) : rc;
}

void stl_measure(const struct task *t, struct geometry *g) {
  const struct facets *f = t->facets;
  *g = (struct geometry){.volumes = f->body_count,
                         .surfaces = f->face_count,
                         .diagonal = f->diagonal,
                         .volume = f->volume};
  memcpy(g->low, f->low, sizeof g->low);
  memcpy(g->high, f->high, sizeof g->high);
}

/* ---- names ---- */

static char *name_of(const char *text) {
  return text && *text ? step_text_clean(text, strlen(text)) : NULL;
}

static void label_face(const struct task *t, struct label *l, int tag, uint32_t face) {
  const struct facets_face *from = &t->facets->faces[face];
  *l = (struct label){.tag = tag,
                      .number = (int)face + 1,
                      .solid = from->body == FACET_NONE ? 0 : (int)from->body + 1,
                      .name = name_of(from->name)};
}

/* What programs write after "solid" where nobody named the part. */
static bool is_default(const char *text) {
  static const char *const BEGINS[] = {
      "ascii",     "created by",    "exported from", "stl generated", "visualization toolkit",
      "vcg",       "openscad",      "default",       "untitled",      "unnamed",
      "numpy-stl", "auto-generated"};
  for (size_t i = 0; i < sizeof BEGINS / sizeof *BEGINS; i++)
    if (strncasecmp(text, BEGINS[i], strlen(BEGINS[i])) == 0)
      return true;
  return false;
}

static char *name_of_body(const struct facets *f, uint32_t body) {
  const char *name = f->body_names[body];
  return name && !is_default(name) ? name_of(name) : NULL;
}

void stl_names(struct task *t) {
  const struct facets *f = t->facets;
  struct names *n = &t->names;
  names_free(n);
  n->solids = out_alloc(f->body_count, sizeof *n->solids);
  n->faces = out_alloc(f->face_count, sizeof *n->faces);
  n->solid_count = f->body_count;
  n->face_count = f->face_count;
  for (uint32_t i = 0; i < f->body_count; i++)
    n->solids[i] = (struct label){.tag = (int)i + 1, .name = name_of_body(f, i)};
  for (uint32_t i = 0; i < f->face_count; i++) {
    label_face(t, &n->faces[i], (int)i + 1, i);
    n->named_faces += n->faces[i].name != NULL;
  }
  if (t->tessellation)
    tessellated_names(t);
  names_group(n);
}

/* ---- into Gmsh ---- */

static bool load_nodes(const struct facets *f) {
  size_t *tags = out_alloc(f->node_count, sizeof *tags);
  int e = 0;
  for (size_t i = 0; i < f->node_count; i++)
    tags[i] = i + 1;
  gmshModelMeshAddNodes(2, 1, tags, f->node_count, f->xyz, 3 * f->node_count, NULL, 0, &e);
  free(tags);
  return e == 0;
}

/* Facets by face; a facet's tag is its number + 1. */
static bool load_faces(const struct facets *f) {
  size_t *begin = out_alloc(f->face_count + 1, sizeof *begin);
  size_t *tags = out_alloc(f->count, sizeof *tags), *nodes = out_alloc(3 * f->count, sizeof *nodes);
  int e = 0;
  for (size_t i = 0; i < f->count; i++)
    begin[f->face[i]]++;
  for (size_t i = 0, sum = 0; i <= f->face_count; i++) {
    size_t n = begin[i];
    begin[i] = sum;
    sum += n;
  }
  for (size_t i = 0; i < f->count; i++) {
    size_t at = begin[f->face[i]]++;
    tags[at] = i + 1;
    for (size_t k = 0; k < 3; k++)
      nodes[3 * at + k] = (size_t)f->node[3 * i + k] + 1;
  }
  for (size_t i = 0, from = 0; e == 0 && i < f->face_count; from = begin[i++])
    gmshModelMeshAddElementsByType((int)i + 1, TRIANGLE, tags + from, begin[i] - from,
                                   nodes + 3 * from, 3 * (begin[i] - from), &e);
  free(begin);
  free(tags);
  free(nodes);
  return e == 0;
}

/* Edges between faces, which Gmsh's own search for creases would not see where they are smooth. */
static bool load_borders(const struct facets *f) {
  size_t *nodes = NULL, *tags, n = 0, room = 0;
  int e = 0;
  for (size_t h = 0; h < 3 * f->count; h++) {
    uint32_t m = f->mate[h];
    if (m == FACET_NONE || m < h || f->face[m / 3] == f->face[h / 3])
      continue;
    if (n == room) {
      nodes = out_again(nodes, 2 * n, 2 * (2 * n + 64), sizeof *nodes);
      room = 2 * n + 64;
    }
    nodes[2 * n] = (size_t)f->node[h] + 1;
    nodes[2 * n++ + 1] = (size_t)f->node[h % 3 == 2 ? h - 2 : h + 1] + 1;
  }
  if (n == 0)
    return true;
  tags = out_alloc(n, sizeof *tags);
  for (size_t i = 0; i < n; i++)
    tags[i] = f->count + i + 1;
  gmshModelAddDiscreteEntity(1, 1, NULL, 0, &e);
  if (e == 0)
    gmshModelMeshAddElementsByType(1, LINE, tags, n, nodes, 2 * n, &e);
  free(tags);
  free(nodes);
  return e == 0;
}

bool stl_load(const struct task *t) {
  const struct facets *f = t->facets;
  int e = 0;
  for (size_t i = 0; e == 0 && i < f->face_count; i++)
    gmshModelAddDiscreteEntity(2, (int)i + 1, NULL, 0, &e);
  return e == 0 && load_nodes(f) && load_faces(f);
}

/* ---- solids ---- */

struct surface { /* of Gmsh's model */
  int tag;
  uint32_t shell, face;
};

/* Any of its facets tells: a surface never crosses the border of a face or shell. */
static bool look_up(const struct facets *f, struct surface *s) {
  size_t *tags = NULL, *nodes = NULL, n = 0, m = 0;
  int e = 0;
  gmshModelMeshGetElementsByType(TRIANGLE, &tags, &n, &nodes, &m, s->tag, 0, 1, &e);
  bool ok = e == 0 && n > 0 && tags[0] >= 1 && tags[0] <= f->count;
  if (ok) {
    s->shell = f->shell[tags[0] - 1];
    s->face = f->face[tags[0] - 1];
  }
  gmshFree(tags);
  gmshFree(nodes);
  return ok;
}

static struct surface *look_up_all(const struct facets *f, size_t *count) {
  int *entities = NULL, e = 0;
  size_t n = 0;
  gmshModelGetEntities(&entities, &n, 2, &e);
  struct surface *all = out_alloc(n / 2, sizeof *all);
  *count = 0;
  for (size_t i = 0; e == 0 && i < n / 2; i++) {
    all[*count].tag = entities[2 * i + 1];
    *count += look_up(f, &all[*count]);
  }
  gmshFree(entities);
  return all;
}

static void rename_faces(struct task *t, const struct surface *all, size_t count) {
  struct names *n = &t->names;
  struct label *labels = out_alloc(count, sizeof *labels);
  for (size_t i = 0; i < count; i++)
    label_face(t, &labels[i], all[i].tag, all[i].face);
  names_put_faces(n, labels, count);
}

static int by_shell(const void *a, const void *b) {
  const struct surface *x = a, *y = b;
  if (x->shell != y->shell)
    return x->shell < y->shell ? -1 : 1;
  return (x->tag > y->tag) - (x->tag < y->tag);
}

/* loops: of each shell its surface loop; 0: none. */
static bool add_loops(const struct facets *f, const struct surface *all, size_t count, int *loops) {
  int *tags = out_alloc(count, sizeof *tags), e = 0;
  for (size_t i = 0, run; e == 0 && i < count; i += run) {
    for (run = 0; i + run < count && all[i + run].shell == all[i].shell; run++)
      tags[run] = all[i + run].tag;
    if (f->shells[all[i].shell].body != FACET_NONE)
      loops[all[i].shell] = gmshModelGeoAddSurfaceLoop(tags, run, -1, &e);
  }
  free(tags);
  return e == 0;
}

/* Each body's own loop first, then those of its holes. */
static bool add_volumes(const struct facets *f, const int *loops) {
  int *of = out_alloc(f->shell_count, sizeof *of), e = 0;
  size_t *first = out_alloc(f->body_count + 1, sizeof *first);
  for (size_t i = 0; i < f->shell_count; i++)
    if (f->shells[i].body != FACET_NONE)
      first[f->shells[i].body + 1]++;
  for (size_t b = 0; b < f->body_count; b++)
    first[b + 1] += first[b];
  for (int holes = 0; holes < 2; holes++)
    for (size_t i = 0; i < f->shell_count; i++)
      if (f->shells[i].body != FACET_NONE && f->shells[i].hole == holes)
        of[first[f->shells[i].body]++] = loops[i];
  for (size_t b = 0, from = 0; e == 0 && b < f->body_count; from = first[b++])
    gmshModelGeoAddVolume(of + from, first[b] - from, (int)b + 1, &e);
  if (e == 0)
    gmshModelGeoSynchronize(&e);
  free(of);
  free(first);
  return e == 0;
}

bool stl_solids(struct task *t, const struct strategy *r, struct outcome *o) {
  const struct facets *f = t->facets;
  size_t count = 0;
  int e = 0;
  if (r->facets) {
    gmshModelMeshCreateTopology(1, 1, &e);
  } else {
    e = !load_borders(f);
    if (e == 0)
      gmshModelMeshClassifySurfaces(CREASE, 1, 1, M_PI, 1, &e);
    if (e == 0)
      gmshModelMeshCreateGeometry(NULL, 0, &e);
  }
  if (e)
    return log_check(o) ? outcome_fail(o, REASON_LOG, "its facets could not be sorted into faces")
                        : false;
  struct surface *all = look_up_all(f, &count);
  int *loops = out_alloc(f->shell_count, sizeof *loops);
  rename_faces(t, all, count);
  qsort(all, count, sizeof *all, by_shell);
  bool ok = add_loops(f, all, count, loops) && add_volumes(f, loops);
  free(all);
  free(loops);
  return ok || outcome_fail(o, REASON_LOG, "no solid could be made of the facets");
}
