/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The original service's `quality_params`: each key is honoured, or the job is refused with a
 * sentence.  None is passed over in silence: a mesh that is not what was asked for looks like one.
 */
#include "quality_params.h"

#include "search/plan.h"
#include "task/params.h"
#include "task/task.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define LARGEST 1e6

static bool quality_params_refuse(struct task *t, const char *key, const char *needs) {
  task_fail(t, LATHE_BAD_INPUT, "quality_params: %s %s", key, needs);
  return false;
}

static bool number_in(struct task *t, const char *key, const json_t *v, double low, double high,
                      double *to) {
  char needs[80];
  double x = json_number_value(v);
  if (json_is_number(v) && x >= low && x <= high) {
    *to = x;
    return true;
  }
  snprintf(needs, sizeof needs, "must be a number from %g to %g", low, high);
  return quality_params_refuse(t, key, needs);
}

static bool flag(struct task *t, const char *key, const json_t *v, bool *to) {
  *to = json_is_true(v);
  return json_is_boolean(v) ? true : quality_params_refuse(t, key, "must be true or false");
}

/* ---- names of strategies: ours, or what the original called the same algorithms ---- */

static const struct {
  const char *word, *ours;
} ORIGINALS[] = {
    {"exhaustive", "exhaustive"},
    {"auto", "exhaustive"},
    {"fast", "fast"},
    {"tetrahedral", "frontal-delaunay"},
    {"tet", "frontal-delaunay"},
    {"delaunay", "delaunay-delaunay"},
    {"tetrahedral_delaunay", "delaunay-delaunay"},
    {"frontal", "frontal-delaunay"},
    {"tetrahedral_frontal", "frontal-delaunay"},
    {"hxt", "frontal-hxt"},
    {"tetrahedral_hxt", "frontal-hxt"},
    {"meshadapt", "meshadapt-delaunay"},
    {"curvature", "curved-delaunay"},
    {"curvature_adapted", "curved-delaunay"},
};

static const char *strategy_named(const char *word) {
  for (size_t i = 0; i < sizeof ORIGINALS / sizeof *ORIGINALS; i++)
    if (strcasecmp(word, ORIGINALS[i].word) == 0)
      return ORIGINALS[i].ours;
  return plan_known(word) ? word : NULL;
}

static bool no_strategy(struct task *t, const char *key, const char *word) {
  char needs[320];
  snprintf(needs, sizeof needs,
           "\"%.60s\" is none that this mesher has: it makes tetrahedra by Gmsh's own algorithms, "
           "no hexahedra, and has no Netgen or MMG3D. Layers of prisms are the parameter "
           "boundary_layers. `lathe kinds mesh` lists the strategies",
           word);
  return quality_params_refuse(t, key, needs);
}

static bool take_strategy(struct task *t, const char *key, const json_t *v) {
  const char *word = json_string_value(v), *ours = word ? strategy_named(word) : NULL;
  if (!word)
    return quality_params_refuse(t, key, "must be the name of a strategy");
  if (!ours)
    return no_strategy(t, key, word);
  t->params.search = strcmp(ours, "fast") == 0         ? SEARCH_FAST
                     : strcmp(ours, "exhaustive") == 0 ? SEARCH_EXHAUSTIVE
                                                       : SEARCH_NAMED;
  snprintf(t->params.strategy, sizeof t->params.strategy, "%s", ours);
  return true;
}

static bool take_order(struct task *t, const char *key, const json_t *v) {
  char *to = t->params.order_of;
  size_t size = sizeof t->params.order_of;
  to[0] = '\0';
  if (!json_is_array(v))
    return quality_params_refuse(t, key, "must be a list of names");
  for (size_t i = 0; i < json_array_size(v); i++) {
    const char *word = json_string_value(json_array_get(v, i));
    const char *ours = word ? strategy_named(word) : NULL;
    size_t len = strlen(to);
    if (!ours || strcmp(ours, "fast") == 0 || strcmp(ours, "exhaustive") == 0)
      return word ? no_strategy(t, key, word)
                  : quality_params_refuse(t, key, "must be a list of names");
    if (len + strlen(ours) + 2 > size)
      return quality_params_refuse(t, key, "is too long");
    snprintf(to + len, size - len, "%s%s", len ? "," : "", ours);
  }
  if (t->params.search == SEARCH_FAST)
    t->params.search = SEARCH_EXHAUSTIVE;
  return true;
}

/* ---- the other keys ---- */

static bool take_target(struct task *t, const char *key, const json_t *v) {
  double x = 0;
  bool ok = number_in(t, key, v, 1, 1e8, &x);
  t->params.score_options.target = (uint64_t)x;
  return ok;
}

static bool take_max(struct task *t, const char *key, const json_t *v) {
  return number_in(t, key, v, 0, LARGEST, &t->params.max_size);
}

static bool take_min(struct task *t, const char *key, const json_t *v) {
  return number_in(t, key, v, 0, LARGEST, &t->params.min_size);
}

static bool take_curvature(struct task *t, const char *key, const json_t *v) {
  bool on = false;
  if (!flag(t, key, v, &on))
    return false;
  if (!on)
    t->params.curvature = 0;
  else if (t->params.curvature == 0)
    t->params.curvature = CURVATURE_ADAPTIVE;
  return true;
}

static bool take_element_order(struct task *t, const char *key, const json_t *v) {
  if (!json_is_integer(v) || (json_integer_value(v) != 1 && json_integer_value(v) != 2))
    return quality_params_refuse(t, key, "must be 1 or 2");
  t->params.order = (int)json_integer_value(v);
  return true;
}

