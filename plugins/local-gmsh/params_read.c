/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The job's parameters and the name of its input, out of request->spec.  The kind's declaration has
 * checked types and ranges; what depends on two of them at once is checked here.
 */
#include "params_read.h"

#include "cad/fluid_points.h"
#include "layers/layers_params.h"
#include "output/formats.h"
#include "output/picture.h"
#include "quality/score.h"
#include "quality_params.h"
#include "search/plan.h"
#include "select/periodic.h"
#include "select/selector.h"
#include "select/user_groups.h"
#include "sizes/local_sizes.h"
#include "task/params.h"
#include "task/task.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

struct choice {
  const char *word;
  int number; /* Gmsh's */
};
static const struct choice ALGORITHM_2D[] = {
    {"frontal", 6}, {"delaunay", 5}, {"meshadapt", 1}, {NULL, 6}};
static const struct choice INP_ELEMENTS[] = {{"shell", INP_SHELL},
                                             {"plane_stress", INP_PLANE_STRESS},
                                             {"plane_strain", INP_PLANE_STRAIN},
                                             {"axisymmetric", INP_AXISYMMETRIC},
                                             {NULL, INP_SHELL}};
#define PREVIEW_2D                                                                                 \
  5 /* Delaunay: about as near to the surface as frontal's triangles, in half of the time */
static const struct choice ALGORITHM_3D[] = {{"delaunay", 1}, {"hxt", 10}, {NULL, 1}};

/* How fine a preview is without a size: its longest edge by the diagonal, edges of a circle. */
static const struct quality_step {
  const char *word;
  double size;
  int circle_points; /* where Gmsh meshes the faces */
  int circle_edges;  /* where the CAD kernel does */
} QUALITY_STEPS[] = {
    {"draft", 1 / 8.0, 8, 16}, {"fine", 1 / 40.0, 24, 48}, {NULL, 1 / 15.0, 12, 28} /* normal */
};

static double real_of(const json_t *params, const char *key, double fallback) {
  const json_t *v = json_object_get(params, key);
  return json_is_number(v) ? json_number_value(v) : fallback;
}

static bool bool_of(const json_t *params, const char *key, bool fallback) {
  const json_t *v = json_object_get(params, key);
  return json_is_boolean(v) ? json_is_true(v) : fallback;
}

static const char *text_of(const json_t *params, const char *key) {
  const char *value = json_string_value(json_object_get(params, key));
  return value ? value : "";
}

static bool is_word(const json_t *params, const char *key, const char *word) {
  const char *value = json_string_value(json_object_get(params, key));
  return value && strcmp(value, word) == 0;
}

static int choice_of(const json_t *params, const char *key, const struct choice *table) {
  const char *word = json_string_value(json_object_get(params, key));
  while (table->word && !(word && strcmp(word, table->word) == 0))
    table++;
  return table->number;
}

static void fill_preview(struct params *p, const json_t *params) {
  const char *word = json_string_value(json_object_get(params, "quality"));
  const struct quality_step *step = QUALITY_STEPS;
  while (step->word && !(word && strcmp(word, step->word) == 0))
    step++;
  p->relative_size = real_of(params, "relative_size", 0);
  p->step_size = step->size;
  p->circle_points = step->circle_points;
  p->circle_edges = step->circle_edges;
  p->picture_width = bool_of(params, "picture", true)
                         ? (int)real_of(params, "picture_width", PICTURE_WIDTH)
                         : 0;
}

/* How the parts of a score count where the job does not say; see docs/meshing.md. */
static const double WEIGHTS[SCORE_PARTS] = {0.5, 0.15, 0.15, 0.1, 0.1, 0.5};

static void fill_search(struct params *p, const json_t *params) {
  const char *strategy = json_string_value(json_object_get(params, "strategy"));
  const char *order = json_string_value(json_object_get(params, "strategy_order"));
  p->search = !strategy || strcmp(strategy, "fast") == 0 ? SEARCH_FAST
              : strcmp(strategy, "exhaustive") == 0      ? SEARCH_EXHAUSTIVE
                                                         : SEARCH_NAMED;
  snprintf(p->strategy, sizeof p->strategy, "%s", strategy ? strategy : "fast");
  snprintf(p->order_of, sizeof p->order_of, "%s", order ? order : "");
  p->deterministic = bool_of(params, "deterministic", false);
  p->time_budget = real_of(params, "time_budget", 0);
  p->score_options.target = (uint64_t)real_of(params, "target_elements", 0);
  p->score_options.threshold = real_of(params, "score_threshold", 1);
  memcpy(p->score_options.weight, WEIGHTS, sizeof WEIGHTS);
}

