/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sizes/local_sizes.h"

#include "base/out.h"
#include "model/adjacent.h"
#include "model/entity.h"
#include "model/names.h"
#include "select/selector.h"
#include "sizes/size_field.h"
#include "task/params.h"
#include "task/task.h"

#include <fnmatch.h>
#include <gmshc.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GROWTH     1.3 /* where the job names none */
#define GROWTH_MAX 10.0
#define LARGEST    1e9
#define LEAST_SIZE 1e-6 /* of the diagonal, as sizes.c takes no shorter edge */

static const char PARAMETER[] = "local_sizes";
static const char *const WORDS[] = {"faces", "edges", "bodies", "region"};

const char *local_sizes_word(enum local_on on) {
  return WORDS[on];
}

double local_sizes_growth(const struct task *t) {
  return t->params.growth > 0 ? t->params.growth : GROWTH;
}

int local_sizes_dim(const struct local_size *l) {
  static const int DIMS[] = {2, 1, 3, -1};
  return DIMS[l->on];
}

/* ---- the form ---- */

static bool form_text(const json_t *v) {
  return json_string_length(v) > 0 && json_string_length(v) < 500;
}

static bool form_two_faces(const json_t *v) {
  return selector_is_list(v) && json_array_size(v) == 2 &&
         json_integer_value(json_array_get(v, 0)) != json_integer_value(json_array_get(v, 1));
}

static bool form_bodies(const json_t *v) {
  return form_text(v) || selector_is_list(v);
}

static bool form_point(const json_t *v) {
  return selector_is_numbers(v, 3);
}

static bool form_line(const json_t *v) {
  return json_array_size(v) == 2 && selector_is_numbers(json_array_get(v, 0), 3) &&
         selector_is_numbers(json_array_get(v, 1), 3);
}

/* Beside the ways to choose faces (selector.h). */
static const struct place {
  const char *key;
  bool (*form)(const json_t *v);
  enum local_on on;
  bool round; /* it may have a radius */
  const char *needs;
} PLACES[] = {
    {"between", form_two_faces, ON_EDGES, false,
     "has a `between` that is not the numbers of two different faces that share an edge, as [3, "
     "12]"},
    {"bodies", form_bodies, ON_BODIES, false,
     "has `bodies` that are neither a list of solid numbers, as [1, 2], nor a name, as \"shaft*\""},
    {"point", form_point, ON_REGION, true,
     "has a `point` that is not [x, y, z], three numbers from -1e9 to 1e9"},
    {"line", form_line, ON_REGION, true,
     "has a `line` that is not [[x, y, z], [x, y, z]], numbers from -1e9 to 1e9"},
    {"inside_box", selector_is_box, ON_REGION, false,
     "has an inside_box that is not [xmin, ymin, zmin, xmax, ymax, zmax], each minimum below its "
     "maximum, numbers from -1e9 to 1e9"},
};
#define PLACES_COUNT (sizeof PLACES / sizeof *PLACES)

static const struct place *place_of(const json_t *json, size_t *ways) {
  const struct place *found = NULL;
  *ways = selector_is_in(json) || selector_is_of_edges(json);
  for (size_t i = 0; i < PLACES_COUNT; i++)
    if (json_object_get(json, PLACES[i].key)) {
      found = &PLACES[i];
      ++*ways;
    }
  return found;
}

static bool is_known(const char *key) {
  static const char *const KEYS[] = {
      "size_mm", "growth_rate", "radius_mm", "on",  "of",    "faces",    "edges",    "group",
      "pattern", "normal",      "angle",     "box", "plane", "cylinder", "tolerance"};
  for (size_t i = 0; i < PLACES_COUNT; i++)
    if (strcmp(key, PLACES[i].key) == 0)
      return true;
  for (size_t i = 0; i < sizeof KEYS / sizeof *KEYS; i++)
    if (strcmp(key, KEYS[i]) == 0)
      return true;
  return false;
}

static bool number_of(const json_t *v, double low, double high, double *to) {
  *to = json_number_value(v);
  return json_is_number(v) && *to >= low && *to <= high;
}

