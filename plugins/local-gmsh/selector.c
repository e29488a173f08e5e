/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "selector.h"

#include <fnmatch.h>
#include <gmshc.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLES 5   /* along each parameter of a face */
#define ANGLE   5.0 /* degrees */

/* ---- the form ---- */

bool selector_is_numbers(const json_t *v, size_t count) {
  bool good = json_array_size(v) == count;
  for (size_t i = 0; good && i < count; i++)
    good = json_is_number(json_array_get(v, i)) &&
           fabs(json_number_value(json_array_get(v, i))) <= 1e9;
  return good;
}

void selector_numbers(const json_t *v, double *to, size_t count) {
  for (size_t i = 0; i < count; i++)
    to[i] = json_number_value(json_array_get(v, i));
}

static bool is_direction(const json_t *v) {
  double d[3] = {0};
  if (selector_is_numbers(v, 3))
    selector_numbers(v, d, 3);
  return d[0] * d[0] + d[1] * d[1] + d[2] * d[2] > 1e-18;
}

bool selector_is_list(const json_t *v) {
  bool good = json_array_size(v) > 0;
  for (size_t i = 0; i < json_array_size(v); i++)
    good = good && json_is_integer(json_array_get(v, i)) &&
           json_integer_value(json_array_get(v, i)) > 0 &&
           json_integer_value(json_array_get(v, i)) < 1000000000;
  return good;
}

static bool form_pattern(const json_t *v) {
  return json_string_length(v) > 0 && json_string_length(v) < 500;
}

bool selector_is_box(const json_t *v) {
  double b[6] = {0};
  if (!selector_is_numbers(v, 6))
    return false;
  selector_numbers(v, b, 6);
  return b[0] <= b[3] && b[1] <= b[4] && b[2] <= b[5];
}

static bool form_plane(const json_t *v) {
  return json_object_size(v) == 2 && selector_is_numbers(json_object_get(v, "point"), 3) &&
         is_direction(json_object_get(v, "normal"));
}

static bool form_cylinder(const json_t *v) {
  const json_t *radius = json_object_get(v, "radius");
  return json_object_size(v) == 3 && selector_is_numbers(json_object_get(v, "point"), 3) &&
         is_direction(json_object_get(v, "axis")) && json_is_number(radius) &&
         json_number_value(radius) > 0;
}

/* ---- the faces ---- */

struct test {
  const struct task *task;
  const json_t *value, *group;
  double tolerance;
};

/* Points of a face and its normals there, which point out of its solid. */
struct sample {
  double *points, *normals; /* Gmsh's */
  size_t count;
};

static void sample_free(struct sample *s) {
  gmshFree(s->points);
  gmshFree(s->normals);
}

static bool sample_take(struct sample *s, int face) {
  double *low = NULL, *high = NULL, uv[2 * SAMPLES * SAMPLES];
  size_t n = 0, m = 0, points = 0, normals = 0;
  int e = 0;
  *s = (struct sample){0};
  gmshModelGetParametrizationBounds(2, face, &low, &n, &high, &m, &e);
  bool known = e == 0 && n == 2 && m == 2;
  for (int i = 0; known && i < SAMPLES * SAMPLES; i++) {
    int column = i % SAMPLES, row = i / SAMPLES;
    uv[2 * i] = low[0] + (high[0] - low[0]) * (column + 0.5) / SAMPLES;
    uv[2 * i + 1] = low[1] + (high[1] - low[1]) * (row + 0.5) / SAMPLES;
  }
  gmshFree(low);
  gmshFree(high);
  if (known)
    gmshModelGetValue(2, face, uv, 2 * SAMPLES * SAMPLES, &s->points, &points, &e);
  if (known && e == 0)
    gmshModelGetNormal(face, uv, 2 * SAMPLES * SAMPLES, &s->normals, &normals, &e);
  s->count = e == 0 && points == normals ? points / 3 : 0;
  return s->count > 0;
}

