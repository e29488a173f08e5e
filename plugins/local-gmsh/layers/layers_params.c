/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "layers/layers_params.h"

#include "base/out.h"
#include "layers/layers.h"
#include "layers/layers_surface.h"
#include "model/adjacent.h"
#include "model/names.h"
#include "select/selector.h"
#include "task/outcome.h"
#include "task/params.h"
#include "task/task.h"

#include <gmshc.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GROWTH     1.2
#define GROWTH_MAX 5.0

static const char PARAMETER[] = "boundary_layers";
/* What belongs to the layers and not to the choice of faces. */
static const char *const OWN[] = {"first_height_mm", "layers", "growth", NULL};

static bool read_one(struct task *t, struct boundary_layer *b) {
  const char *name = b->as.name;
  const json_t *first = json_object_get(b->json, "first_height_mm"),
               *layers = json_object_get(b->json, "layers"),
               *growth = json_object_get(b->json, "growth");
  const char *wrong = json_is_object(b->json)
                          ? selector_check(b->json, OWN)
                          : "must be an object, as {\"faces\": [3], \"first_height_mm\": 0.1, "
                            "\"layers\": 4}";
  if (wrong)
    return task_refuse(t, PARAMETER, name, wrong);
  json_int_t count = json_integer_value(layers);
  b->as.first = json_number_value(first);
  b->as.growth = growth ? json_number_value(growth) : GROWTH;
  if (!json_is_number(first) || !(b->as.first >= 1e-9 && b->as.first <= 1e9))
    return task_refuse(
        t, PARAMETER, name,
        "needs first_height_mm, the height of the layer at the wall, from 1e-9 to 1e9");
  if (!json_is_integer(layers) || count < 1 || count > LAYERS_MAX)
    return task_refuse(t, PARAMETER, name,
                       "needs layers, how many there are, a whole number from 1 to 40");
  b->as.count = (int)count;
  if ((growth && !json_is_number(growth)) || b->as.growth < 1 || b->as.growth > GROWTH_MAX)
    return task_refuse(
        t, PARAMETER, name,
        "has a growth that is not a number from 1 to 5; 1.2 means that each layer is a "
        "fifth higher than the one before");
  return true;
}

/* What a mesh with layers cannot be as well. */
static bool check_others(struct task *t) {
  const struct params *p = &t->params;
  const char *other = t->flat ? "dimension=2"
                      : p->order == 2 && p->ansys == ANSYS_FEA
                          ? "ansys_mode=FEA, which means element_order=2,"
                      : p->order == 2                  ? "element_order=2"
                      : p->periodic                    ? "periodic"
                      : p->imprint                     ? "assembly=imprint"
                      : p->score_options.target        ? "target_elements"
                      : p->search == SEARCH_EXHAUSTIVE ? "strategy=exhaustive"
                                                       : NULL;
  if (!other)
    return true;
  task_fail(t, LATHE_BAD_INPUT, "%s cannot be combined with %s: leave one of them out", PARAMETER,
            other);
  return false;
}

bool boundary_layers_read(struct task *t, const json_t *layers) {
  const char *name;
  json_t *v;
  if (json_object_size(layers) == 0)
    return true;
  if (json_object_size(layers) > BOUNDARY_LAYERS_MAX) {
    task_fail(t, LATHE_BAD_INPUT, "%s: there can be %d at most", PARAMETER, BOUNDARY_LAYERS_MAX);
    return false;
  }
  if (!check_others(t))
    return false;
  json_incref((json_t *)layers); /* until the process ends: names and specs are in it */
  t->layers = out_alloc(1, sizeof *t->layers);
  json_object_foreach((json_t *)layers, name, v) {
    struct boundary_layer *b = &t->layers->of[t->layers->count++];
    *b = (struct boundary_layer){.as.name = name, .json = v};
    if (!read_one(t, b))
      return false;
  }
  return true;
}

/* ---- the faces ---- */

static int number_of(const struct task *t, int tag) {
  const struct label *face = names_face(&t->names, tag);
  return face ? names_number(face) : tag;
}

/* Whether another one before it has the face too; NULL: none. */
static const struct boundary_layer *other_with(const struct boundary_layers *all,
                                               const struct boundary_layer *b, int tag) {
  for (const struct boundary_layer *o = all->of; o < b; o++)
    for (size_t i = 0; i < o->count; i++)
      if (o->tags[i] == tag)
        return o;
  return NULL;
}

static int32_t find_one(struct task *t, struct boundary_layer *b) {
  free(b->tags);
  int32_t rc = selector_faces(t, PARAMETER, b->as.name, b->json, &b->tags, &b->count);
  for (size_t i = 0; rc == LATHE_OK && i < b->count; i++) {
    const struct boundary_layer *other = other_with(t->layers, b, b->tags[i]);
    if (other)
      return task_fail(t, LATHE_BAD_INPUT,
                       "%s: face %d is in \"%.60s\" and in \"%.60s\": a face has one kind of "
                       "layers",
                       PARAMETER, number_of(t, b->tags[i]), other->as.name, b->as.name);
    if (adjacent_count_above(2, b->tags[i]) > 1)
      return task_fail(t, LATHE_BAD_INPUT,
                       "%s: \"%.60s\": face %d lies between two solids, and layers are made on "
                       "outer faces alone: choose faces of one solid, or ask for "
                       "assembly=separate",
                       PARAMETER, b->as.name, number_of(t, b->tags[i]));
  }
  return rc;
}

int32_t boundary_layers_find(struct task *t) {
  int32_t rc = LATHE_OK;
  for (size_t i = 0; t->layers && rc == LATHE_OK && i < t->layers->count; i++) {
    rc = find_one(t, &t->layers->of[i]);
    if (rc == LATHE_OK && t->layers->of[i].as.count != t->layers->of[0].as.count)
      rc = task_fail(t, LATHE_BAD_INPUT,
                     "%s: \"%.60s\" has %d layers and \"%.60s\" has %d: all must have the same "
                     "number; heights and growth may differ",
                     PARAMETER, t->layers->of[0].as.name, t->layers->of[0].as.count,
                     t->layers->of[i].as.name, t->layers->of[i].as.count);
  }
  return rc;
}

void boundary_layers_json(const struct task *t, const struct outcome *o, struct out *out) {
  if (!t->layers)
    return;
  out_text(out, "\"boundary_layers\":{\"of\":[");
  for (size_t i = 0; i < t->layers->count; i++) {
    const struct boundary_layer *b = &t->layers->of[i];
    out_text(out, i ? ",{\"name\":" : "{\"name\":");
    out_json_string(out, b->as.name);
    out_printf(out,
               ",\"first_height\":%.9g,\"layers\":%d,\"growth\":%.9g,\"total_height\":%.9g,"
               "\"face_count\":%zu}",
               b->as.first, b->as.count, b->as.growth, layers_total(&b->as), b->count);
  }
  out_printf(out,
             "],\"nodes\":%zu,\"nodes_thinner\":%zu,\"nodes_without\":%zu,\"least_share\":%.6g,"
             "\"sicn_min\":%.6g},",
             (size_t)o->layers.nodes, (size_t)o->layers.thinner, (size_t)o->layers.none,
             o->layers.least, o->layers.sicn_min);
}
