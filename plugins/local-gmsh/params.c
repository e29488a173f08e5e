/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The job's parameters and the name of its input, out of request->spec.  The kind's declaration has
 * checked types and ranges; what depends on two of them at once is checked here.
 */
#include "picture.h"
#include "task.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

struct choice {
  const char *word;
  int number; /* Gmsh's */
};
static const struct choice ALGORITHM_2D[] = {
    {"frontal", 6}, {"delaunay", 5}, {"meshadapt", 1}, {NULL, 6}};
static const struct choice ALGORITHM_3D[] = {{"delaunay", 1}, {"hxt", 10}, {NULL, 1}};

/* How fine a preview is without a size: its longest edge by the diagonal, edges of a circle. */
static const struct quality_step {
  const char *word;
  double size;
  int circle_points;
} QUALITY_STEPS[] = {
    {"draft", 1 / 8.0, 8}, {"fine", 1 / 40.0, 24}, {NULL, 1 / 15.0, 12} /* normal */
};

static double real_of(const json_t *params, const char *key, double fallback) {
  const json_t *v = json_object_get(params, key);
  return json_is_number(v) ? json_number_value(v) : fallback;
}

static bool bool_of(const json_t *params, const char *key, bool fallback) {
  const json_t *v = json_object_get(params, key);
  return json_is_boolean(v) ? json_is_true(v) : fallback;
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
  p->picture_width = bool_of(params, "picture", true)
                         ? (int)real_of(params, "picture_width", PICTURE_WIDTH)
                         : 0;
}

static void fill(struct params *p, const json_t *params, int default_threads) {
  *p = (struct params){
      .max_size = real_of(params, "max_size_mm", 0),
      .min_size = real_of(params, "min_size_mm", 0),
      .curvature = (int)real_of(params, "curvature", 0),
      .order = (int)real_of(params, "element_order", 1),
      .threads = (int)real_of(params, "threads", 0),
      .algorithm_2d = choice_of(params, "algorithm_2d", ALGORITHM_2D),
      .algorithm_3d = choice_of(params, "algorithm_3d", ALGORITHM_3D),
      .optimise = bool_of(params, "optimise", true),
      .heal = bool_of(params, "heal", false),
      .binary = bool_of(params, "binary", true),
  };
  fill_preview(p, params);
  if (p->curvature == 0 && bool_of(params, "curvature_adaptive", false))
    p->curvature = 12;
  if (p->threads <= 0)
    p->threads = default_threads;
}

bool params_read(struct task *t, int default_threads) {
  json_error_t why;
  json_t *spec = json_loads(t->request->spec, 0, &why);
  const json_t *inputs = json_object_get(spec, "inputs");
  const char *name = json_string_value(json_object_get(json_array_get(inputs, 0), "name"));
  if (!spec) {
    task_fail(t, LATHE_PERMANENT, "the job's description is no JSON: %s", why.text);
  } else if (json_array_size(inputs) != 1 || !name || !name[0] || strchr(name, '/') ||
             strlen(name) >= sizeof t->name) {
    task_fail(t, LATHE_BAD_INPUT, "one CAD file is needed, %zu came: send it as `file`",
              json_array_size(inputs));
  } else {
    snprintf(t->name, sizeof t->name, "%s", name);
    fill(&t->params, json_object_get(spec, "params"), default_threads);
    if (t->params.max_size > 0 && t->params.min_size > t->params.max_size)
      task_fail(t, LATHE_BAD_INPUT, "min_size_mm (%g) is above max_size_mm (%g): swap or drop one",
                t->params.min_size, t->params.max_size);
  }
  json_decref(spec);
  return t->code == LATHE_OK;
}
