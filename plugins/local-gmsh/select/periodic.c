/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "select/periodic.h"

#include "base/out.h"
#include "base/vec.h"
#include "model/groups.h"
#include "select/selector.h"
#include "task/task.h"

#include <gmshc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEAR 1e-5 /* of the diagonal: an image and what it is the image of */

/* ---- the form ---- */

static bool check_rotation(const json_t *v) {
  const json_t *angle = json_object_get(v, "angle");
  double degrees = json_number_value(angle);
  return json_object_size(v) == 3 && selector_is_numbers(json_object_get(v, "point"), 3) &&
         selector_is_direction(json_object_get(v, "axis")) && json_is_number(angle) &&
         fabs(degrees) <= 360 && fabs(degrees) > 1e-6;
}

static bool check_side(struct task *t, const char *name, const char *side, const json_t *v) {
  static const char *const NO_OTHERS[] = {NULL};
  char where[200];
  bool edges = selector_is_of_edges(v);
  const char *wrong = !json_is_object(v) ? "must be an object, as {\"faces\": [3]}"
                      : edges            ? selector_check_edges(v, NO_OTHERS)
                                         : selector_check(v, NO_OTHERS);
  if (!wrong && edges != t->flat)
    wrong = t->flat ? "chooses faces, and with dimension=2 it is edges that are periodic"
                    : "chooses edges, and in a mesh of solids it is faces that are periodic";
  if (!wrong)
    return true;
  snprintf(where, sizeof where, "%s %s", side, wrong);
  return task_refuse(t, "periodic", name, where);
}

static bool check_pair(struct task *t, const char *name, const json_t *pair) {
  const json_t *shift = json_object_get(pair, "translation"), *v;
  const json_t *turn = json_object_get(pair, "rotation");
  const char *key;
  if (!json_is_object(pair))
    return task_refuse(t, "periodic", name,
                       "must be an object, as {\"from\": {...}, \"to\": {...}}");
  json_object_foreach((json_t *)pair, key, v) {
    static const char KEYS[] = " from to translation rotation ";
    char word[20];
    snprintf(word, sizeof word, " %.16s ", key);
    if (!strstr(KEYS, word))
      return task_refuse(t, "periodic", name,
                         "has a key that is not known; there are from, to, translation and "
                         "rotation");
  }
  if (shift && turn)
    return task_refuse(t, "periodic", name,
                       "has both a translation and a rotation; it can have one");
  if (shift && !selector_is_direction(shift))
    return task_refuse(t, "periodic", name,
                       "has a translation that is not [x, y, z] with a length above 0");
  if (turn && !check_rotation(turn))
    return task_refuse(t, "periodic", name,
                       "has a rotation that is not {\"point\": [x, y, z], \"axis\": [x, y, z], "
                       "\"angle\": degrees}");
  return check_side(t, name, "from", json_object_get(pair, "from")) &&
         check_side(t, name, "to", json_object_get(pair, "to"));
}

bool periodic_read(struct task *t, const json_t *periodic) {
  const char *name;
  json_t *v;
  if (json_object_size(periodic) > PERIODIC_MAX) {
    task_fail(t, LATHE_BAD_INPUT, "periodic: there can be %d pairs at most", PERIODIC_MAX);
    return false;
  }
  json_object_foreach((json_t *)periodic, name, v) {
    size_t len = strlen(name);
    bool plain = len > 0 && len <= 60;
    for (size_t i = 0; i < len; i++)
      plain = plain && (unsigned char)name[i] > ' ' && name[i] != '"' && name[i] != 0x7f;
    if (!plain)
      return task_refuse(t, "periodic", name,
                         "is not a name of 1 to 60 bytes without blanks and quotes");
    if (!check_pair(t, name, v))
      return false;
  }
  t->params.periodic = json_incref((json_t *)periodic);
  return true;
}

/* ---- which is the image of which ---- */

struct body { /* a face or an edge */
  double size, middle[3];
};

static struct body body_of(int dim, int tag) {
  struct body b = {0};
  int e = 0;
  gmshModelOccGetMass(dim, tag, &b.size, &e);
  gmshModelOccGetCenterOfMass(dim, tag, &b.middle[0], &b.middle[1], &b.middle[2], &e);
  return b;
}

/* The middle of several, weighted with their sizes. */
static struct body body_of_all(int dim, const int *tags, size_t count) {
  struct body all = {0};
  for (size_t i = 0; i < count; i++) {
    struct body b = body_of(dim, tags[i]);
    all.size += b.size;
    for (int k = 0; k < 3; k++)
      all.middle[k] += b.size * b.middle[k];
  }
  for (int k = 0; k < 3 && all.size > 0; k++)
    all.middle[k] /= all.size;
  return all;
}

