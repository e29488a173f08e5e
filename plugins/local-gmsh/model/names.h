/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Names and colours that the CAD file gives its solids and faces.
 *
 * Gmsh labels an entity with its path in the assembly, "Shapes/as1/rod-assembly_1/nut_1/nut".  The
 * last piece is the name here, the rest of it the path; of a STEP file the text says it better
 * (names_of_step).  A name that all faces of a solid share says nothing about a face, and is
 * dropped.
 */
#ifndef MODEL_NAMES_H
#define MODEL_NAMES_H

#include "model/groups.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct out;

struct label {
  int tag, solid; /* solid: of a face, the first solid that it bounds; 0: none */
  int number;     /* of a face, as the preview calls it, where that is not its tag; else 0 */
  /* Of a face: the second solid that it bounds, and what it is called there, where that was a face
   * of its own before they were cut along each other.  0 and NULL: none.  The name is owned. */
  int other_solid, other_number;
  char *other_name;
  /* Which solid, by its tag before the cut, that number and the other are from; of a solid, its own
   * tag then.  0: nothing was cut. */
  int owner, other_owner;
  bool coloured;
  uint8_t rgb[3];
  float transparency; /* 0: opaque; with a colour alone */
  char *name, *path;  /* NULL: none.  Owned */
  char *group;        /* of a solid: what its group is called in plain letters; unique.  Owned */
};

struct names {
  struct label *solids, *faces;
  size_t solid_count, face_count;
  size_t named_faces;
  int *edges; /* in a mesh of faces alone, which has groups of them; NULL: it is none */
  size_t edge_count;
  struct groups groups; /* the solids first, in their order */
};

/* Of Gmsh's current model. */
void names_take(struct names *n);
void names_free(struct names *n);
/* Takes these (out_alloc'ed) in place of its faces. */
void names_put_faces(struct names *n, struct label *faces, size_t count);
/* Among solids or faces, which stand in the order of their tags.  NULL: not known. */
struct label *names_find(struct label *labels, size_t n, int tag);
const struct label *names_solid(const struct names *n, int tag); /* NULL: not known */
const struct label *names_face(const struct names *n, int tag);

/* Of a model that has lost some of its entities: forgets them, and the solids, whose colours their
 * faces keep.  Takes the edges that are there. */
void names_keep_faces(struct names *n);

/* Chooses the groups anew, after names were changed. */
void names_group(struct names *n);
/* The number of a face by which users know it. */
int names_number(const struct label *face);
/* Name, path and colour of `from` in place of those of `to`. */
void names_inherit(struct label *to, const struct label *from);

/* The colour of a face: its own, or its solid's.  False, and the default, where there is none. */
bool names_colour(const struct names *n, int face, uint8_t rgb[3]);
/* How opaque that face is, 0 to 1. */
double names_opacity(const struct names *n, int face);

/* The groups as Gmsh's physical groups, for a file of this format that Gmsh writes: called as the
 * format can hold. */
void names_physical(const struct names *n, const char *format);

/* "solids":[...],"named_faces":N, of at most `max` solids. */
void names_json(const struct names *n, struct out *o, size_t max);

#endif
