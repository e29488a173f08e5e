/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * elements_across_gap: thin walls are found by rays from one side to the other, and get elements so
 * small that this many lie across.
 *
 *   triangles of the faces -> points on them, as dense as elements
 *        -> a ray into the solid from each
 *        -> where the other side looks the other way, their distance is the wall's thickness there
 *
 * What lies between two walls and is not meshed (air) needs no elements; with fluid=true it is a
 * solid, and its gaps are thin walls.
 */
#ifndef SIZES_THIN_WALLS_H
#define SIZES_THIN_WALLS_H

#include <stdbool.h>
#include <stddef.h>

struct out;
struct size_field;
struct task;

#define THIN_FACES_TOLD 100

struct thin_face {
  int face;
  double thickness; /* the least that was found on it */
};

struct thin {
  double thinnest,
      at[3]; /* thinnest INFINITY: no wall is thinner than elements across times the size */
  struct thin_face *faces; /* of these walls, by their tags.  Owned */
  size_t face_count;
  double elements; /* about how many the walls take */
};

/* Looks for walls in which `across` elements of t->size do not fit, adds what they need to the
 * field and tells of them in *thin.  False, after task_fail: the faces have no triangles to begin
 * from, or there would be too many elements. */
bool thin_walls_find(struct task *t, struct size_field *field, struct thin *thin);

/* The thinnest wall between two faces that lie across from each other, of those in which not even
 * one element of t->size fits; INFINITY: there is none, or it cannot be measured. */
double thin_walls_thinnest(struct task *t);

/* "thin_walls":{...}, where the job asks for elements_across_gap. */
void thin_walls_json(const struct task *t, struct out *o);

#endif
