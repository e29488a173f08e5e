/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   TRIANGULATED_FACE(name, coordinates, pnmax, normals, geometric_link, pnindex, triangles)
 *   COMPLEX_TRIANGULATED_FACE(..., pnindex, triangle_strips, triangle_fans)
 *   the same called ..._SURFACE_SET, without the link
 *
 * Triangles, strips and fans count from 1 in pnindex, which counts from 1 in the coordinates; an
 * empty pnindex stands for all of them.
 */
#include "step/step_facets.h"

#include "base/out.h"
#include "facets/facets.h"
#include "facets/facets_read.h"
#include "step/step.h"
#include "step/step_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LISTS_MAX 4096

struct coordinates {
  uint32_t id; /* of COORDINATES_LIST */
  double *xyz;
  size_t count;
};

struct reader {
  struct step step;
  struct facets_writer writer;
  double unit;
  struct coordinates *lists;
  size_t list_count;
  bool *taken; /* of each entity: a file of 1 MB could name a face of its 100,000 times */
  bool good;
};

/* ---- numbers ---- */

static bool is_number(char c) {
  return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.';
}

/* The next number, however deep in lists; false: there is none.  Behind a span there is always a
 * ")", at which strtod stops. */
static bool next_number(struct span *s, double *value) {
  while (s->at < s->end && !is_number(*s->at))
    s->at++;
  if (s->at >= s->end)
    return false;
  char *stop;
  *value = strtod(s->at, &stop);
  s->at = stop > s->at ? stop : s->at + 1;
  return true;
}

/* The next list of whole numbers in a list of lists, into *to (room for a number each two bytes of
 * it); false: there is none. */
static bool next_list(struct span *s, uint32_t *to, size_t *count) {
  const char *open = s->at < s->end ? memchr(s->at, '(', (size_t)(s->end - s->at)) : NULL;
  const char *close = open ? memchr(open, ')', (size_t)(s->end - open)) : NULL;
  if (!close)
    return false;
  struct span inner = {open, close};
  double value;
  *count = 0;
  while (next_number(&inner, &value))
    to[(*count)++] = value >= 1 && value < UINT32_MAX ? (uint32_t)value : 0;
  s->at = close + 1;
  return true;
}

/* Without the outer parentheses. */
static struct span inside(struct span s) {
  if (s.at < s.end && *s.at == '(')
    s.at++;
  if (s.at < s.end && s.end[-1] == ')')
    s.end--;
  return s;
}

/* ---- coordinates ---- */

static void read_list(const struct reader *r, uint32_t id, struct coordinates *c) {
  const struct step_entity *e = step_find_kind(&r->step, id, STEP_COORDINATES);
  struct span numbers = e ? step_arg(e, 2) : (struct span){NULL, NULL};
  size_t room = 3 * (size_t)((numbers.end - numbers.at) / 6 + 1), n = 0; /* "(0,0,0)" */
  *c = (struct coordinates){.id = id, .xyz = out_alloc(room, sizeof *c->xyz)};
  for (double value; n < room && next_number(&numbers, &value);)
    c->xyz[n++] = value * r->unit;
  c->count = n / 3;
}

/* Faces of one solid have one list, so that the last is asked first. */
static const struct coordinates *list_of(struct reader *r, uint32_t id) {
  for (size_t i = r->list_count; i-- > 0;)
    if (r->lists[i].id == id)
      return &r->lists[i];
  if (r->list_count == LISTS_MAX) {
    for (size_t i = 0; i < r->list_count; i++)
      free(r->lists[i].xyz);
    r->list_count = 0;
  }
  read_list(r, id, &r->lists[r->list_count]);
  return &r->lists[r->list_count++];
}

/* ---- faces ---- */

struct face {
  struct reader *reader;
  const struct coordinates *points;
  uint32_t *index; /* pnindex; NULL: all of them */
  size_t index_count;
  uint32_t part;
};