static bool read_numbers(struct task *t, struct local_size *l, const struct place *place) {
  const json_t *growth = json_object_get(l->json, "growth_rate");
  const json_t *radius = json_object_get(l->json, "radius_mm");
  double rate = local_sizes_growth(t);
  if (!number_of(json_object_get(l->json, "size_mm"), 1e-9, LARGEST, &l->size))
    return task_refuse(
        t, PARAMETER, l->name,
        "needs size_mm, the length of its elements' edges, a number from 1e-9 to 1e9");
  if (growth && !number_of(growth, GROWTH_MIN, GROWTH_MAX, &rate))
    return task_refuse(
        t, PARAMETER, l->name,
        "has a growth_rate that is not a number from 1.01 to 10; 1.2 means that each "
        "element is a fifth larger than its neighbour");
  if (radius && (!place || !place->round))
    return task_refuse(t, PARAMETER, l->name, "may have a radius_mm beside point or line alone");
  if (radius && !number_of(radius, 0, LARGEST, &l->region.radius))
    return task_refuse(t, PARAMETER, l->name, "has a radius_mm that is not a number from 0 up");
  l->slope = rate - 1;
  if (l->size >= t->params.min_size)
    return true;
  task_fail(t, LATHE_BAD_INPUT,
            "%s: \"%.60s\" asks for %g, and min_size_mm is %g: lower min_size_mm", PARAMETER,
            l->name, l->size, t->params.min_size);
  return false;
}

static bool read_on(struct task *t, struct local_size *l, bool faces) {
  const json_t *on = json_object_get(l->json, "on");
  const char *word = json_string_value(on);
  if (!on)
    return true;
  if (!faces)
    return task_refuse(t, PARAMETER, l->name,
                       "may have `on` beside faces alone, however these are chosen");
  for (int i = ON_FACES; i < ON_REGION; i++)
    if (word && strcmp(word, WORDS[i]) == 0) {
      l->on = (enum local_on)i;
      return true;
    }
  return task_refuse(t, PARAMETER, l->name, "has `on` that is none of faces, edges and bodies");
}

static void read_region(struct local_size *l) {
  const json_t *line = json_object_get(l->json, "line"),
               *box = json_object_get(l->json, "inside_box");
  double corners[6];
  struct size_region *r = &l->region;
  if (line) {
    r->shape = SIZE_ROD;
    selector_numbers(json_array_get(line, 0), r->a, 3);
    selector_numbers(json_array_get(line, 1), r->b, 3);
  } else if (box) {
    r->shape = SIZE_BOX;
    selector_numbers(box, corners, 6);
    memcpy(r->a, corners, sizeof r->a);
    memcpy(r->b, corners + 3, sizeof r->b);
  } else {
    r->shape = SIZE_BALL;
    selector_numbers(json_object_get(l->json, "point"), r->a, 3);
  }
  r->size = l->size;
  r->slope = l->slope;
}

static bool read_place(struct task *t, struct local_size *l) {
  /* What belongs to the size and not to the choice of faces. */
  static const char *const OWN[] = {"size_mm", "growth_rate", "on", "radius_mm", NULL};
  size_t ways;
  const struct place *place = place_of(l->json, &ways);
  const char *wrong = NULL;
  if (ways != 1)
    return task_refuse(
        t, PARAMETER, l->name,
        "must say in one way where: group, faces, pattern, normal, box, plane, cylinder, "
        "edges, between, bodies, point, line or inside_box");
  bool edges = selector_is_of_edges(l->json);
  if (!place)
    wrong = (edges ? selector_check_edges : selector_check)(l->json, OWN);
  else if (!place->form(json_object_get(l->json, place->key)))
    wrong = place->needs;
  if (wrong)
    return task_refuse(t, PARAMETER, l->name, wrong);
  l->on = place ? place->on : edges ? ON_EDGES : ON_FACES;
  if (!read_numbers(t, l, place) || !read_on(t, l, !place && !edges))
    return false;
  if (l->on == ON_REGION)
    read_region(l);
  return true;
}

static bool read_one(struct task *t, struct local_size *l) {
  const char *key;
  json_t *v;
  if (!l->name[0])
    return task_refuse(t, PARAMETER, l->name,
                       "is an empty name: call it something, as in {\"inlet\": {...}}");
  if (!json_is_object(l->json))
    return task_refuse(t, PARAMETER, l->name,
                       "must be an object, as {\"faces\": [3], \"size_mm\": 0.5}");
  json_object_foreach((json_t *)l->json, key, v) if (!is_known(key)) {
    task_fail(t, LATHE_BAD_INPUT,
              "%s: \"%.60s\" has the key \"%.60s\", which is not known; there are size_mm, "
              "growth_rate, on, of, radius_mm, group, faces, pattern, normal, angle, box, plane, "
              "cylinder, tolerance, edges, between, bodies, point, line and inside_box",
              PARAMETER, l->name, key);
    return false;
  }
  return read_place(t, l);
}

