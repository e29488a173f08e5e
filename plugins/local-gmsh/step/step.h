/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The text of a STEP file (ISO 10303-21), as far as names, structure and colours need it: an index
 * of the entities of the kinds below, their arguments, and the strings decoded.  Nothing here
 * trusts the file: numbers are checked, loops bounded, and what is damaged reads as missing.
 */
#ifndef STEP_STEP_H
#define STEP_STEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum step_kind {
  STEP_OTHER, /* not kept */
  STEP_PRODUCT,
  STEP_FORMATION,
  STEP_DEFINITION,
  STEP_DEFINITION_SHAPE,
  STEP_USAGE, /* NEXT_ASSEMBLY_USAGE_OCCURRENCE */
  STEP_HIGHER_USAGE,
  STEP_SHAPE_DEFINITION,
  STEP_REPRESENTATION,
  STEP_REPRESENTATION_RELATION,
  STEP_REPRESENTATION_MAP,
  STEP_MAPPED_ITEM,
  STEP_BREP,
  STEP_BREP_WITH_VOIDS,
  STEP_SHELL,
  STEP_ORIENTED_SHELL,
  STEP_FACE,
  STEP_PLANE,
  STEP_CYLINDER,
  STEP_CONE,
  STEP_SPHERE,
  STEP_TORUS,
  STEP_TESSELLATED, /* a solid or shell of the faces below */
  STEP_TRIANGLES,   /* TRIANGULATED_FACE */
  STEP_TRIANGLE_SET,
  STEP_STRIPS, /* COMPLEX_TRIANGULATED_FACE */
  STEP_STRIP_SET,
  STEP_COORDINATES,
  STEP_STYLED_ITEM,
  STEP_STYLE, /* whatever leads from a styled item to its colour */
  STEP_STYLE_BY_CONTEXT,
  STEP_TRANSPARENT,
  STEP_COLOUR_RGB,
  STEP_COLOUR_WORD,
};

struct span { /* of the file's own text */
  const char *at, *end;
};

struct step_entity {
  uint32_t id;
  enum step_kind kind;
  struct span args; /* between the outer parentheses */
};

struct step { /* in the order of the file */
  struct step_entity *entities;
  size_t count, cap;
  uint32_t *order; /* of entities by id */
  void *letters;   /* iconv's, from the file's encoding; NULL: STEP_UTF8_OR_LATIN1 */
};

/* The text must outlive the index.  Entities past ENTITIES_MAX are left out. */
void step_open(struct step *s, const char *data, size_t size);
void step_close(struct step *s);

/* NULL: there is no such entity of a kind that is kept. */
const struct step_entity *step_find(const struct step *s, uint32_t id);
/* The same, of one kind alone. */
const struct step_entity *step_find_kind(const struct step *s, uint32_t id, enum step_kind kind);

/* Argument `index`, from 0, without blanks around it; empty where there are fewer. */
struct span step_arg(const struct step_entity *e, int index);
uint32_t step_ref(struct span arg); /* of "#12"; 0: it is none */
double step_number(struct span arg, double fallback);
/* The next reference in a list, however deep; 0: there is none left. */
uint32_t step_next_ref(struct span *list);
/* The decoded string, UTF-8, of 'text'.  NULL: no string, or an empty one.  Owned. */
char *step_string(const struct step *s, struct span arg);

#endif