/* NULL: there is no such point. */
static const double *point_of(const struct face *f, uint32_t n) {
  if (f->index)
    n = n >= 1 && n <= f->index_count ? f->index[n - 1] : 0;
  return n >= 1 && n <= f->points->count ? f->points->xyz + 3 * (size_t)(n - 1) : NULL;
}

static void step_facets_put(const struct face *f, uint32_t a, uint32_t b, uint32_t c) {
  const double *corners[3] = {point_of(f, a), point_of(f, b), point_of(f, c)};
  double xyz[9];
  for (size_t k = 0; k < 3; k++) {
    if (!corners[k])
      return;
    memcpy(xyz + 3 * k, corners[k], 3 * sizeof *xyz);
  }
  f->reader->good = f->reader->good && facets_add(&f->reader->writer, xyz, f->part);
}

static void put_triangles(const struct face *f, const uint32_t *n, size_t count) {
  if (count == 3)
    step_facets_put(f, n[0], n[1], n[2]);
}

static void put_strip(const struct face *f, const uint32_t *n, size_t count) {
  for (size_t i = 0; i + 2 < count; i++)
    step_facets_put(f, n[i], n[i + 1 + i % 2], n[i + 2 - i % 2]);
}

static void put_fan(const struct face *f, const uint32_t *n, size_t count) {
  for (size_t i = 1; i + 1 < count; i++)
    step_facets_put(f, n[0], n[i], n[i + 1]);
}

static void put_all(const struct face *f, struct span lists,
                    void (*put_one)(const struct face *f, const uint32_t *n, size_t count)) {
  uint32_t *n = out_alloc((size_t)(lists.end - lists.at) / 2 + 1, sizeof *n);
  size_t count = 0;
  lists = inside(lists);
  while (next_list(&lists, n, &count))
    put_one(f, n, count);
  free(n);
}

static void read_index(struct face *f, struct span numbers) {
  double value;
  f->index = out_alloc((size_t)(numbers.end - numbers.at) / 2 + 1, sizeof *f->index);
  while (next_number(&numbers, &value))
    f->index[f->index_count++] = value >= 1 && value < UINT32_MAX ? (uint32_t)value : 0;
  if (f->index_count == 0) {
    free(f->index);
    f->index = NULL;
  }
}

static void read_face(struct reader *r, const struct part_face *from) {
  const struct step_entity *e = step_find(&r->step, from->id);
  const char *name = from->name ? from->name : "";
  struct face f = {.reader = r, .part = facets_add_part(r->writer.f, name, strlen(name))};
  if (!e || r->taken[e - r->step.entities])
    return;
  r->taken[e - r->step.entities] = true;
  int index = e->kind == STEP_TRIANGLES || e->kind == STEP_STRIPS ? 5 : 4;
  f.points = list_of(r, step_ref(step_arg(e, 1)));
  read_index(&f, step_arg(e, index));
  if (e->kind == STEP_TRIANGLES || e->kind == STEP_TRIANGLE_SET) {
    put_all(&f, step_arg(e, index + 1), put_triangles);
  } else {
    put_all(&f, step_arg(e, index + 1), put_strip);
    put_all(&f, step_arg(e, index + 2), put_fan);
  }
  free(f.index);
}

bool step_facets_read(struct facets *f, struct parts *p, const char *data, size_t size,
                      const char *file, double unit) {
  struct reader r = {.unit = unit, .good = true};
  parts_read_tessellated(p, data, size, file);
  step_open(&r.step, data, size);
  r.lists = out_alloc(LISTS_MAX, sizeof *r.lists);
  r.taken = out_alloc(r.step.count + 1, sizeof *r.taken);
  facets_begin(&r.writer, f, 1024);
  for (size_t i = 0; i < p->count; i++)
    for (size_t k = 0; k < p->of[i].face_count; k++)
      read_face(&r, &p->of[i].faces[k]);
  for (size_t i = 0; i < r.list_count; i++)
    free(r.lists[i].xyz);
  free(r.lists);
  free(r.taken);
  step_close(&r.step);
  return facets_end(&r.writer) && r.good;
}