bool local_sizes_read(struct task *t, const json_t *sizes) {
  const char *name;
  json_t *v;
  if (json_object_size(sizes) == 0)
    return true;
  if (json_object_size(sizes) > LOCAL_SIZES_MAX) {
    task_fail(t, LATHE_BAD_INPUT,
              "%s: there are %zu, and there can be %d at most: put places of one size "
              "under one name",
              PARAMETER, json_object_size(sizes), LOCAL_SIZES_MAX);
    return false;
  }
  json_incref((json_t *)sizes); /* until the process ends: names and sizes are in it */
  t->local = out_alloc(1, sizeof *t->local);
  json_object_foreach((json_t *)sizes, name, v) {
    struct local_size *l = &t->local->of[t->local->count++];
    *l = (struct local_size){.name = name, .json = v};
    if (!read_one(t, l))
      return false;
  }
  return true;
}

/* ---- the entities ---- */

/* Adds the entities next to one, downward or upward, each once. */
static void add_next(struct local_size *l, int dim, int tag, bool up) {
  size_t n = 0;
  int *next = up ? adjacent_above(dim, tag, &n) : adjacent_below(dim, tag, &n);
  l->tags = out_again(l->tags, l->count, l->count + n + 1, sizeof *l->tags);
  for (size_t i = 0; i < n; i++)
    if (!entity_is_among(l->tags, l->count, next[i]))
      l->tags[l->count++] = next[i];
  gmshFree(next);
}

/* From faces to what the size is `on`. */
static void local_sizes_take_faces(struct local_size *l, const int *faces, size_t count) {
  if (l->on == ON_FACES) {
    l->tags = out_alloc(count + 1, sizeof *l->tags);
    memcpy(l->tags, faces, count * sizeof *faces);
    l->count = count;
    return;
  }
  for (size_t i = 0; i < count; i++)
    add_next(l, 2, faces[i], l->on == ON_BODIES);
}

static bool exists(int dim, int tag) {
  int *tags = NULL, e = 0;
  size_t n = 0;
  bool found = false;
  gmshModelGetEntities(&tags, &n, dim, &e);
  for (size_t i = 1; e == 0 && i < n; i += 2)
    found |= tags[i] == tag;
  gmshFree(tags);
  return found;
}

static int32_t take_numbers(struct task *t, struct local_size *l, const json_t *list) {
  l->tags = out_alloc(json_array_size(list) + 1, sizeof *l->tags);
  for (size_t i = 0; i < json_array_size(list); i++) {
    int tag = (int)json_integer_value(json_array_get(list, i));
    if (!exists(3, tag))
      return task_fail(t, LATHE_BAD_INPUT, "%s: \"%.60s\" names solid %d, and %s has %zu solids",
                       PARAMETER, l->name, tag, t->name, t->geometry.volumes);
    if (!entity_is_among(l->tags, l->count, tag))
      l->tags[l->count++] = tag;
  }
  return LATHE_OK;
}

/* The edges that bound a face, by the number that users know. */
static int32_t edges_of(struct task *t, struct local_size *l, json_int_t face,
                        struct local_size *edges) {
  int *faces = NULL;
  size_t count = 0;
  json_t *selector = json_pack("{s:[I]}", "faces", face);
  int32_t rc = selector_faces(t, PARAMETER, l->name, selector, &faces, &count);
  for (size_t i = 0; i < count; i++)
    add_next(edges, 2, faces[i], false);
  free(faces);
  json_decref(selector);
  return rc;
}