static bool in_faces(const struct test *t, const struct label *face) {
  for (size_t i = 0; i < json_array_size(t->value); i++)
    if (json_integer_value(json_array_get(t->value, i)) == face->tag)
      return true;
  return false;
}

static bool matches(const struct test *t, const struct label *l) {
  return l && l->name && fnmatch(json_string_value(t->value), l->name, 0) == 0;
}

static bool in_pattern(const struct test *t, const struct label *face) {
  return matches(t, face) || matches(t, names_solid(&t->task->names, face->solid));
}

static bool in_normal(const struct test *t, const struct label *face) {
  const json_t *angle = json_object_get(t->group, "angle");
  double least = cos((angle ? json_number_value(angle) : ANGLE) * M_PI / 180), d[3];
  struct sample s;
  selector_numbers(t->value, d, 3);
  double length = sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
  bool in = sample_take(&s, face->tag);
  for (size_t i = 0; in && i < s.count; i++) {
    const double *n = s.normals + 3 * i;
    in = n[0] * d[0] + n[1] * d[1] + n[2] * d[2] >= least * length - 1e-9 * length;
  }
  sample_free(&s);
  return in;
}

static bool in_box(const struct test *t, const struct label *face) {
  double b[6], low[3], high[3];
  int e = 0;
  selector_numbers(t->value, b, 6);
  gmshModelGetBoundingBox(2, face->tag, &low[0], &low[1], &low[2], &high[0], &high[1], &high[2],
                          &e);
  bool in = e == 0;
  for (int i = 0; i < 3; i++)
    in = in && low[i] >= b[i] - t->tolerance && high[i] <= b[3 + i] + t->tolerance;
  return in;
}

/* Whether each point's distance from the plane or the axis is `wanted`. */
static bool at_distance(const struct test *t, const struct label *face, const char *direction,
                        double wanted) {
  double p[3], d[3];
  struct sample s;
  selector_numbers(json_object_get(t->value, "point"), p, 3);
  selector_numbers(json_object_get(t->value, direction), d, 3);
  double length = sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
  bool in = sample_take(&s, face->tag);
  for (size_t i = 0; in && i < s.count; i++) {
    double v[3], along = 0, all = 0;
    for (int k = 0; k < 3; k++) {
      v[k] = s.points[3 * i + (size_t)k] - p[k];
      along += v[k] * d[k] / length;
      all += v[k] * v[k];
    }
    double distance = wanted > 0 ? sqrt(fmax(all - along * along, 0)) : fabs(along);
    in = fabs(distance - wanted) <= t->tolerance;
  }
  sample_free(&s);
  return in;
}

static bool in_plane(const struct test *t, const struct label *face) {
  return at_distance(t, face, "normal", 0);
}

static bool in_cylinder(const struct test *t, const struct label *face) {
  return at_distance(t, face, "axis", json_number_value(json_object_get(t->value, "radius")));
}

static const struct way {
  const char *key;
  bool (*form)(const json_t *value);
  bool (*in)(const struct test *t, const struct label *face);
  const char *needs;
} WAYS[] = {
    {"faces", selector_is_list, in_faces, "faces must be a list of face numbers, as [3, 12]"},
    {"pattern", form_pattern, in_pattern, "pattern must be a text, as \"inlet*\""},
    {"normal", is_direction, in_normal, "normal must be a direction [x, y, z]"},
    {"box", selector_is_box, in_box, "box must be [xmin, ymin, zmin, xmax, ymax, zmax]"},
    {"plane", form_plane, in_plane, "plane must be {\"point\": [x, y, z], \"normal\": [x, y, z]}"},
    {"cylinder", form_cylinder, in_cylinder,
     "cylinder must be {\"point\": [x, y, z], \"axis\": [x, y, z], \"radius\": r}"},
};
#define WAYS_COUNT (sizeof WAYS / sizeof *WAYS)

