/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * result.json: what came out, how, and with what.  It is also the job's `result`, so it stays
 * small.
 */
#include "output/result.h"

#include "base/out.h"
#include "cad/contacts.h"
#include "cad/fluid_json.h"
#include "import/stl.h"
#include "import/wrapping.h"
#include "layers/layers_params.h"
#include "model/findings.h"
#include "model/groups.h"
#include "model/names.h"
#include "output/files.h"
#include "output/formats.h"
#include "output/preview_json.h"
#include "output/strategy_words.h"
#include "quality/foam_check.h"
#include "quality/overlaps.h"
#include "quality/quality_tables.h"
#include "quality/score.h"
#include "select/periodic.h"
#include "select/user_groups.h"
#include "sizes/local_sizes_json.h"
#include "sizes/thin_walls.h"
#include "task/attempt.h"
#include "task/outcome.h"
#include "task/params.h"
#include "task/strategy.h"
#include "task/task.h"

#include <gmshc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SOLIDS_MAX 100 /* listed with their names */
#define EDGES_MAX  200

static void put_counts(struct out *o, const struct task *t, const struct outcome *r) {
  out_printf(o, "\"counts\":{\"nodes\":%zu,\"triangles\":%zu", (size_t)r->nodes,
             (size_t)r->triangles);
  if (t->flat)
    out_printf(o, ",\"quadrangles\":%zu,\"lines\":%zu", (size_t)r->sheet.quadrangles,
               (size_t)r->sheet.lines);
  else if (t->solid)
    out_printf(o, ",\"tetrahedra\":%zu", (size_t)r->tetrahedra);
  if (t->layers)
    out_printf(o, ",\"quadrangles\":%zu,\"prisms\":%zu,\"pyramids\":%zu",
               (size_t)r->layers.quadrangles, (size_t)r->layers.prisms, (size_t)r->layers.pyramids);
  out_printf(o, "},\"total_nodes\":%zu,\"total_elements\":%zu,", (size_t)r->nodes,
             (size_t)(task_fills(t) ? r->tetrahedra + r->layers.prisms + r->layers.pyramids
                                    : r->triangles + r->sheet.quadrangles));
}

static void put_measures(struct out *o, const struct attempt *a) {
  out_printf(o,
             ",\"tetrahedra\":%llu,\"nodes\":%llu,\"sicn_min\":%.6g,\"sicn_mean\":%.6g,"
             "\"sicn_p1\":%.6g,\"sicn_p5\":%.6g,\"gamma_min\":%.6g,"
             "\"min_dihedral_angle\":%.6g,\"volume_error\":%.6g,\"score\":%.6f,"
             "\"worst_class\":%d,\"original_score\":%.4f,\"score_parts\":{",
             (unsigned long long)a->tetrahedra, (unsigned long long)a->nodes, a->sicn_min,
             a->sicn_mean, a->sicn_p1, a->sicn_p5, a->gamma_min, a->angle_min, a->volume_error,
             a->score, a->worst_class, score_original(a));
  for (int i = 0, n = 0; i < SCORE_PARTS; i++)
    if (a->part[i] >= 0)
      out_printf(o, "%s\"%s\":%.4f", n++ ? "," : "", SCORE_NAMES[i], a->part[i]);
  out_text(o, "}");
}

/* The name, which clients know, and what it is in words. */
static void put_strategy(struct out *o, const char *name) {
  struct out words = {0};
  strategy_words(&words, name);
  out_put(&words, "", 1);
  out_printf(o, "\"strategy\":\"%s\",\"strategy_text\":", name);
  out_json_string(o, words.data);
  out_text(o, ",");
  out_free(&words);
}

static void put_attempts(struct out *o, const struct task *t) {
  out_text(o, "\"attempts\":[");
  for (size_t i = 0; i < t->attempt_count; i++) {
    const struct attempt *a = &t->attempts[i];
    out_text(o, i ? ",{" : "{");
    put_strategy(o, a->strategy);
    out_printf(o, "\"seconds\":%.4f,\"accepted\":%s,\"chosen\":%s", a->seconds,
               a->reason == REASON_NONE ? "true" : "false", a->chosen ? "true" : "false");
    if (a->scored)
      put_measures(o, a);
    if (a->reason != REASON_NONE) {
      out_printf(o, ",\"reason\":\"%s\",\"detail\":", REASON_NAMES[a->reason]);
      out_json_string(o, a->text);
    }
    out_text(o, ",\"phases\":{");
    for (int s = 0, n = 0; s < STAGE_WRITE; s++)
      if (a->phase[s] > 0)
        out_printf(o, "%s\"%s\":%.4f", n++ ? "," : "", STAGE_NAMES[s], a->phase[s]);
    out_text(o, "}}");
  }
  out_text(o, "],");
}

