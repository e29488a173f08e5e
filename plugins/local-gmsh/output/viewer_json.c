/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The mesh as the original service's viewer reads it: the surface's triangles, flat, each coloured
 * by the tetrahedron behind it.
 */
#include "output/viewer_json.h"

#include "arrays/mesh_arrays.h"
#include "base/out.h"
#include "base/sort3.h"
#include "model/names.h"
#include "output/export.h"
#include "quality/quality.h"
#include "quality/quality_tables.h"
#include "task/outcome.h"
#include "task/task.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BINS 10

/* ---- the tetrahedron behind each triangle ---- */

struct slot {
  uint32_t nodes[3]; /* in ascending order */
  uint32_t triangle; /* + 1; 0: empty */
};

static struct slot *viewer_json_find(struct slot *table, size_t mask, const uint32_t n[3]) {
  uint64_t key = (uint64_t)n[0] * 0x9e3779b97f4a7c15u ^ (uint64_t)n[1] * 0xc2b2ae3d27d4eb4fu ^
                 (uint64_t)n[2] * 0x165667b19e3779f9u;
  size_t at = (key ^ key >> 29) & mask;
  while (table[at].triangle && memcmp(table[at].nodes, n, sizeof table[at].nodes) != 0)
    at = (at + 1) & mask;
  return &table[at];
}

/* Per triangle its tetrahedron, + 1; 0: none, which a sound mesh does not have. */
static uint32_t *behind(const struct mesh_arrays *s) {
  static const int FACES[4][3] = {{0, 1, 2}, {0, 1, 3}, {0, 2, 3}, {1, 2, 3}};
  uint32_t *tet_of = out_alloc(s->triangle_count, sizeof *tet_of), n[3];
  size_t size = 64;
  while (size < 2 * s->triangle_count)
    size *= 2;
  struct slot *table = out_alloc(size, sizeof *table);
  for (size_t t = 0; t < s->triangle_count; t++) {
    memcpy(n, s->triangles + 3 * t, sizeof n);
    sort3(n);
    struct slot *slot = viewer_json_find(table, size - 1, n);
    memcpy(slot->nodes, n, sizeof n);
    slot->triangle = (uint32_t)t + 1;
  }
  for (size_t i = 0; i < s->tet_count; i++)
    for (int f = 0; f < 4; f++) {
      for (int k = 0; k < 3; k++)
        n[k] = s->tets[i * (size_t)s->tet_nodes + (size_t)FACES[f][k]];
      sort3(n);
      const struct slot *slot = viewer_json_find(table, size - 1, n);
      if (slot->triangle)
        tet_of[slot->triangle - 1] = (uint32_t)i + 1;
    }
  free(table);
  return tet_of;
}

/* ---- colours ---- */

/* The original's: below 0 red, to 0.3 red to yellow, to 1 yellow to green. */
static void colour_text(double good, char text[48]) {
  double r = 0.9, g = 0.1;
  if (good > 0.3) {
    g = 0.9;
    r = 0.9 - 0.8 * (fmin(good, 1) - 0.3) / 0.7;
  } else if (good > 0) {
    g = 0.1 + 0.8 * good / 0.3;
  }
  snprintf(text, 48, "%.3g,%.3g,0.1,", r, g);
}

/* 0 bad, 1 ideal, on the scale of SICN. */
static double goodness(enum measure m, double value) {
  switch (m) {
  case MEASURE_ANGLE:
    return value / 70.53;
  case MEASURE_SKEWNESS:
    return 1 - value;
  case MEASURE_ASPECT:
    return value > 0 ? 1 / value : 0;
  default:
    return value;
  }
}

static void put_colours(struct out *o, const struct mesh_arrays *s, const struct quality *q,
                        const uint32_t *tet_of, enum measure m) {
  char text[48];
  out_text(o, "[");
  for (size_t t = 0; t < s->triangle_count; t++) {
    colour_text(tet_of[t] ? goodness(m, q->values[m][tet_of[t] - 1]) : 0, text);
    size_t len = strlen(text);
    for (int k = 0; k < 3; k++)
      out_put(o, text, len);
  }
  if (s->triangle_count)
    o->len--; /* the last comma */
  out_text(o, "]");
}

/* ---- the rest ---- */