static void put_shift(struct periodic_set *s) {
  for (int i = 0; i < 16; i++)
    s->affine[i] = i % 5 == 0;
  for (int i = 0; i < 3; i++)
    s->affine[4 * i + 3] = s->shift[i];
}

/* Rodrigues: R = c I + (1 - c) a a' + s [a]. */
static void put_turn(struct periodic_set *s) {
  double c = cos(s->angle * M_PI / 180), w = sin(s->angle * M_PI / 180);
  const double *a = s->axis;
  const double cross[9] = {0, -a[2], a[1], a[2], 0, -a[0], -a[1], a[0], 0};
  put_shift(s);
  for (int i = 0; i < 3; i++) {
    s->affine[4 * i + 3] = s->point[i];
    for (int k = 0; k < 3; k++)
      s->affine[4 * i + k] = c * (i == k) + (1 - c) * a[i] * a[k] + w * cross[3 * i + k];
    for (int k = 0; k < 3; k++)
      s->affine[4 * i + 3] -= s->affine[4 * i + k] * s->point[k];
  }
}

void periodic_image(const struct periodic_set *s, const double p[3], double at[3]) {
  for (int i = 0; i < 3; i++)
    at[i] = s->affine[4 * i] * p[0] + s->affine[4 * i + 1] * p[1] + s->affine[4 * i + 2] * p[2] +
            s->affine[4 * i + 3];
}

static void take_transform(struct periodic_set *s, const json_t *pair) {
  const json_t *turn = json_object_get(pair, "rotation");
  const json_t *shift = json_object_get(pair, "translation");
  if (turn) {
    s->turns = true;
    s->angle = json_number_value(json_object_get(turn, "angle"));
    selector_numbers(json_object_get(turn, "point"), s->point, 3);
    selector_numbers(json_object_get(turn, "axis"), s->axis, 3);
    double length =
        sqrt(s->axis[0] * s->axis[0] + s->axis[1] * s->axis[1] + s->axis[2] * s->axis[2]);
    for (int i = 0; i < 3; i++)
      s->axis[i] /= length;
    put_turn(s);
    return;
  }
  if (shift) {
    selector_numbers(shift, s->shift, 3);
  } else {
    struct body a = body_of_all(s->dim, s->from, s->count);
    struct body b = body_of_all(s->dim, s->to, s->count);
    for (int i = 0; i < 3; i++)
      s->shift[i] = b.middle[i] - a.middle[i];
  }
  put_shift(s);
}

/* Puts the image of from[i] at to[i].  LATHE_OK, or a class where there is none. */
static int32_t match_one(struct task *t, struct periodic_set *s, size_t i) {
  struct body a = body_of(s->dim, s->from[i]), b = {0};
  const char *what = s->dim == 2 ? "face" : "edge";
  double at[3], nearest = INFINITY, within = NEAR * t->geometry.diagonal;
  size_t best = i;
  periodic_image(s, a.middle, at);
  for (size_t k = i; k < s->count; k++) {
    struct body other = body_of(s->dim, s->to[k]);
    double off = vec_distance(at, other.middle) +
                 fabs(other.size - a.size) / (t->geometry.diagonal);
    if (off < nearest) {
      nearest = off;
      best = k;
      b = other;
    }
  }
  int tag = s->to[best];
  s->to[best] = s->to[i];
  s->to[i] = tag;
  if (vec_distance(at, b.middle) > within || fabs(a.size - b.size) > 1e-4 * a.size)
    return task_fail(
        t, LATHE_BAD_INPUT,
        "periodic: \"%.60s\" has no image of %s %d: its middle would be at (%.6g, %.6g, %.6g) and "
        "its %s %.6g; the nearest of `to`, %s %d, has its middle at (%.6g, %.6g, %.6g) and %.6g",
        s->name, what, s->from[i], at[0], at[1], at[2], s->dim == 2 ? "area" : "length", a.size,
        what, tag, b.middle[0], b.middle[1], b.middle[2], b.size);
  return LATHE_OK;
}

static int32_t periodic_find_sides(struct task *t, struct periodic_set *s, const json_t *pair) {
  char name[100];
  size_t count = 0;
  int32_t (*select)(struct task *, const char *, const char *, const json_t *, int **,
                    size_t *) = s->dim == 2 ? selector_faces : selector_edges;
  snprintf(name, sizeof name, "%.60s from", s->name);
  int32_t rc = select(t, "periodic", name, json_object_get(pair, "from"), &s->from, &s->count);
  if (rc != LATHE_OK)
    return rc;
  snprintf(name, sizeof name, "%.60s to", s->name);
  rc = select(t, "periodic", name, json_object_get(pair, "to"), &s->to, &count);
  if (rc == LATHE_OK && count != s->count)
    rc = task_fail(t, LATHE_BAD_INPUT,
                   "periodic: \"%.60s\" has %zu %s in `from` and %zu in `to`; each needs one image",
                   s->name, s->count, s->dim == 2 ? "faces" : "edges", count);
  return rc;
}