static void params_read_fill(struct params *p, bool solid, const json_t *params,
                             int default_threads) {
  *p = (struct params){
      .max_size = real_of(params, "max_size_mm", 0),
      .min_size = real_of(params, "min_size_mm", 0),
      .max_deviation = real_of(params, "max_deviation", 0),
      .poor_below = real_of(params, "poor_below", 0),
      .growth = real_of(params, "growth_rate", 0),
      .across = (int)real_of(params, "elements_across_gap", 0),
      .curvature = (int)real_of(params, "curvature", 0),
      .order = (int)real_of(params, "element_order", 1),
      .threads = (int)real_of(params, "threads", 0),
      .algorithm_2d = solid ? choice_of(params, "algorithm_2d", ALGORITHM_2D) : PREVIEW_2D,
      .algorithm_3d = choice_of(params, "algorithm_3d", ALGORITHM_3D),
      .optimise = bool_of(params, "optimise", true),
      .heal = bool_of(params, "heal", false),
      .binary = bool_of(params, "binary", true),
      .conformal = is_word(params, "assembly", "conformal"),
      .imprint = is_word(params, "assembly", "imprint"),
      .contact_gap = real_of(params, "contact_gap", 0),
      .scale = real_of(params, "scale", 1),
      .tolerance = real_of(params, "tolerance", 0),
      .wrap = bool_of(params, "wrap", false),
      .wrap_gap = real_of(params, "wrap_gap_mm", 0),
      .fluid = bool_of(params, "fluid", false),
      .fluid_solids = bool_of(params, "fluid_solids", false),
      .fluid_regions = (int)real_of(params, "fluid_regions", 0),
  };
  p->quads = bool_of(params, "quads", false);
  p->inp_elements = (enum inp_elements)choice_of(params, "inp_elements", INP_ELEMENTS);
  if (!is_word(params, "output_unit", "auto"))
    snprintf(p->output_unit, sizeof p->output_unit, "%s", text_of(params, "output_unit"));
  fill_preview(p, params);
  fill_search(p, params);
  if (p->curvature == 0 && bool_of(params, "curvature_adaptive", false))
    p->curvature = CURVATURE_ADAPTIVE;
  if (p->threads <= 0)
    p->threads = default_threads;
}

/* The weights of a score, by its parts' names. */
static bool read_weights(struct task *t, const json_t *weights) {
  const char *key;
  json_t *v;
  double sum = 0;
  json_object_foreach((json_t *)weights, key, v) {
    int part = 0;
    while (part < SCORE_PARTS && strcmp(key, SCORE_NAMES[part]) != 0)
      part++;
    if (part == SCORE_PARTS)
      task_fail(t, LATHE_BAD_INPUT,
                "score_weights: %s is not a part of a score; the parts are sicn, gamma, angle, "
                "volume, count "
                "and elements",
                key);
    else if (!json_is_number(v) || json_number_value(v) < 0 || json_number_value(v) > 1000)
      task_fail(t, LATHE_BAD_INPUT, "score_weights: %s must be a number from 0 to 1000", key);
    else
      t->params.score_options.weight[part] = json_number_value(v);
  }
  for (int i = 0; i < SCORE_PARTS; i++)
    sum += t->params.score_options.weight[i];
  if (!(sum > 0))
    task_fail(t, LATHE_BAD_INPUT, "score_weights: one of them must be above 0");
  return t->code == LATHE_OK;
}

static bool read_search(struct task *t, const json_t *params) {
  const json_t *weights = json_object_get(params, "score_weights");
  const json_t *original = json_object_get(params, "quality_params");
  if (json_is_object(original) && !quality_params_read(t, original))
    return false;
  if (json_is_object(weights) && !read_weights(t, weights))
    return false;
  const json_t *periodic = json_object_get(params, "periodic");
  if (json_object_size(periodic) > 0 && !periodic_read(t, periodic))
    return false;
  return local_sizes_read(t, json_object_get(params, "local_sizes"));
}