/* How the choice was made. */
static void put_search(struct out *o, const struct task *t) {
  static const char *const SEARCHES[] = {"fast", "exhaustive", "named"};
  const struct params *p = &t->params;
  out_printf(o, "\"search\":\"%s\",\"partial\":%s,\"deterministic\":%s,\"random_seed\":%d,",
             SEARCHES[p->search], t->partial ? "true" : "false",
             p->deterministic && task_repeats(t) ? "true" : "false", RANDOM_SEED);
  for (size_t i = 0; i < t->attempt_count; i++)
    if (t->attempts[i].chosen && t->attempts[i].scored)
      out_printf(o, "\"score\":%.6f,\"original_score\":%.4f,", t->attempts[i].score,
                 score_original(&t->attempts[i]));
  out_text(o, "\"score_weights\":{");
  for (int i = 0; i < SCORE_PARTS; i++)
    out_printf(o, "%s\"%s\":%g", i ? "," : "", SCORE_NAMES[i], p->score_options.weight[i]);
  out_text(o, "},");
  if (p->score_options.target)
    out_printf(o, "\"target_elements\":%llu,", (unsigned long long)p->score_options.target);
}

static void put_seconds(struct out *o, const struct task *t, const struct outcome *r) {
  out_printf(o, "\"seconds\":{\"import\":%.4f", t->import_seconds);
  for (int s = STAGE_EDGES; s < STAGES; s++)
    if (r->seconds[s] > 0)
      out_printf(o, ",\"%s\":%.4f", STAGE_NAMES[s], r->seconds[s]);
  out_printf(o, ",\"total\":%.4f},\"import_reused\":%s,", task_now() - t->began,
             t->import_reused ? "true" : "false");
}

static void put_options(struct out *o, const struct task *t, const struct strategy *r) {
  static const char *const FINISHES[] = {"none", "optimised", "polished"};
  out_printf(
      o,
      "\"options\":{\"max_size\":%.9g,\"min_size\":%.9g,\"curvature\":%d,\"circle_points\":%d,"
      "\"algorithm_2d\":%d,",
      t->size * (r->finer > 0 ? r->finer : 1), t->params.min_size, r->curvature, r->circle_points,
      r->algorithm_2d);
  if (t->solid)
    out_printf(o,
               "\"algorithm_3d\":%d,\"optimise\":%s,\"finish\":\"%s\",\"element_order\":%d,"
               "\"growth_rate\":%.9g,\"elements_across_gap\":%d,\"regions\":%zu,\"output_unit\":\"%"
               "s\",\"scale\":%.15g,",
               r->algorithm_3d, r->finish != FINISH_RAW ? "true" : "false", FINISHES[r->finish],
               t->params.order, t->params.growth, t->params.across, t->params.region_count,
               t->params.output_unit[0] ? t->params.output_unit : "auto", t->params.scale);
  out_printf(o, "\"heal\":%s},\"threads\":%d,", r->heal || t->params.heal ? "true" : "false",
             t->params.threads);
}

static void put_versions(struct out *o) {
  static const char *const WANTED[][2] = {{"gmsh", "General.Version"},
                                          {"build", "General.BuildInfo"}};
  char *text = NULL;
  int e = 0;
  out_text(o, "\"versions\":{");
  gmshOptionGetString(WANTED[0][1], &text, &e);
  out_text(o, "\"gmsh\":");
  out_json_string(o, e == 0 && text ? text : GMSH_API_VERSION);
  gmshFree(text);
  text = NULL;
  gmshOptionGetString(WANTED[1][1], &text, &e);
  const char *occ = e == 0 && text ? strstr(text, "OCC version: ") : NULL;
  char version[32] = "unknown";
  if (occ)
    snprintf(version, sizeof version, "%.*s", (int)strcspn(occ + 13, ";\n "), occ + 13);
  out_text(o, ",\"occ\":");
  out_json_string(o, version);
  gmshFree(text);
  out_text(o, ",\"plugin\":\"" LATHE_VERSION "\"},");
}

