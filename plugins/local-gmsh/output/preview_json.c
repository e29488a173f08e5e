/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The original service's preview, for viewers that read it: flat arrays without an index.  Each
 * node is turned into text once and copied for every triangle that has it.
 */
#include "output/preview_json.h"

#include "arrays/mesh_arrays.h"
#include "base/out.h"
#include "model/names.h"
#include "task/task.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void geometry_json(struct out *o, const struct geometry *g, double volume) {
  out_printf(
      o,
      "{\"volumes\":%zu,\"surfaces\":%zu,\"curves\":%zu,\"points\":%zu,\"bbox\":[%.9g,%.9g,%.9g],"
      "\"bbox_min\":[%.9g,%.9g,%.9g],\"bbox_diagonal\":%.9g,\"total_volume\":%.9g}",
      g->volumes, g->surfaces, g->curves, g->points, g->high[0] - g->low[0], g->high[1] - g->low[1],
      g->high[2] - g->low[2], g->low[0], g->low[1], g->low[2], g->diagonal, volume);
}

#define TEXT_MAX (3 * OUT_FIXED_MAX)
struct node_text {
  uint32_t at;
  uint32_t len;
};

static struct node_text *node_texts(const struct mesh_arrays *s, const struct geometry *g,
                                    struct out *texts) {
  double reach = 0;
  for (int i = 0; i < 3; i++)
    reach = fmax(reach, fmax(fabs(g->low[i]), fabs(g->high[i])));
  int decimals = out_decimals(reach);
  struct node_text *nodes = out_alloc(s->node_count, sizeof *nodes);
  for (size_t n = 0; n < s->node_count; n++) {
    char *start = out_room(texts, TEXT_MAX), *p = start;
    for (size_t i = 0; i < 3; i++) {
      p = out_fixed(p, s->xyz[3 * n + i], decimals);
      *p++ = ',';
    }
    nodes[n].at = (uint32_t)texts->len;
    nodes[n].len = (uint32_t)(p - start);
    texts->len += nodes[n].len;
  }
  return nodes;
}

static void put_vertices(struct out *o, const struct mesh_arrays *s, const struct geometry *g) {
  struct out texts = {0};
  struct node_text *nodes = node_texts(s, g, &texts);
  for (size_t i = 0; texts.data && i < 3 * s->triangle_count; i++) {
    const struct node_text *n = &nodes[s->triangles[i]];
    char *p = out_room(o, TEXT_MAX);
    memcpy(p, texts.data + n->at, n->len);
    o->len += n->len;
  }
  if (s->triangle_count)
    o->len--; /* the last comma */
  free(nodes);
  out_free(&texts);
}

/* The same three numbers for every corner of a face. */
static void put_colors(struct out *o, const struct mesh_arrays *s, const struct names *names) {
  for (size_t f = 0; f < s->face_count; f++) {
    uint8_t rgb[3];
    char text[48] = "0.3,0.6,0.9,"; /* the original's, to the digit */
    if (names_colour(names, s->faces[f].tag, rgb))
      snprintf(text, sizeof text, "%.3g,%.3g,%.3g,", rgb[0] / 255.0, rgb[1] / 255.0,
               rgb[2] / 255.0);
    size_t len = strlen(text), corners = 3 * s->faces[f].count;
    out_room(o, corners * len);
    for (size_t i = 0; i < corners; i++)
      out_put(o, text, len);
  }
  if (s->triangle_count)
    o->len--; /* the last comma */
}

void preview_json_build(struct out *o, const struct mesh_arrays *s, const struct names *names,
                        const struct geometry *g, double volume) {
  out_room(o, s->triangle_count * 110 + 1024);
  out_text(o, "{\"vertices\":[");
  put_vertices(o, s, g);
  out_text(o, "],\"colors\":[");
  put_colors(o, s, names);
  out_printf(o, "],\"numVertices\":%zu,\"numTriangles\":%zu,\"isPreview\":true,\"geometry\":",
             3 * s->triangle_count, s->triangle_count);
  geometry_json(o, g, volume);
  out_text(o, "}\n");
}