static bool read_groups(struct task *t, const json_t *params) {
  const json_t *groups = json_object_get(params, "groups");
  return (!json_is_object(groups) || user_groups_read(t, groups)) &&
         fluid_points_read(t, json_object_get(params, "fluid_at"));
}

static bool known_strategies(struct task *t) {
  char name[32];
  const char *at = t->params.order_of;
  while (*at) {
    size_t n = strcspn(at, ",");
    snprintf(name, sizeof name, "%.*s", (int)n, at);
    if (!plan_known(name)) {
      task_fail(t, LATHE_BAD_INPUT,
                "strategy_order: there is no strategy \"%s\"; the choices of "
                "`strategy` but fast and exhaustive are meant, with commas between them",
                name);
      return false;
    }
    at += n + (at[n] == ',');
  }
  return true;
}

/* What a mesh of faces alone takes, and what it alone takes. */
static bool read_flat(struct task *t, const json_t *params) {
  const json_t *faces = json_object_get(params, "faces");
  const struct params *p = &t->params;
  const char *of_solids = p->search != SEARCH_FAST                       ? "strategy"
                          : p->score_options.target                      ? "target_elements"
                          : p->poor_below > 0                            ? "poor_below"
                          : !bool_of(params, "optimise", true)           ? "optimise"
                          : !is_word(params, "algorithm_3d", "delaunay") ? "algorithm_3d"
                                                                         : NULL;
  const char *of_faces = json_is_object(faces)          ? "faces"
                         : p->quads                     ? "quads"
                         : p->inp_elements != INP_SHELL ? "inp_elements"
                                                        : NULL;
  if (t->flat && of_solids && json_object_get(params, of_solids))
    task_fail(t, LATHE_BAD_INPUT,
              "%s is for tetrahedra, and dimension=2 makes none; leave one of them out", of_solids);
  if (!t->flat && of_faces)
    task_fail(t, LATHE_BAD_INPUT, "%s is for a mesh of faces alone: ask for dimension=2 as well",
              of_faces);
  if (json_is_object(faces)) {
    static const char *const NO_OTHERS[] = {NULL};
    const char *wrong = selector_check(faces, NO_OTHERS);
    if (wrong)
      task_fail(t, LATHE_BAD_INPUT, "faces %s", wrong);
    t->params.faces = json_incref((json_t *)faces);
  }
  return t->code == LATHE_OK;
}

