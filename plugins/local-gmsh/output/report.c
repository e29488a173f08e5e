/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * report.html: one page that explains itself.  Nothing is loaded from outside, no script runs;
 * names out of files and requests are escaped wherever they stand.
 */
#include "output/report.h"

#include "arrays/mesh_arrays.h"
#include "base/out.h"
#include "model/groups.h"
#include "model/names.h"
#include "output/formats.h"
#include "output/report_style.h"
#include "output/strategy_words.h"
#include "quality/foam_check.h"
#include "quality/quality.h"
#include "quality/quality_tables.h"
#include "sizes/local_sizes.h"
#include "task/attempt.h"
#include "task/outcome.h"
#include "task/task.h"

#include <gmshc.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SOLIDS_SHOWN 60
#define PASS         0.2 /* the original's marks, of the smallest SICN and gamma */

static const struct {
  const char *title, *says;
} MEASURE_TEXT[MEASURES] = {
    [MEASURE_SICN] = {"SICN", "signed inverse condition number: 1 ideal, 0 flat"},
    [MEASURE_GAMMA] = {"gamma", "inscribed to circumscribed sphere: 1 ideal, 0 flat"},
    [MEASURE_ANGLE] = {"smallest dihedral angle", "degrees: 70.5 ideal, 0 flat"},
    [MEASURE_SKEWNESS] = {"skewness", "0 ideal, 1 flat"},
    [MEASURE_ASPECT] = {"aspect ratio", "longest edge to inscribed sphere: 1 ideal"},
};

/* ---- text ---- */

/* Bytes of a character that would turn the text around it (U+061C, U+200E, U+200F, U+202A to
 * U+202E, U+2066 to U+2069), and which; 0: it is another. */
static size_t turning(const char *text, unsigned *code) {
  const unsigned char *p = (const unsigned char *)text;
  if (p[0] == 0xd8 && p[1] == 0x9c) {
    *code = 0x61c;
    return 2;
  }
  if (p[0] != 0xe2 || (p[1] != 0x80 && p[1] != 0x81) || !p[2])
    return 0;
  *code = 0x2000 + (p[1] & 1U) * 64 + (p[2] & 63U);
  bool turns = *code == 0x200e || *code == 0x200f || (*code >= 0x202a && *code <= 0x202e) ||
               (*code >= 0x2066 && *code <= 0x2069);
  return turns ? 3 : 0;
}

static void put_escaped(struct out *o, const char *text) {
  for (; *text; text++) {
    unsigned code = 0;
    size_t bytes = turning(text, &code);
    if (bytes) {
      out_printf(o, "[U+%04X]", code);
      text += bytes - 1;
      continue;
    }
    switch (*text) {
    case '<':
      out_text(o, "&lt;");
      break;
    case '>':
      out_text(o, "&gt;");
      break;
    case '&':
      out_text(o, "&amp;");
      break;
    case '"':
      out_text(o, "&quot;");
      break;
    default:
      out_put(o, text, 1);
    }
  }
}

static void put_base64(struct out *o, const struct out *data) {
  static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < data->len; i += 3) {
    uint32_t bits = 0;
    size_t n = data->len - i < 3 ? data->len - i : 3;
    char four[4];
    for (size_t k = 0; k < 3; k++)
      bits = bits << 8 | (k < n ? (unsigned char)data->data[i + k] : 0);
    for (size_t k = 0; k < 4; k++)
      four[k] = k <= n ? DIGITS[bits >> (18 - 6 * k) & 63] : '=';
    out_put(o, four, 4);
  }
}

/* 16,010: a thin space would be lost in a copy. */
static void put_count(struct out *o, uint64_t n) {
  char digits[32];
  int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
  for (int i = 0; i < len; i++) {
    if (i && (len - i) % 3 == 0)
      out_text(o, ",");
    out_put(o, digits + i, 1);
  }
}