/* A face has one image alone. */
static int32_t check_once(struct task *t, const struct periodic_set *s) {
  for (const struct periodic_set *other = t->periodic->of; other <= s; other++)
    for (size_t i = 0; i < 2 * s->count; i++)
      for (size_t k = 0; k < 2 * other->count; k++) {
        int a = i < s->count ? s->from[i] : s->to[i - s->count];
        int b = k < other->count ? other->from[k] : other->to[k - other->count];
        if (a == b && (s != other || i != k))
          return task_fail(t, LATHE_BAD_INPUT,
                           "periodic: %s %d is in \"%.60s\" and in \"%.60s\", or on both sides of "
                           "one; it can have one image",
                           s->dim == 2 ? "face" : "edge", a, other->name, s->name);
      }
  return LATHE_OK;
}

static int32_t find_set(struct task *t, struct periodic_set *s, const json_t *pair) {
  char name[80];
  int32_t rc = periodic_find_sides(t, s, pair);
  if (rc != LATHE_OK)
    return rc;
  if ((rc = check_once(t, s)) != LATHE_OK)
    return rc;
  take_transform(s, pair);
  for (size_t i = 0; i < s->count; i++)
    if ((rc = match_one(t, s, i)) != LATHE_OK)
      return rc;
  struct groups *g = &t->names.groups;
  s->group_from = g->count;
  snprintf(name, sizeof name, "%.60s-from", s->name);
  groups_add(g, GROUP_PERIODIC, s->dim, s->from, s->count, name);
  s->group_to = g->count;
  snprintf(name, sizeof name, "%.60s-to", s->name);
  groups_add(g, GROUP_PERIODIC, s->dim, s->to, s->count, name);
  return LATHE_OK;
}

static void periodic_forget(struct periodic *p) {
  for (size_t i = 0; i < p->count; i++) {
    free(p->of[i].from);
    free(p->of[i].to);
  }
  *p = (struct periodic){0};
}

int32_t periodic_find(struct task *t) {
  const char *name;
  json_t *v;
  int32_t rc = LATHE_OK;
  if (!t->params.periodic)
    return LATHE_OK;
  if (!t->periodic)
    t->periodic = out_alloc(1, sizeof *t->periodic);
  periodic_forget(t->periodic);
  json_object_foreach(t->params.periodic, name, v) {
    struct periodic_set *s = &t->periodic->of[t->periodic->count++];
    s->name = name;
    s->dim = t->flat ? 1 : 2;
    if (rc == LATHE_OK)
      rc = find_set(t, s, v);
  }
  return rc;
}

void periodic_apply(const struct task *t) {
  int e = 0; /* what it does not like is in Gmsh's log */
  for (size_t i = 0; t->periodic && i < t->periodic->count; i++) {
    struct periodic_set *s = &t->periodic->of[i];
    gmshModelMeshSetPeriodic(s->dim, s->to, s->count, s->from, s->count, s->affine, 16, &e);
  }
}

/* ---- what is told of it ---- */

void periodic_put_set(struct out *o, const struct periodic_set *s) {
  const char *word = s->dim == 2 ? "faces" : "edges";
  out_text(o, "{\"name\":");
  out_json_string(o, s->name);
  for (int side = 0; side < 2; side++) {
    out_printf(o, ",\"%s_%s\":[", side ? "to" : "from", word);
    for (size_t i = 0; i < s->count; i++)
      out_printf(o, "%s%d", i ? "," : "", (side ? s->to : s->from)[i]);
    out_text(o, "]");
  }
  if (s->turns)
    out_printf(o,
               ",\"rotation\":{\"point\":[%.12g,%.12g,%.12g],\"axis\":[%.12g,%.12g,%.12g],"
               "\"angle\":%.12g}",
               s->point[0], s->point[1], s->point[2], s->axis[0], s->axis[1], s->axis[2], s->angle);
  else
    out_printf(o, ",\"translation\":[%.12g,%.12g,%.12g]", s->shift[0], s->shift[1], s->shift[2]);
}

void periodic_json(const struct task *t, struct out *o) {
  if (!t->periodic)
    return;
  out_text(o, "\"periodic\":[");
  for (size_t i = 0; i < t->periodic->count; i++) {
    if (i)
      out_text(o, ",");
    periodic_put_set(o, &t->periodic->of[i]);
    out_text(o, "}");
  }
  out_text(o, "],");
}