static const struct way *way_of(const json_t *group) {
  for (size_t i = 0; i < WAYS_COUNT; i++)
    if (json_object_get(group, WAYS[i].key))
      return &WAYS[i];
  return NULL;
}

bool selector_is_in(const json_t *object) {
  return way_of(object) != NULL;
}

static bool is_one_of(const char *key, const char *const *others) {
  while (*others && strcmp(key, *others) != 0)
    others++;
  return *others != NULL;
}

/* Beside the way itself: the angle of a normal, and a tolerance. */
static const char *check_more(const json_t *selector) {
  const json_t *angle = json_object_get(selector, "angle");
  const json_t *tolerance = json_object_get(selector, "tolerance");
  if (angle && (!json_object_get(selector, "normal") || !json_is_number(angle) ||
                !(json_number_value(angle) >= 0 && json_number_value(angle) <= 180)))
    return "may have an angle beside normal alone, from 0 to 180 degrees";
  if (tolerance && (!json_is_number(tolerance) || !(json_number_value(tolerance) >= 0)))
    return "has a tolerance that is not a number from 0 up";
  return NULL;
}

const char *selector_check(const json_t *selector, const char *const *others) {
  const json_t *v;
  const char *key;
  size_t ways = 0;
  json_object_foreach((json_t *)selector, key, v) {
    bool way = false;
    for (size_t i = 0; i < WAYS_COUNT; i++)
      way = way || strcmp(key, WAYS[i].key) == 0;
    ways += way;
    if (!way && strcmp(key, "angle") != 0 && strcmp(key, "tolerance") != 0 &&
        !is_one_of(key, others))
      return "has a key that is not known; there are faces, pattern, normal (with angle), box, "
             "plane, cylinder, and tolerance";
  }
  if (ways != 1)
    return "must say in one way which faces are meant: faces, pattern, normal, box, plane or "
           "cylinder";
  const char *wrong = check_more(selector);
  const struct way *way = way_of(selector);
  return wrong || way->form(json_object_get(selector, way->key)) ? wrong : way->needs;
}

/* ---- which faces ---- */

int32_t selector_faces(struct task *t, const char *parameter, const char *name,
                       const json_t *selector, int **tags, size_t *count) {
  const struct way *way = way_of(selector);
  const json_t *tolerance = json_object_get(selector, "tolerance");
  const struct names *n = &t->names;
  struct test test = {.task = t,
                      .value = json_object_get(selector, way->key),
                      .group = selector,
                      .tolerance = tolerance ? json_number_value(tolerance)
                                             : 1e-5 * t->geometry.diagonal};
  *count = 0;
  *tags = NULL;
  if (t->format == FORMAT_STL)
    return task_fail(t, LATHE_BAD_INPUT,
                     "%s: an STL file has facets and no faces to choose from; give its parts names "
                     "in the file (solid inlet ...), which become groups, or leave the parameter "
                     "out",
                     parameter);
  if (t->params.conformal && strcmp(way->key, "faces") == 0)
    return task_fail(t, LATHE_BAD_INPUT,
                     "%s: \"%.60s\" names faces by number, and assembly=conformal cuts faces and "
                     "numbers them anew; say which are meant by pattern, normal, box, plane or "
                     "cylinder",
                     parameter, name);
  *tags = out_alloc(n->face_count + 1, sizeof **tags);
  for (size_t i = 0; i < n->face_count; i++)
    if (way->in(&test, &n->faces[i]))
      (*tags)[(*count)++] = n->faces[i].tag;
  if (*count)
    return LATHE_OK;
  free(*tags);
  *tags = NULL;
  return task_fail(t, LATHE_BAD_INPUT,
                   "%s: \"%.60s\" has no face: none of the %zu faces of %s fits its %s. A preview "
                   "shows the faces with their numbers and names",
                   parameter, name, n->face_count, t->name, way->key);
}