/* What depends on several parameters at once. */
static void params_read_settle(struct task *t, const json_t *params) {
  struct params *p = &t->params;
  if (!known_strategies(t))
    return;
  if (p->across && t->flat)
    task_fail(
        t, LATHE_BAD_INPUT,
        "elements_across_gap is for walls of solids, and dimension=2 meshes faces alone: leave "
        "one of the two out");
  if (p->growth > 0 && p->growth < GROWTH_MIN)
    task_fail(t, LATHE_BAD_INPUT,
              "growth_rate=%g: it is a ratio of neighbouring sizes, from 1.01 up; 1.2 means that "
              "each element is a fifth larger than its neighbour",
              p->growth);
  if (p->tolerance > 0 && !p->conformal && !p->imprint && !p->fluid)
    task_fail(t, LATHE_BAD_INPUT,
              "tolerance says what assembly=conformal, assembly=imprint or fluid=true joins; the "
              "job asks for assembly=separate");
  if (p->fluid && p->imprint)
    task_fail(t, LATHE_BAD_INPUT,
              "fluid=true gives fluid and solids shared nodes, and assembly=imprint nodes of their "
              "own: leave one of them out");
  if (p->contact_gap > 0 && (p->conformal || p->fluid))
    task_fail(t, LATHE_BAD_INPUT,
              "contact_gap finds faces in contact of solids with nodes of their own: it goes with "
              "assembly=separate or assembly=imprint, without fluid");
  if (p->wrap_gap > 0 && !p->wrap)
    task_fail(t, LATHE_BAD_INPUT,
              "wrap_gap_mm says which openings wrap=true closes; the job does not ask for it: add "
              "wrap=true, or leave wrap_gap_mm out");
  if ((p->fluid_solids || p->fluid_regions) && !p->fluid)
    task_fail(t, LATHE_BAD_INPUT,
              "fluid_solids and fluid_regions say more about fluid=true; the job does not ask for "
              "it");
  if (p->fluid_at && (!p->fluid || p->fluid_regions))
    task_fail(t, LATHE_BAD_INPUT,
              "fluid_at chooses volumes of fluid=true by a point in each: ask for fluid=true, and "
              "leave fluid_regions out");
  if (p->order_of[0] && p->search != SEARCH_EXHAUSTIVE)
    task_fail(t, LATHE_BAD_INPUT,
              "strategy_order says what strategy=exhaustive tries; the job asks "
              "for strategy=%s",
              p->strategy);
  if (p->search != SEARCH_FAST &&
      (choice_of(params, "algorithm_2d", ALGORITHM_2D) != 6 ||
       choice_of(params, "algorithm_3d", ALGORITHM_3D) != 1 || !bool_of(params, "optimise", true)))
    task_fail(t, LATHE_BAD_INPUT,
              "algorithm_2d, algorithm_3d and optimise are for strategy=fast; "
              "strategy=%s brings its own: leave them out, or name another strategy",
              p->strategy);
  if (p->deterministic && p->search != SEARCH_EXHAUSTIVE &&
      (strstr(p->strategy, "hxt") || (p->search == SEARCH_FAST && p->algorithm_3d == 10)))
    task_fail(t, LATHE_BAD_INPUT,
              "deterministic: HXT's tetrahedra depend on where in memory things "
              "lie; ask for a strategy with delaunay instead");
  if (p->deterministic && p->search != SEARCH_EXHAUSTIVE && p->threads > 1) {
    task_warn(t, "deterministic: meshed with one thread instead of %d", p->threads);
    p->threads = 1;
  }
}

bool params_read(struct task *t, int default_threads) {
  json_error_t why;
  json_t *spec = json_loads(t->request->spec, 0, &why);
  if (!spec && json_error_code(&why) == json_error_numeric_overflow) /* in a value that Gmsh gets */
    spec = json_loads(t->request->spec, JSON_DECODE_INT_AS_REAL, &why);
  const json_t *inputs = json_object_get(spec, "inputs");
  const char *name = json_string_value(json_object_get(json_array_get(inputs, 0), "name"));
  if (!spec) {
    task_fail(t, LATHE_PERMANENT, "the job's description is not JSON: %s", why.text);
  } else if (json_array_size(inputs) != 1 || !name || !name[0] || strchr(name, '/') ||
             strlen(name) >= sizeof t->name) {
    task_fail(t, LATHE_BAD_INPUT, "one CAD file is needed, %zu came: send it as `file`",
              json_array_size(inputs));
  } else {
    const char *sha256 = json_string_value(json_object_get(json_array_get(inputs, 0), "sha256"));
    snprintf(t->name, sizeof t->name, "%s", name);
    snprintf(t->sha256, sizeof t->sha256, "%s", sha256 ? sha256 : "");
    params_read_fill(&t->params, t->solid, json_object_get(spec, "params"), default_threads);
    t->flat = t->solid && real_of(json_object_get(spec, "params"), "dimension", 3) == 2;
    if (read_groups(t, json_object_get(spec, "params")) && t->solid &&
        read_search(t, json_object_get(spec, "params")) &&
        read_flat(t, json_object_get(spec, "params")) &&
        boundary_layers_read(t,
                             json_object_get(json_object_get(spec, "params"), "boundary_layers")))
      params_read_settle(t, json_object_get(spec, "params"));
    if (t->code == LATHE_OK)
      formats_read(t,
                   json_string_value(json_object_get(json_object_get(spec, "params"), "outputs")));
    if (t->code == LATHE_OK && t->params.max_size > 0 && t->params.min_size > t->params.max_size)
      task_fail(t, LATHE_BAD_INPUT, "min_size_mm (%g) is above max_size_mm (%g): swap or drop one",
                t->params.min_size, t->params.max_size);
  }
  json_decref(spec);
  return t->code == LATHE_OK;
}