static void fact(struct out *o, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void fact(struct out *o, const char *name, const char *fmt, ...) {
  char text[512];
  va_list args;
  va_start(args, fmt);
  vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  out_printf(o, "<dt>%s</dt><dd>", name);
  put_escaped(o, text);
  out_text(o, "</dd>\n");
}

static void fact_count(struct out *o, const char *name, uint64_t n) {
  out_printf(o, "<dt>%s</dt><dd>", name);
  put_count(o, n);
  out_text(o, "</dd>\n");
}

/* Of boundary layers: the measures of the page are those of the tetrahedra. */
static void fact_kind(struct out *o, const char *name, uint64_t n, double worst) {
  out_printf(o, "<dt>%s</dt><dd>", name);
  put_count(o, n);
  if (n)
    out_printf(o, ", the worst of SICN %.3g", worst);
  out_text(o, "</dd>\n");
}

/* ---- top ---- */

static void put_units(struct out *o, const struct task *t) {
  struct out units = {0};
  formats_units(t, &units);
  out_put(&units, "", 1);
  fact(o, "unit of the mesh files", "%s", units.data);
  out_free(&units);
}

/* What a strategy is called, and what that means. */
static void put_strategy(struct out *o, const char *name, const char *before, const char *after) {
  struct out words = {0};
  strategy_words(&words, name);
  out_put(&words, "", 1);
  bool says_itself = strcmp(name, "as asked") == 0; /* "as the job asks", and no more */
  put_escaped(o, says_itself ? words.data : name);
  if (!says_itself && strcmp(words.data, name) != 0) {
    out_text(o, before);
    put_escaped(o, words.data);
    out_text(o, after);
  }
  out_free(&words);
}

static void report_put_elements(struct out *o, const struct task *t, const struct outcome *r) {
  if (t->flat) {
    fact_count(o, "triangles", r->triangles);
    if (t->params.quads)
      fact_count(o, "quadrangles", r->sheet.quadrangles);
    fact_count(o, "nodes", r->nodes);
    fact(o, "element", "%s",
         t->params.order == 2 ? "with a node in the middle of each side"
                              : "with nodes at its corners");
    fact(o, "pieces",
         "%zu that share no node; %zu sides of elements are open, at %zu more than "
         "two elements meet",
         (size_t)r->sheet.pieces, (size_t)r->sheet.open, (size_t)r->sheet.branches);
    return;
  }
  fact_count(o, "tetrahedra", r->tetrahedra);
  if (t->layers) {
    fact_kind(o, "prisms", r->layers.prisms, r->layers.prism_sicn.min);
    fact_kind(o, "pyramids", r->layers.pyramids, r->layers.pyramid_sicn.min);
  }
  fact_count(o, "nodes", r->nodes);
  if (r->triangles)
    fact_count(o, "triangles of the surface", r->triangles);
  if (r->layers.quadrangles)
    fact_count(o, "quadrangles of the surface", r->layers.quadrangles);
  fact(o, "element", "%s", t->params.order == 2 ? "ten-node tetrahedron" : "four-node tetrahedron");
}

static void put_content(struct out *o, const struct task *t, const struct outcome *r) {
  bool mm = strcmp(t->unit, "mm") == 0;
  const char *unit = mm ? "mm³" : "of the file's unit, cubed";
  const char *what = "volume";
  double is = r->volume, cad = r->cad_volume;
  if (t->flat) {
    unit = mm ? "mm²" : "of the file's unit, squared";
    what = "area";
    is = r->sheet.area;
    cad = r->sheet.cad_area;
  }
  if (cad > 0)
    fact(o, what, "%.6g %s; the CAD has %.6g, so %+.3f%%", is, unit, cad, 100 * (is - cad) / cad);
  else
    fact(o, what, "%.6g %s", is, unit);
}

static void put_facts(struct out *o, const struct task *t, const struct outcome *r) {
  const struct geometry *g = &t->geometry;
  bool mm = strcmp(t->unit, "mm") == 0;
  const char *unit = mm ? "mm" : "of the file's unit";
  bool good = r->quality[MEASURE_SICN].min >= PASS && r->quality[MEASURE_GAMMA].min >= PASS;
  out_text(o, "<dl class=facts>\n");
  report_put_elements(o, t, r);
  out_printf(o, "<dt>worst %s</dt><dd class=%s>SICN %.3g, gamma %.3g: %s</dd>\n",
             t->layers ? "tetrahedron" : "element", good ? "yes" : "no",
             r->quality[MEASURE_SICN].min, r->quality[MEASURE_GAMMA].min,
             good ? "both are at 0.2 or above" : "the mark is 0.2 for both");
  if (t->params.order == 2)
    fact(o, "curved elements",
         "%zu; %zu were bent through themselves and %zu middle nodes moved towards straight, at "
         "most %.3g; least determinant %.3g of the straight element's",
         r->curved.curved, r->curved.bent, r->curved.moved, r->curved.distance, r->curved.least);
  fact(o, "poor elements", "%llu have a SICN under %g", (unsigned long long)r->poor, QUALITY_POOR);
  if (t->params.poor_below > 0)
    fact(o, "set " GROUPS_POOR, "%llu elements with a SICN under %g",
         (unsigned long long)r->poor_set, t->params.poor_below);
  if (r->foam.faces)
    fact(o, "checkMesh",
         "non-orthogonality at most %.3g degrees (%llu faces past %g), skewness %.3g (%llu past "
         "%g), aspect ratio %.4g (%llu cells past %g)",
         r->foam.orthogonality.value, (unsigned long long)r->foam.orthogonality.past,
         FOAM_ORTHOGONAL, r->foam.skewness.value, (unsigned long long)r->foam.skewness.past,
         FOAM_SKEW, r->foam.aspect.value, (unsigned long long)r->foam.aspect.past, FOAM_ASPECT);
  put_content(o, t, r);
  fact(o, "extent", "%.5g x %.5g x %.5g %s", g->high[0] - g->low[0], g->high[1] - g->low[1],
       g->high[2] - g->low[2], unit);
  if (t->wrapped.facets)
    fact(o, "wrapped",
         "a new surface round the facets: openings under %.4g closed, at most %.3g off them",
         t->wrapped.gap, t->wrapped.added);
  fact(o, "geometry", "solids: %zu, faces: %zu, edges: %zu", g->volumes, g->surfaces, g->curves);
  if (t->file_unit[0] && t->file_unit_mm != 1)
    fact(o, "unit of the file", "%s (%g mm); all numbers here are in mm", t->file_unit,
         t->file_unit_mm);
  put_units(o, t);
  out_text(o, "</dl>\n");
}

static void put_top(struct out *o, const struct task *t, const struct outcome *r,
                    const struct out *picture) {
  const char *chosen = "";
  for (size_t i = 0; i < t->attempt_count; i++)
    if (t->attempts[i].chosen)
      chosen = t->attempts[i].strategy;
  out_text(o, "<!doctype html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n<meta name=viewport "
              "content=\"width=device-width,initial-scale=1\">\n<title>Mesh of ");
  put_escaped(o, t->name);
  out_text(o, "</title>\n<style>");
  out_text(o, REPORT_STYLE);
  out_text(o, "</style>\n</head>\n<body>\n<h1>");
  put_escaped(o, t->name);
  out_printf(o, "</h1>\n<p class=sub>%s mesh of a %s file%s", t->flat ? "Surface" : "Tetrahedral",
             t->tessellation                 ? "tessellated STEP"
             : t->file_format == FORMAT_STEP ? "STEP"
             : t->file_format == FORMAT_IGES ? "IGES"
             : t->file_format == FORMAT_BREP ? "BREP"
                                             : "STL",
             !chosen[0]                        ? ""
             : strcmp(chosen, "as asked") == 0 ? ", made "
                                               : ", made with strategy ");
  put_strategy(o, chosen, " (", ")");
  out_text(o, "</p>\n<div class=top>\n");
  if (picture->len) {
    out_text(o, "<img width=640 height=480 alt=\"The mesh, seen from the front right\" "
                "src=\"data:image/png;base64,");
    put_base64(o, picture);
    out_text(o, "\">\n");
  }
  put_facts(o, t, r);
  out_text(o, "</div>\n");
}

/* ---- quality ---- */

static const char *title_of(enum measure m, bool tets) {
  return m == MEASURE_ANGLE && !tets ? "smallest angle" : MEASURE_TEXT[m].title;
}

static void put_bars(struct out *o, const struct quality *q, enum measure m, bool first) {
  size_t bins[QUALITY_BINS], most = 1;
  double low, high;
  int width = first ? 960 : 460, height = first ? 190 : 130, floor_at = height - 18;
  quality_histogram(q, m, bins, &low, &high);
  for (int b = 0; b < QUALITY_BINS; b++)
    most = bins[b] > most ? bins[b] : most;
  out_printf(o, "<figure%s><figcaption>%s <small>%s</small></figcaption>\n",
             first ? " class=first" : "", title_of(m, q->tets),
             m == MEASURE_ANGLE && !q->tets ? "degrees: 60 ideal, 90 of a quadrangle"
                                            : MEASURE_TEXT[m].says);
  out_printf(o, "<svg viewBox=\"0 0 %d %d\" role=img aria-label=\"Histogram of %s\">\n", width,
             height, title_of(m, q->tets));
  double step = (double)width / QUALITY_BINS;
  for (int b = 0; b < QUALITY_BINS; b++) {
    double tall = (floor_at - 8) * (double)bins[b] / (double)most;
    double share = 100.0 * (double)bins[b] / (double)(q->count ? q->count : 1);
    if (bins[b] && tall < 1)
      tall = 1; /* a few bad elements are what one looks for */
    out_printf(o,
               "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"><title>%.3g to %.3g: "
               "%zu elements, %.2f%%</title></rect>\n",
               b * step + 1, floor_at - tall, step - 2, tall, low + (high - low) * b / QUALITY_BINS,
               low + (high - low) * (b + 1) / QUALITY_BINS, bins[b], share);
  }
  out_printf(o, "<line x1=0 y1=%d x2=%d y2=%d />\n", floor_at, width, floor_at);
  for (int k = 0; k <= 4; k++)
    out_printf(o, "<text x=\"%.1f\" y=\"%d\" text-anchor=%s>%.3g%s</text>\n", width * k / 4.0,
               height - 4,
               k == 0   ? "start"
               : k == 4 ? "end"
                        : "middle",
               low + (high - low) * k / 4, k == 4 && m == MEASURE_ASPECT ? "+" : "");
  out_text(o, "</svg></figure>\n");
}

static void put_quality(struct out *o, const struct task *t, const struct quality *q,
                        const struct outcome *r) {
  out_text(o, "<h2>Quality</h2>\n");
  if (t->params.order == 2)
    out_text(o, "<p>Measured on the corner nodes. No element is inverted anywhere.</p>\n");
  out_text(o, "<div class=bars>\n");
  for (int m = 0; m < MEASURES; m++)
    put_bars(o, q, (enum measure)m, m == MEASURE_SICN);
  out_text(o, "</div>\n<div class=wide><table>\n<tr><th>measure<th>min<th>mean<th>p1<th>p5<th>p50"
              "<th>p95<th>max<th class=t>better</tr>\n");
  for (int m = 0; m < MEASURES; m++) {
    const struct stats *s = &r->quality[m];
    out_printf(o,
               "<tr><td class=n>%s<td>%.4g<td>%.4g<td>%.4g<td>%.4g<td>%.4g<td>%.4g<td>%.4g"
               "<td class=t>%s</tr>\n",
               title_of((enum measure)m, q->tets), s->min, s->mean, s->p1, s->p5, s->p50, s->p95,
               s->max, quality_low_is_good((enum measure)m) ? "low" : "high");
  }
  out_text(o, "</table></div>\n");
}

static void put_worst(struct out *o, const struct quality *q, const struct mesh_arrays *s) {
  struct bad_element worst[QUALITY_WORST];
  size_t n = quality_worst(q, s, worst);
  out_text(o, "<h2>The worst elements</h2>\n<div class=wide><table>\n<tr><th>element<th>SICN<th>"
              "gamma<th>smallest angle<th>middle</tr>\n");
  for (size_t i = 0; i < n; i++) {
    size_t e = worst[i].element;
    out_printf(o, "<tr><td>%zu<td>%.4f<td>%.4f<td>%.1f°<td class=n>%.5g, %.5g, %.5g</tr>\n", e,
               worst[i].sicn, q->values[MEASURE_GAMMA][e], q->values[MEASURE_ANGLE][e],
               worst[i].at[0], worst[i].at[1], worst[i].at[2]);
  }
  out_text(o, "</table></div>\n");
}

/* ---- candidates ---- */

static void put_candidate(struct out *o, const struct attempt *a, bool scores) {
  out_printf(o, "<tr%s><td class=n>", a->chosen ? " class=chosen" : "");
  put_strategy(o, a->strategy, "<br><small>", "</small>");
  if (scores && a->scored)
    out_printf(o, "<td>%.4f<td>", a->score);
  else if (scores)
    out_text(o, "<td><td>");
  if (scores && a->scored) {
    put_count(o, a->tetrahedra);
    out_printf(o, "<td>%.3f<td>%.3f<td>%.3f<td>%.3f<td>%.1f°<td>%+.3f%%", a->sicn_min, a->sicn_p1,
               a->sicn_mean, a->gamma_min, a->angle_min, 100 * a->volume_error);
  } else if (scores) {
    out_text(o, "<td><td><td><td><td><td>");
  }
  out_printf(o, "<td>%.2f<td class=t>", a->seconds);
  if (a->reason == REASON_NONE) {
    out_text(o, a->chosen ? "<span class=yes>chosen</span>" : "valid");
  } else {
    out_text(o, "<span class=no>turned down</span>: ");
    put_escaped(o, a->text);
  }
  out_text(o, "</tr>\n");
}

static void put_candidates(struct out *o, const struct task *t) {
  bool scores = false;
  for (size_t i = 0; i < t->attempt_count; i++)
    scores = scores || t->attempts[i].scored;
  if (t->attempt_count == 0)
    return;
  out_text(o, "<h2>What was tried</h2>\n<div class=wide><table>\n<tr><th>strategy");
  if (scores)
    out_text(o, "<th>score<th>tetrahedra<th>SICN min<th>p1<th>mean<th>gamma min<th>angle min<th>"
                "volume");
  out_text(o, "<th>seconds<th class=t>result</tr>\n");
  for (size_t i = 0; i < t->attempt_count; i++)
    put_candidate(o, &t->attempts[i], scores);
  out_text(o, "</table></div>\n");
}

/* ---- the rest ---- */

static void put_solids(struct out *o, const struct names *n) {
  if (n->solid_count == 0)
    return;
  out_text(o, "<h2>Solids</h2>\n<div class=wide><table>\n<tr><th>solid<th class=t>name<th class=t>"
              "group in the mesh files<th class=t>path in the assembly</tr>\n");
  for (size_t i = 0; i < n->solid_count && i < SOLIDS_SHOWN; i++) {
    const struct label *l = &n->solids[i];
    out_printf(o, "<tr><td>%d<td class=t>", l->tag);
    if (l->coloured)
      out_printf(o, "<span class=chip style=\"background:#%02x%02x%02x\"></span>", l->rgb[0],
                 l->rgb[1], l->rgb[2]);
    put_escaped(o, l->name ? l->name : "");
    out_text(o, "<td class=t>");
    put_escaped(o, l->group);
    out_text(o, "<td class=t>");
    put_escaped(o, l->path ? l->path : "");
    out_text(o, "</tr>\n");
  }
  out_text(o, "</table></div>\n");
  if (n->solid_count > SOLIDS_SHOWN)
    out_printf(o, "<p>and %zu more</p>\n", n->solid_count - SOLIDS_SHOWN);
}

static void put_local_sizes(struct out *o, const struct task *t, const struct outcome *r) {
  if (!t->local)
    return;
  out_text(o, "<h2>Local sizes</h2>\n<div class=wide><table>\n<tr><th>name<th class=t>on<th>size"
              "<th>growth rate<th>median edge there</tr>\n");
  for (size_t i = 0; i < t->local->count; i++) {
    const struct local_size *l = &t->local->of[i];
    out_text(o, "<tr><td class=n>");
    put_escaped(o, l->name);
    out_text(o, "<td class=t>");
    if (l->on == ON_REGION)
      out_text(o, local_sizes_word(l->on));
    else
      out_printf(o, "%zu %s", l->count, local_sizes_word(l->on));
    out_printf(o, "<td>%.6g<td>%.6g<td>", l->size, 1 + l->slope);
    if (r->local_edge[i] > 0)
      out_printf(o, "%.4g", r->local_edge[i]);
    else
      out_text(o, "no element is there");
    out_text(o, "</tr>\n");
  }
  out_text(o, "</table></div>\n");
}

/* The user's, with their picture. */
static void put_groups(struct out *o, const struct task *t, const struct out *picture) {
  const struct groups *g = &t->names.groups;
  if (json_object_size(t->params.groups) == 0)
    return;
  char **words = groups_words(g, "inp");
  out_text(o, "<h2>Groups</h2>\n");
  if (picture->len) {
    out_text(o, "<img alt=\"Each group, its faces in a strong colour\" "
                "src=\"data:image/png;base64,");
    put_base64(o, picture);
    out_text(o, "\">\n");
  }
  out_text(o, "<div class=wide><table>\n<tr><th>name<th class=t>in the picture and in formats of "
              "plain names<th>faces or edges</tr>\n");
  for (size_t i = 0; i < g->count; i++) {
    if (g->of[i].kind != GROUP_USER)
      continue;
    out_text(o, "<tr><td class=n>");
    put_escaped(o, g->of[i].name);
    out_text(o, "<td class=t>");
    put_escaped(o, words[i]);
    out_printf(o, "<td>%zu</tr>\n", g->of[i].count);
  }
  out_text(o, "</table></div>\n");
  free(words);
}

static void put_how(struct out *o, const struct task *t, const struct outcome *r) {
  char *version = NULL, when[32];
  int e = 0;
  time_t now = time(NULL);
  struct tm utc;
  gmshOptionGetString("General.Version", &version, &e);
  out_text(o, "<h2>How it was made</h2>\n<dl class=facts>\n");
  fact(o, "longest edge asked for", "%.6g", t->size);
  if (t->params.min_size > 0)
    fact(o, "shortest edge asked for", "%.6g", t->params.min_size);
  fact(o, "assembly", "%s",
       t->params.conformal ? "conformal: what touches shares its nodes there"
       : t->params.imprint ? "imprint: what touches has the same faces there, and nodes of its own"
       : t->flat           ? "separate: faces share nodes where the CAD has one edge for both"
                           : "separate: each solid has its own nodes");
  fact(o, "threads", "%d", t->params.threads);
  fact(o, "seconds", "import %.3f, edges %.3f, faces %.3f, volume %.3f, optimise %.3f",
       t->import_seconds, r->seconds[STAGE_EDGES], r->seconds[STAGE_FACES],
       r->seconds[STAGE_VOLUME], r->seconds[STAGE_OPTIMISE]);
  fact(o, "with", "Gmsh %s, local-gmsh " LATHE_VERSION,
       e == 0 && version ? version : GMSH_API_VERSION);
  if (gmtime_r(&now, &utc) && strftime(when, sizeof when, "%Y-%m-%d %H:%M UTC", &utc))
    fact(o, "made", "%s", when);
  out_text(o, "</dl>\n");
  gmshFree(version);
  if (t->warnings[0] || r->warnings[0]) {
    out_text(o, "<h2>Warnings</h2>\n<ul>\n");
    for (int i = 0; i < 2; i++) {
      const char *text = i ? r->warnings : t->warnings;
      if (text[0]) {
        out_text(o, "<li>");
        put_escaped(o, text);
        out_text(o, "</li>\n");
      }
    }
    out_text(o, "</ul>\n");
  }
}

void report_build(struct out *o, const struct task *t, const struct mesh_arrays *s,
                  const struct quality *q, const struct outcome *r,
                  const struct report_pictures *pictures) {
  put_top(o, t, r, pictures->mesh);
  put_quality(o, t, q, r);
  put_worst(o, q, s);
  put_candidates(o, t);
  put_solids(o, &t->names);
  put_groups(o, t, pictures->groups);
  put_local_sizes(o, t, r);
  put_how(o, t, r);
  out_text(o, "<footer>Every number is in quality.json and result.json too.</footer>\n</body>\n"
              "</html>\n");
}