static void put_vertices(struct out *o, const struct export *x) {
  const struct mesh_arrays *s = x->arrays;
  double reach = 0;
  for (size_t i = 0; i < 3 * s->node_count; i++)
    reach = fmax(reach, fabs(x->xyz[i]));
  int decimals = out_decimals(reach);
  out_text(o, "{\"vertices\":[");
  for (size_t i = 0; i < 3 * s->triangle_count; i++) {
    char *start = out_room(o, 3 * (OUT_FIXED_MAX + 1)), *p = start;
    for (size_t k = 0; k < 3; k++) {
      p = out_fixed(p, x->xyz[3 * (size_t)s->triangles[i] + k], decimals);
      *p++ = ',';
    }
    o->len += (size_t)(p - start);
  }
  if (s->triangle_count)
    o->len--;
  out_text(o, "],");
}

/* Faces by the numbers of the preview: of an STL, Gmsh's are others. */
static void put_tags(struct out *o, const struct export *x, const uint32_t *tet_of) {
  const struct mesh_arrays *s = x->arrays;
  out_text(o, "\"element_tags\":[");
  for (size_t t = 0; t < s->triangle_count; t++)
    out_printf(o, "%s%u", t ? "," : "", tet_of[t]);
  out_text(o, "],\"entity_tags\":[");
  size_t written = 0;
  for (size_t f = 0; f < s->face_count; f++) {
    const struct label *face = x->task ? names_face(&x->task->names, s->faces[f].tag) : NULL;
    for (size_t t = 0; t < s->faces[f].count; t++)
      out_printf(o, "%s%d", written++ ? "," : "", face ? names_number(face) : s->faces[f].tag);
  }
  out_text(o, "],");
}

static void put_metrics(struct out *o, const struct quality *q) {
  struct outcome summary = {0};
  quality_summary(q, &summary);
  out_text(o, "\"qualityMetrics\":");
  quality_metrics_json(o, &summary, q->tets);
}

static void put_histogram(struct out *o, const struct quality *q) {
  size_t bins[BINS] = {0}, most = 0;
  for (size_t i = 0; i < q->count; i++) {
    double at = q->values[MEASURE_SICN][i] * BINS;
    bins[at >= BINS ? BINS - 1 : at > 0 ? (size_t)at : 0]++;
  }
  for (int b = 0; b < BINS; b++)
    most = bins[b] > most ? bins[b] : most;
  out_text(o, ",\"histogramData\":{\"bins\":[");
  for (int b = 0; b < BINS; b++)
    out_printf(o,
               "%s{\"rangeStart\":%.1f,\"rangeEnd\":%.1f,\"count\":%zu,\"percentage\":%.4g,"
               "\"normalized\":%.4g}",
               b ? "," : "", b / 10.0, (b + 1) / 10.0, bins[b],
               100.0 * (double)bins[b] / (double)q->count, (double)bins[b] / (double)most);
  out_printf(o, "],\"totalElements\":%zu,\"maxCount\":%zu}}\n", q->count, most);
}

void viewer_json_build(struct out *o, const struct export *x) {
  const struct mesh_arrays *s = x->arrays;
  const struct quality *q = x->quality;
  static const struct {
    const char *name;
    enum measure m;
  } COLOURS[] = {{"sicn", MEASURE_SICN},
                 {"gamma", MEASURE_GAMMA},
                 {"skewness", MEASURE_SKEWNESS},
                 {"aspect_ratio", MEASURE_ASPECT},
                 {"min_angle", MEASURE_ANGLE}};
  uint32_t *tet_of = behind(s);
  put_vertices(o, x);
  put_tags(o, x, tet_of);
  out_printf(o, "\"num_nodes\":%zu,\"colors\":", s->node_count);
  put_colours(o, s, q, tet_of, MEASURE_SICN);
  out_text(o, ",\"qualityColors\":{");
  for (size_t i = 0; i < sizeof COLOURS / sizeof *COLOURS; i++) {
    out_printf(o, "%s\"%s\":", i ? "," : "", COLOURS[i].name);
    put_colours(o, s, q, tet_of, COLOURS[i].m);
  }
  out_text(o, "},");
  put_metrics(o, q);
  put_histogram(o, q);
  free(tet_of);
}