static void put_warnings(struct out *o, const struct task *t, const struct outcome *r) {
  out_printf(o, "\"complete\":%s,\"missing_faces\":[", r->missing_faces ? "false" : "true");
  for (size_t i = 0; i < r->missing_faces && i < MISSING_MAX; i++)
    out_printf(o, "%s%d", i ? "," : "", r->missing[i]);
  out_text(o, "],\"warnings\":[");
  if (t->warnings[0])
    out_json_string(o, t->warnings);
  if (t->warnings[0] && r->warnings[0])
    out_text(o, ",");
  if (r->warnings[0])
    out_json_string(o, r->warnings);
  out_text(o, "]}\n");
}

/* How far the mesh is from the CAD. */
static void put_deviation(struct out *o, const struct task *t, const struct outcome *r) {
  const struct deviation *d = &r->deviation;
  out_text(o, "\"deviation\":{\"volume\":");
  if (r->cad_volume > 0)
    out_printf(o, "%.6g", (r->volume - r->cad_volume) / r->cad_volume);
  else
    out_text(o, "null");
  if (d->chord >= 0)
    out_printf(o, ",\"chord_error\":%.6g,\"chord_error_at\":[%.9g,%.9g,%.9g]", d->chord,
               d->chord_at[0], d->chord_at[1], d->chord_at[2]);
  out_printf(o, ",\"max_deviation\":%.9g,\"solids\":[", t->params.max_deviation);
  for (size_t i = 0; i < d->count; i++) {
    out_printf(o, "%s{\"solid\":%d,\"mesh_volume\":%.9g", i ? "," : "", d->solid[i].tag,
               d->solid[i].volume);
    if (d->solid[i].cad > 0)
      out_printf(o, ",\"cad_volume\":%.9g,\"volume\":%.6g", d->solid[i].cad,
                 (d->solid[i].volume - d->solid[i].cad) / d->solid[i].cad);
    out_text(o, "}");
  }
  out_text(o, "]},");
}

static void put_edge(struct out *o, int tag, bool first) {
  double a[3] = {0}, b[3] = {0}, length = 0;
  int e = 0;
  gmshModelOccGetMass(1, tag, &length, &e);
  gmshModelGetBoundingBox(1, tag, &a[0], &a[1], &a[2], &b[0], &b[1], &b[2], &e);
  out_printf(o, "%s{\"edge\":%d,\"length\":%.9g,\"box\":[%.9g,%.9g,%.9g,%.9g,%.9g,%.9g]}",
             first ? "" : ",", tag, length, a[0], a[1], a[2], b[0], b[1], b[2]);
}

/* What a mesh of faces alone has in place of a volume. */
static void result_put_sheet(struct out *o, const struct task *t, const struct outcome *r) {
  const struct deviation *d = &r->deviation;
  out_printf(o, "\"dimension\":2,\"mesh_area\":%.9g,\"deviation\":{\"area\":", r->sheet.area);
  if (r->sheet.cad_area > 0)
    out_printf(o, "%.6g,\"cad_area\":%.9g", r->sheet.area / r->sheet.cad_area - 1,
               r->sheet.cad_area);
  else
    out_text(o, "null");
  if (d->chord >= 0)
    out_printf(o, ",\"chord_error\":%.6g,\"chord_error_at\":[%.9g,%.9g,%.9g]", d->chord,
               d->chord_at[0], d->chord_at[1], d->chord_at[2]);
  out_printf(o,
             ",\"max_deviation\":%.9g},\"surface\":{\"pieces\":%zu,\"open_sides\":%zu,"
             "\"branching_sides\":%zu},",
             t->params.max_deviation, (size_t)r->sheet.pieces, (size_t)r->sheet.open,
             (size_t)r->sheet.branches);
  out_text(o, "\"edges\":[");
  for (size_t i = 0; i < t->names.edge_count && i < EDGES_MAX; i++)
    put_edge(o, t->names.edges[i], i == 0);
  out_text(o, "],");
}

static void put_assembly(struct out *o, const struct task *t) {
  const char *mode = t->params.conformal ? "conformal" : t->params.imprint ? "imprint" : "separate";
  if (t->facets)
    stl_assembly_json(t, o);
  else
    findings_json(&t->findings, mode, t->params.tolerance, o);
  out_text(o, ",");
  contacts_json(t, o);
}

