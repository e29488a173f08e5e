/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Faces of an STL, which preview and mesh number alike.
 *
 *   several parts ("solid inlet" ... "solid walls") that close a body together: a face each
 *   a part that is whole bodies, or the only one: its facets up to the next crease are a face
 */
#include "facets/facets_faces.h"

#include "base/out.h"
#include "facets/facets.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CREASE    0.766044443118978 /* the cosine of 40 degrees */
#define FACES_MAX 2000              /* of creases; a scan with more of them has a face a part */

/* Parts that bound bodies with others, or none. */
static bool *joint_parts(const struct facets *f) {
  bool *joint = out_alloc(f->part_count, sizeof *joint);
  for (size_t t = 0; f->part_count > 1 && t < f->count; t++) {
    const struct shell *s = &f->shells[f->shell[t]];
    joint[f->part[t]] |= s->part == FACET_NONE || !s->closed;
  }
  return joint;
}

static bool smooth(const struct facets *f, size_t a, size_t b) {
  double u[3], v[3], uu = 0, vv = 0, uv = 0;
  facets_normal(f, a, u);
  facets_normal(f, b, v);
  for (int i = 0; i < 3; i++) {
    uu += u[i] * u[i];
    vv += v[i] * v[i];
    uv += u[i] * v[i];
  }
  return uv >= CREASE * sqrt(uu * vv);
}

struct painter {
  struct facets *f;
  const bool *joint;
  uint32_t *stack, *of_part;
};

static uint32_t facets_faces_add_face(struct facets *f, size_t facet, size_t *room) {
  if (f->face_count == *room) {
    *room = *room ? 2 * *room : 16;
    f->faces = out_again(f->faces, f->face_count, *room, sizeof *f->faces);
  }
  const char *name = f->part_names[f->part[facet]];
  f->faces[f->face_count] = (struct facets_face){.name = *name ? name : NULL,
                                                 .body = f->shells[f->shell[facet]].body};
  return (uint32_t)f->face_count++;
}

/* All facets up to the next crease, or border of a part. */
static void paint(struct painter *p, size_t seed, uint32_t face) {
  struct facets *f = p->f;
  size_t height = 0;
  f->face[seed] = face;
  p->stack[height++] = (uint32_t)seed;
  while (height) {
    size_t t = p->stack[--height];
    for (size_t h = 3 * t; h < 3 * t + 3; h++) {
      if (f->mate[h] == FACET_NONE)
        continue;
      size_t other = f->mate[h] / 3;
      if (f->face[other] != FACET_NONE || f->part[other] != f->part[t] || !smooth(f, t, other))
        continue;
      f->face[other] = face;
      p->stack[height++] = (uint32_t)other;
    }
  }
}

/* False: more faces than anybody can choose from. */
static bool paint_all(struct painter *p, bool creases) {
  struct facets *f = p->f;
  size_t room = 0;
  free(f->faces);
  f->faces = NULL;
  f->face_count = 0;
  memset(f->face, 0xff, f->count * sizeof *f->face);
  memset(p->of_part, 0xff, f->part_count * sizeof *p->of_part);
  for (size_t t = 0; t < f->count; t++) {
    uint32_t part = f->part[t];
    if (f->face[t] != FACET_NONE)
      continue;
    if (creases && !p->joint[part]) {
      if (f->face_count == FACES_MAX)
        return false;
      uint32_t face = facets_faces_add_face(f, t, &room);
      if (f->part_count == 1 || f->shells[f->shell[t]].part == part)
        f->faces[face].name = NULL; /* it is the body's name */
      paint(p, t, face);
      continue;
    }
    if (p->of_part[part] == FACET_NONE)
      p->of_part[part] = facets_faces_add_face(f, t, &room);
    f->face[t] = p->of_part[part];
  }
  return true;
}

void facets_find_faces(struct facets *f) {
  bool *joint = joint_parts(f);
  struct painter p = {.f = f,
                      .joint = joint,
                      .stack = out_alloc(f->count, sizeof *p.stack),
                      .of_part = out_alloc(f->part_count, sizeof *p.of_part)};
  f->face = out_alloc(f->count, sizeof *f->face);
  if (!paint_all(&p, true))
    paint_all(&p, false);
  free(joint);
  free(p.stack);
  free(p.of_part);
}
