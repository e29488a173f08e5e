/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "select/selector.h"

#include "base/out.h"
#include "model/groups.h"
#include "model/names.h"
#include "task/task.h"

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

bool selector_is_direction(const json_t *v) {
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

static bool form_text(const json_t *v) {
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
         selector_is_direction(json_object_get(v, "normal"));
}

static bool form_cylinder(const json_t *v) {
  const json_t *radius = json_object_get(v, "radius");
  return json_object_size(v) == 3 && selector_is_numbers(json_object_get(v, "point"), 3) &&
         selector_is_direction(json_object_get(v, "axis")) && json_is_number(radius) &&
         json_number_value(radius) > 0;
}

/* ---- the faces, or the edges ---- */

struct test {
  const struct task *task;
  const json_t *value, *group;
  int dim; /* 2: faces.  1: edges, whose labels have a tag alone */
  double tolerance;
};

/* Points of a face and its normals there, which point out of its solid; of an edge points alone. */
struct sample {
  double *points, *normals; /* Gmsh's */
  size_t count;
};

static void sample_free(struct sample *s) {
  gmshFree(s->points);
  gmshFree(s->normals);
}

static bool sample_take(struct sample *s, int dim, int tag) {
  double *low = NULL, *high = NULL, at[2 * SAMPLES * SAMPLES];
  size_t n = 0, m = 0, points = 0, normals = 0, count = 0;
  int e = 0;
  *s = (struct sample){0};
  gmshModelGetParametrizationBounds(dim, tag, &low, &n, &high, &m, &e);
  bool known = e == 0 && n == (size_t)dim && m == (size_t)dim;
  for (int i = 0; known && i < SAMPLES * SAMPLES; i++) {
    int column = i % SAMPLES, row = i / SAMPLES;
    double along = dim == 1 ? i / (SAMPLES * SAMPLES - 1.0) : (column + 0.5) / SAMPLES;
    at[count++] = low[0] + (high[0] - low[0]) * along;
    if (dim == 2)
      at[count++] = low[1] + (high[1] - low[1]) * (row + 0.5) / SAMPLES;
  }
  gmshFree(low);
  gmshFree(high);
  if (known)
    gmshModelGetValue(dim, tag, at, count, &s->points, &points, &e);
  if (known && e == 0 && dim == 2)
    gmshModelGetNormal(tag, at, count, &s->normals, &normals, &e);
  s->count = e == 0 && (dim == 1 || points == normals) ? points / 3 : 0;
  return s->count > 0;
}

static bool in_numbers(const struct test *t, const struct label *face) {
  for (size_t i = 0; i < json_array_size(t->value); i++)
    if (json_integer_value(json_array_get(t->value, i)) == names_number(face) ||
        json_integer_value(json_array_get(t->value, i)) == face->other_number)
      return true;
  return false;
}

static bool matches(const struct test *t, const char *name) {
  return name && fnmatch(json_string_value(t->value), name, 0) == 0;
}

static bool in_pattern(const struct test *t, const struct label *face) {
  const struct label *one = names_solid(&t->task->names, face->solid);
  const struct label *other = names_solid(&t->task->names, face->other_solid);
  return matches(t, face->name) || matches(t, face->other_name) || (one && matches(t, one->name)) ||
         (other && matches(t, other->name));
}

static bool in_group(const struct test *t, const struct label *entity) {
  const struct groups *g = &t->task->names.groups;
  for (size_t i = 0; i < g->count; i++)
    for (size_t k = 0; g->of[i].dim == t->dim && k < g->of[i].count; k++)
      if (g->of[i].tags[k] == entity->tag &&
          strcmp(g->of[i].name, json_string_value(t->value)) == 0)
        return true;
  return false;
}

static bool in_normal(const struct test *t, const struct label *face) {
  const json_t *angle = json_object_get(t->group, "angle");
  double least = cos((angle ? json_number_value(angle) : ANGLE) * M_PI / 180), d[3];
  struct sample s;
  selector_numbers(t->value, d, 3);
  double length = sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
  bool in = sample_take(&s, t->dim, face->tag);
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
  gmshModelGetBoundingBox(t->dim, face->tag, &low[0], &low[1], &low[2], &high[0], &high[1],
                          &high[2], &e);
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
  bool in = sample_take(&s, t->dim, face->tag);
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

enum { FACES = 1, EDGES = 2 };

static const struct way {
  const char *key;
  int of; /* what it chooses */
  bool (*form)(const json_t *value);
  bool (*in)(const struct test *t, const struct label *face);
  const char *needs;
} WAYS[] = {
    {"faces", FACES, selector_is_list, in_numbers,
     "has `faces` that are not a list of face numbers, as [3, 12]; the first face has number 1"},
    {"edges", EDGES, selector_is_list, in_numbers,
     "has `edges` that are not a list of edge numbers, as [3, 12]; the first edge has number 1"},
    {"group", FACES | EDGES, form_text, in_group, "has a `group` that is not the name of a group"},
    {"pattern", FACES, form_text, in_pattern,
     "has a `pattern` that is not a text of 1 to 499 bytes, as \"inlet*\""},
    {"normal", FACES, selector_is_direction, in_normal,
     "has a `normal` that is not a direction [x, y, z] other than [0, 0, 0]"},
    {"box", FACES | EDGES, selector_is_box, in_box,
     "has a `box` that is not [xmin, ymin, zmin, xmax, ymax, zmax], no minimum above its maximum, "
     "numbers from -1e9 to 1e9"},
    {"plane", FACES | EDGES, form_plane, in_plane,
     "has a `plane` that is not {\"point\": [x, y, z], \"normal\": [x, y, z]}, with a normal other "
     "than "
     "[0, 0, 0] and numbers from -1e9 to 1e9"},
    {"cylinder", FACES | EDGES, form_cylinder, in_cylinder,
     "has a `cylinder` that is not {\"point\": [x, y, z], \"axis\": [x, y, z], \"radius\": r}, "
     "with an axis "
     "other than [0, 0, 0], a radius above 0, and numbers from -1e9 to 1e9"},
};
#define WAYS_COUNT (sizeof WAYS / sizeof *WAYS)

static const struct way *way_of(const json_t *selector, int of) {
  for (size_t i = 0; i < WAYS_COUNT; i++)
    if ((WAYS[i].of & of) && json_object_get(selector, WAYS[i].key))
      return &WAYS[i];
  return NULL;
}

bool selector_is_in(const json_t *object) {
  return way_of(object, FACES) != NULL;
}

bool selector_is_of_edges(const json_t *selector) {
  const char *of = json_string_value(json_object_get(selector, "of"));
  return json_object_get(selector, "edges") || (of && strcmp(of, "edges") == 0);
}

static bool is_one_of(const char *key, const char *const *others) {
  while (*others && strcmp(key, *others) != 0)
    others++;
  return *others != NULL;
}

/* Beside the way itself: what is chosen, the angle of a normal, and a tolerance. */
static const char *check_more(const json_t *selector, int of) {
  const json_t *kind = json_object_get(selector, "of");
  const char *word = json_string_value(kind);
  if (kind && of == FACES && !(word && strcmp(word, "faces") == 0))
    return "has an `of` that is not \"faces\" (nor \"edges\", where edges can be chosen)";
  if (kind && of == EDGES && !(word && strcmp(word, "edges") == 0))
    return "has an `of` that is not \"edges\" beside a choice of edges";
  const json_t *angle = json_object_get(selector, "angle");
  const json_t *tolerance = json_object_get(selector, "tolerance");
  if (angle && (!json_object_get(selector, "normal") || !json_is_number(angle) ||
                !(json_number_value(angle) >= 0 && json_number_value(angle) <= 180)))
    return "may have an angle beside normal alone, from 0 to 180 degrees";
  if (tolerance && (!json_is_number(tolerance) || !(json_number_value(tolerance) >= 0)))
    return "has a tolerance that is not a number from 0 up";
  return NULL;
}

/* How many ways are in it; -1: a key is not known. */
static int count_ways(const json_t *selector, int of, const char *const *others) {
  const json_t *v;
  const char *key;
  int ways = 0;
  json_object_foreach((json_t *)selector, key, v) {
    bool way = false;
    for (size_t i = 0; i < WAYS_COUNT; i++)
      way = way || ((WAYS[i].of & of) && strcmp(key, WAYS[i].key) == 0);
    ways += way;
    if (!way && strcmp(key, "angle") != 0 && strcmp(key, "tolerance") != 0 &&
        strcmp(key, "of") != 0 && !is_one_of(key, others))
      return -1;
  }
  return ways;
}

static const char *check(const json_t *selector, int of, const char *const *others) {
  int ways = count_ways(selector, of, others);
  if (ways < 0 && of == FACES)
    return "has a key that is not known; there are faces, group, pattern, normal (with angle), "
           "box, plane, cylinder, and tolerance";
  if (ways < 0)
    return "has a key that is not known beside those that choose edges: edges, group, box, plane, "
           "cylinder, of, and tolerance";
  if (ways != 1 && of == FACES)
    return "must say in one way which faces are meant: faces, group, pattern, normal, box, plane "
           "or cylinder";
  if (ways != 1)
    return "must say in one way which edges are meant: edges, group, box, plane or cylinder";
  const char *wrong = check_more(selector, of);
  const struct way *way = way_of(selector, of);
  return wrong || way->form(json_object_get(selector, way->key)) ? wrong : way->needs;
}

const char *selector_check(const json_t *selector, const char *const *others) {
  return check(selector, FACES, others);
}

const char *selector_check_edges(const json_t *selector, const char *const *others) {
  return check(selector, EDGES, others);
}

/* ---- which faces ---- */

static int32_t refuse_none(struct task *t, const char *parameter, const char *name, int of,
                           const char *way) {
  if (of == EDGES)
    return task_fail(
        t, LATHE_BAD_INPUT,
        "%s: \"%.60s\" has no edge: none of those that are meshed fits its %s. "
        "result.json of a job with dimension=2 and without it lists the edges with their "
        "numbers",
        parameter, name, way);
  return task_fail(t, LATHE_BAD_INPUT,
                   "%s: \"%.60s\" has no face: none of the %zu faces of %s fits its %s. A preview "
                   "shows the faces with their numbers and names",
                   parameter, name, t->names.face_count, t->name, way);
}

static int32_t selector_find(struct task *t, const char *parameter, const char *name,
                             const json_t *selector, int of, const struct label *from, size_t n,
                             int **tags, size_t *count) {
  const struct way *way = way_of(selector, of);
  const json_t *tolerance = json_object_get(selector, "tolerance");
  struct test test = {.task = t,
                      .value = json_object_get(selector, way->key),
                      .group = selector,
                      .dim = of == EDGES ? 1 : 2,
                      .tolerance = tolerance ? json_number_value(tolerance)
                                             : 1e-5 * t->geometry.diagonal};
  *count = 0;
  *tags = NULL;
  if (t->format == FORMAT_STL)
    return task_fail(
        t, LATHE_BAD_INPUT,
        "%s: %s has facets and no faces to choose from; %sleave the parameter out", parameter,
        t->file_format == FORMAT_STL ? "an STL file"
        : t->tessellation            ? "a tessellated STEP file"
                                     : "a file whose faces were wrapped",
        t->file_format == FORMAT_STL
            ? "give its parts names in the file (solid inlet ...), which become "
              "groups, or "
        : t->tessellation ? "give its parts names in the file, which become groups, or "
                          : "");
  if ((t->params.conformal || t->params.imprint || t->params.fluid) && of != FACES &&
      way->form == selector_is_list)
    return task_fail(t, LATHE_BAD_INPUT,
                     "%s: \"%.60s\" names %s by number, and %s cuts edges and numbers them anew; "
                     "say which are meant by box, plane or cylinder",
                     parameter, name, way->key,
                     t->params.fluid     ? "fluid=true"
                     : t->params.imprint ? "assembly=imprint"
                                         : "assembly=conformal");
  *tags = out_alloc(n + 1, sizeof **tags);
  for (size_t i = 0; i < n; i++)
    if (way->in(&test, &from[i]))
      (*tags)[(*count)++] = from[i].tag;
  if (*count)
    return LATHE_OK;
  free(*tags);
  *tags = NULL;
  return refuse_none(t, parameter, name, of, way->key);
}

int32_t selector_faces(struct task *t, const char *parameter, const char *name,
                       const json_t *selector, int **tags, size_t *count) {
  return selector_find(t, parameter, name, selector, FACES, t->names.faces, t->names.face_count,
                       tags, count);
}

int32_t selector_edges(struct task *t, const char *parameter, const char *name,
                       const json_t *selector, int **tags, size_t *count) {
  int *entities = NULL, e = 0;
  size_t n = 0;
  gmshModelGetEntities(&entities, &n, 1, &e);
  struct label *from = out_alloc(n / 2, sizeof *from);
  for (size_t i = 0; i < n / 2; i++)
    from[i].tag = entities[2 * i + 1];
  int32_t rc = selector_find(t, parameter, name, selector, EDGES, from, n / 2, tags, count);
  gmshFree(entities);
  free(from);
  return rc;
}