static bool write_result(struct task *t, const struct outcome *r, const struct strategy *chosen) {
  struct out o = {0};
  struct outcome why = {0};
  double volume = r->cad_volume > 0 ? r->cad_volume : r->volume;
  out_printf(&o, "{\"success\":true,\"kind\":\"%s\",\"format\":\"%s\",\"units\":\"%s\",",
             t->solid ? "mesh" : "preview", FORMAT_NAMES[t->file_format], t->unit);
  put_strategy(&o, chosen->name);
  if (t->file_unit[0])
    out_printf(&o, "\"file_units\":\"%s\",\"file_unit_mm\":%.9g,", t->file_unit, t->file_unit_mm);
  names_json(&t->names, &o, SOLIDS_MAX);
  user_groups_json(t, &o);
  local_sizes_json(t, r, &o);
  thin_walls_json(t, &o);
  periodic_json(t, &o);
  boundary_layers_json(t, r, &o);
  if (t->solid)
    put_assembly(&o, t);
  fluid_json(t, &o);
  out_text(&o, "\"geometry\":");
  geometry_json(&o, &t->geometry, volume);
  if (t->flat)
    out_text(&o, ",\"mesh_volume\":null,");
  else
    out_printf(&o, ",\"mesh_volume\":%.9g,", r->volume);
  if (t->flat)
    result_put_sheet(&o, t, r);
  else if (t->solid)
    put_deviation(&o, t, r);
  put_counts(&o, t, r);
  out_text(&o, "\"quality_metrics\":");
  quality_metrics_json(&o, r, task_fills(t));
  out_text(&o, ",");
  if (t->solid && t->params.order == 2) {
    quality_second_order_json(&o, &r->curved);
    out_text(&o, ",");
  }
  foam_check_json(&o, &r->foam);
  if (t->solid) {
    formats_json(t, &o);
    put_search(&o, t);
    if (t->params.poor_below > 0)
      out_printf(&o, "\"poor_set\":{\"name\":\"" GROUPS_POOR "\",\"below\":%.9g,\"count\":%llu},",
                 t->params.poor_below, (unsigned long long)r->poor_set);
  }
  put_attempts(&o, t);
  put_seconds(&o, t, r);
  put_options(&o, t, chosen);
  put_versions(&o);
  stl_repairs_json(t, &o);
  wrapping_json(t, &o);
  put_warnings(&o, t, r);
  return files_put(t, &why, &o, "result.json");
}

static const struct {
  const char *name, *media_type;
  bool surface, solid;
} ARTIFACTS[] = {
    {"preview.glb", "model/gltf-binary", true, false},
    {"preview.png", "image/png", true, false},
    {"preview.json", "application/json", true, false},
    {"groups.png", "image/png", true, true},
    {"report.html", "text/html; charset=utf-8", false, true},
    {"mesh.png", "image/png", false, true},
    {"periodic.json", "application/json", false, true},
    {"quality.json", "application/json", false, true},
    {"result.json", "application/json", true, true},
};

/* The parts of a job that were not asked for left no file. */
static bool present(const struct task *t, const char *name) {
  char path[PATH_MAX];
  task_path(t, path, name);
  return access(path, R_OK) == 0;
}

static int32_t give(struct task *t, const char *name, const char *media_type) {
  int32_t rc = t->host->artifact(t->job, name, name, media_type);
  return rc == LATHE_OK ? rc : task_fail(t, rc, "%s was not taken by the host", name);
}

int32_t result_deliver(struct task *t, const struct outcome *o, const struct strategy *chosen) {
  const char *name, *media_type;
  int32_t rc = LATHE_OK;
  overlaps_note(t, o);
  if (!write_result(t, o, chosen))
    return task_fail(t, LATHE_RETRY, "result.json cannot be written: is the disk full?");
  for (size_t i = 0; t->solid && rc == LATHE_OK && (name = formats_file(i, &media_type)); i++)
    if (t->params.outputs >> i & 1)
      rc = give(t, name, media_type);
  for (size_t i = 0; rc == LATHE_OK && i < sizeof ARTIFACTS / sizeof *ARTIFACTS; i++)
    if ((t->solid ? ARTIFACTS[i].solid : ARTIFACTS[i].surface) && present(t, ARTIFACTS[i].name))
      rc = give(t, ARTIFACTS[i].name, ARTIFACTS[i].media_type);
  return rc;
}
