/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The solids of a STEP file by its own text, in the order in which the CAD kernel makes them: what
 * each is called, where it stands in the assembly, its faces' names, and colours with transparency.
 * The kernel's labels hold less: they are cut at "/", say ids for names, and know no face.
 */
#ifndef STEP_STEP_PARTS_H
#define STEP_STEP_PARTS_H

#include "step/step.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tint {
  bool known;
  uint8_t rgb[3];
  float transparency; /* 0: opaque */
};

struct part_face {
  uint32_t id;            /* of its entity */
  enum step_kind surface; /* STEP_PLANE and so on; STEP_OTHER: another, or not known */
  char *name;             /* NULL: none.  Owned */
  struct tint tint;
};

struct part {
  char *product; /* as the kernel's label ends; NULL: no name */
  bool coded;    /* the file has codes or letters over 127 in it: the label may differ */
  char *name;    /* for people: a translator's stand-in is the instance's name or the file's */
  char *path;    /* of the instances above, "/" between; NULL: it is in no assembly.  All owned */
  struct tint tint;
  struct part_face *faces;
  size_t face_count;
};

struct parts {
  struct part *of;
  size_t count, cap;
  uint32_t cycle; /* the entity by which an assembly is part of itself; 0: none is */
};

/* `file`: what the input is called.  Nothing is found in a file that holds no structure. */
void parts_read(struct parts *p, const char *data, size_t size, const char *file);
/* Whether a name is what a translator writes where it has none ("SOLID", "=>[0:1:1:2]"), or NULL.
 */
bool parts_stand_in(const char *name);
/* The same of tessellated solids, shells and faces (AP242), which the CAD kernel does not read. */
void parts_read_tessellated(struct parts *p, const char *data, size_t size, const char *file);
void parts_free(struct parts *p);

#endif