static bool take_preset(struct task *t, const char *key, const json_t *v) {
  static const struct {
    const char *word;
    double per_diagonal;
  } PRESETS[] = {{"draft", 12}, {"coarse", 12}, {"normal", 25},    {"medium", 25}, {"standard", 25},
                 {"fine", 50},  {"high", 50},   {"very_fine", 80}, {"ultra", 80}};
  const char *word = json_string_value(v);
  for (size_t i = 0; word && i < sizeof PRESETS / sizeof *PRESETS; i++)
    if (strcasecmp(word, PRESETS[i].word) == 0) {
      t->params.per_diagonal = PRESETS[i].per_diagonal;
      return true;
    }
  return quality_params_refuse(
      t, key,
      "must be coarse (or draft), medium (normal, standard), fine (high) or "
      "very_fine (ultra)");
}

static bool take_threshold(struct task *t, const char *key, const json_t *v) {
  return number_in(t, key, v, 0, 1000, &t->params.score_options.original_threshold);
}

/* The queue set cores aside by `threads`: more than that would take those of other jobs. */
static bool take_workers(struct task *t, const char *key, const json_t *v) {
  double x = 1;
  if (!number_in(t, key, v, 1, 1024, &x))
    return false;
  if ((int)x > t->params.threads)
    task_warn(t, "worker_count=%d: the job has %d core%s; ask for more with threads=%d", (int)x,
              t->params.threads, t->params.threads == 1 ? "" : "s", (int)x);
  else
    t->params.threads = (int)x;
  return true;
}

static bool take_defer(struct task *t, const char *key, const json_t *v) {
  bool on = false;
  if (!flag(t, key, v, &on))
    return false;
  if (on)
    task_warn(t, "defer_quality: the quality was measured all the same; no mesh is delivered "
                 "unchecked, and it takes milliseconds");
  return true;
}

static bool take_fast(struct task *t, const char *key, const json_t *v) {
  bool on = false;
  if (!flag(t, key, v, &on))
    return false;
  if (on) {
    t->params.search = SEARCH_FAST;
    snprintf(t->params.strategy, sizeof t->params.strategy, "fast");
  }
  return true;
}

static bool take_stl(struct task *t, const char *key, const json_t *v) {
  return flag(t, key, v, &t->params.save_stl);
}

static bool take_ansys(struct task *t, const char *key, const json_t *v) {
  const char *word = json_string_value(v);
  if (json_is_null(v) || (word && strcasecmp(word, "none") == 0))
    return true;
  if (word && strcasecmp(word, "CFD") == 0)
    t->params.ansys = ANSYS_CFD;
  else if (word && strcasecmp(word, "FEA") == 0)
    t->params.ansys = ANSYS_FEA;
  else
    return quality_params_refuse(t, key, "must be CFD, FEA or null");
  t->params.order = t->params.ansys == ANSYS_FEA ? 2 : 1;
  return true;
}

static bool take_region(struct task *t, const json_t *v) {
  struct region *r = &t->params.regions[t->params.region_count];
  const json_t *center = json_object_get(v, "center"), *size = json_object_get(v, "size_mm");
  static const char KEY[] = "painted_regions";
  if (json_array_size(center) != 3)
    return quality_params_refuse(
        t, KEY, "must hold {\"center\": [x, y, z], \"radius\": r} and may hold size_mm");
  for (size_t i = 0; i < 3; i++)
    if (!number_in(t, "painted_regions, center", json_array_get(center, i), -1e9, 1e9,
                   &r->center[i]))
      return false;
  if (!number_in(t, "painted_regions, radius", json_object_get(v, "radius"), 1e-9, 1e9,
                 &r->radius) ||
      (size && !number_in(t, "painted_regions, size_mm", size, 1e-9, 1e9, &r->size)))
    return false;
  t->params.region_count++;
  return true;
}

static bool take_regions(struct task *t, const char *key, const json_t *v) {
  if (!json_is_array(v) || json_array_size(v) > REGIONS_MAX)
    return quality_params_refuse(t, key, "must be a list of at most 64 regions");
  for (size_t i = 0; i < json_array_size(v); i++)
    if (!take_region(t, json_array_get(v, i)))
      return false;
  return true;
}

/* In the order in which they are taken: fast_mode has the last word on the strategy. */
static const struct {
  const char *key;
  bool (*take)(struct task *t, const char *key, const json_t *v);
} KEYS[] = {
    {"mesh_strategy", take_strategy},
    {"strategy_order", take_order},
    {"target_elements", take_target},
    {"max_size_mm", take_max},
    {"min_size_mm", take_min},
    {"curvature_adaptive", take_curvature},
    {"ansys_mode", take_ansys},
    {"element_order", take_element_order},
    {"quality_preset", take_preset},
    {"score_threshold", take_threshold},
    {"worker_count", take_workers},
    {"defer_quality", take_defer},
    {"painted_regions", take_regions},
    {"fast_mode", take_fast},
    {"save_stl", take_stl},
};
#define KEY_COUNT (sizeof KEYS / sizeof *KEYS)

static bool all_known(struct task *t, const json_t *given) {
  const char *key;
  json_t *v;
  json_object_foreach((json_t *)given, key, v) {
    size_t i = 0;
    while (i < KEY_COUNT && strcmp(key, KEYS[i].key) != 0)
      i++;
    if (i == KEY_COUNT)
      return quality_params_refuse(
          t, key,
          "is not a parameter of the original service; the parameters of this kind "
          "go beside quality_params, not into it");
  }
  return true;
}

bool quality_params_read(struct task *t, const json_t *given) {
  if (!all_known(t, given))
    return false;
  for (size_t i = 0; i < KEY_COUNT; i++) {
    const json_t *v = json_object_get(given, KEYS[i].key);
    if (v && !KEYS[i].take(t, KEYS[i].key, v))
      return false;
  }
  return true;
}