/* The edges that bound both faces. */
static int32_t take_between(struct task *t, struct local_size *l, const json_t *pair) {
  struct local_size one = {0}, other = {0};
  json_int_t a = json_integer_value(json_array_get(pair, 0));
  json_int_t b = json_integer_value(json_array_get(pair, 1));
  int32_t rc = edges_of(t, l, a, &one);
  if (rc == LATHE_OK)
    rc = edges_of(t, l, b, &other);
  l->tags = out_alloc(one.count + 1, sizeof *l->tags);
  for (size_t i = 0; i < one.count; i++)
    if (entity_is_among(other.tags, other.count, one.tags[i]))
      l->tags[l->count++] = one.tags[i];
  free(one.tags);
  free(other.tags);
  if (rc != LATHE_OK || l->count)
    return rc;
  return task_fail(t, LATHE_BAD_INPUT,
                   "%s: \"%.60s\": faces %lld and %lld share no edge. A preview shows the "
                   "faces with their numbers",
                   PARAMETER, l->name, (long long)a, (long long)b);
}

static int32_t local_sizes_take_bodies(struct task *t, struct local_size *l, const json_t *bodies) {
  const struct names *n = &t->names;
  if (json_is_array(bodies))
    return take_numbers(t, l, bodies);
  l->tags = out_alloc(n->solid_count + 1, sizeof *l->tags);
  for (size_t i = 0; i < n->solid_count; i++)
    if (n->solids[i].name && fnmatch(json_string_value(bodies), n->solids[i].name, 0) == 0)
      l->tags[l->count++] = n->solids[i].tag;
  if (l->count)
    return LATHE_OK;
  return task_fail(t, LATHE_BAD_INPUT,
                   "%s: \"%.60s\": none of the %zu solids of %s is called \"%.100s\". A preview "
                   "shows the solids with their numbers and names",
                   PARAMETER, l->name, n->solid_count, t->name, json_string_value(bodies));
}

static int32_t take_selected(struct task *t, struct local_size *l) {
  int *faces = NULL;
  size_t count = 0;
  if (selector_is_of_edges(l->json))
    return selector_edges(t, PARAMETER, l->name, l->json, &l->tags, &l->count);
  int32_t rc = selector_faces(t, PARAMETER, l->name, l->json, &faces, &count);
  if (rc == LATHE_OK)
    local_sizes_take_faces(l, faces, count);
  free(faces);
  if (rc != LATHE_OK || l->count)
    return rc;
  return task_fail(t, LATHE_BAD_INPUT, "%s: \"%.60s\" is on %s, and its faces have none", PARAMETER,
                   l->name, WORDS[l->on]);
}

static int32_t find_one(struct task *t, struct local_size *l) {
  const json_t *between = json_object_get(l->json, "between");
  const json_t *bodies = json_object_get(l->json, "bodies");
  free(l->tags);
  l->tags = NULL;
  l->count = 0;
  if (l->on == ON_REGION)
    return LATHE_OK;
  if (t->format == FORMAT_STL)
    return task_fail(
        t, LATHE_BAD_INPUT,
        "%s: \"%.60s\": an STL file has facets and no faces, edges or solids to choose "
        "from; say where by point, line or inside_box",
        PARAMETER, l->name);
  return between  ? take_between(t, l, between)
         : bodies ? local_sizes_take_bodies(t, l, bodies)
                  : take_selected(t, l);
}

/* Below this the points of the CAD themselves are not exact. */
static int32_t refuse_tiny(struct task *t, const struct local_size *l) {
  double least = LEAST_SIZE * t->geometry.diagonal;
  if (l->size >= least)
    return LATHE_OK;
  return task_fail(t, LATHE_BAD_INPUT,
                   "%s: \"%.60s\" has a size_mm of %g on a part %.4g%s across; no element can be "
                   "smaller than a millionth of that: ask for %.2g or more",
                   PARAMETER, l->name, l->size, t->geometry.diagonal, task_unit(t), least * 1.01);
}

int32_t local_sizes_find(struct task *t) {
  for (size_t i = 0; t->local && i < t->local->count; i++) {
    int32_t rc = refuse_tiny(t, &t->local->of[i]);
    if (rc == LATHE_OK)
      rc = find_one(t, &t->local->of[i]);
    if (rc != LATHE_OK)
      return rc;
  }
  return LATHE_OK;
}

void local_sizes_compare(struct task *t) {
  for (size_t i = 0; t->local && i < t->local->count; i++)
    if (t->local->of[i].size >= t->size)
      task_warn(
          t,
          "%s: \"%.60s\" asks for %g, which changes nothing, because elements are at most %.4g "
          "everywhere; raise max_size_mm",
          PARAMETER, t->local->of[i].name, t->local->of[i].size, t->size);
}
