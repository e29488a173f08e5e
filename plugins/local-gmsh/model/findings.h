/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What is odd about the solids of an assembly and about the faces beside them: kept from the import
 * until result.json and the warnings name it.
 */
#ifndef MODEL_FINDINGS_H
#define MODEL_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>

struct names;
struct out;

enum oddity {
  ODD_DUPLICATE, /* two solids in one place; size: their volume */
  ODD_OVERLAP,   /* two solids with a part in common; size: its volume */
  ODD_GAP,       /* two solids that nearly touch and share no face; size: how far they are apart */
  ODD_LOOSE,     /* a face that belongs to no solid; size: its area */
  ODDITIES
};

#define FOUND_LISTED 64 /* of each kind */
#define FOUND_NAME   96
struct found {
  char name[2][FOUND_NAME]; /* of a loose face the first alone */
  double size;
  double at[3]; /* the middle of a face; of a gap, a place where it is narrowest */
};

struct findings {
  size_t count[ODDITIES];
  struct found *list[ODDITIES]; /* the first FOUND_LISTED of them.  Owned */
  size_t shared_faces;          /* that bound two solids */
};

void findings_free(struct findings *f);
/* Counts one more, and lists it while there is room. */
void findings_add(struct findings *f, enum oddity what, const struct found *one);
/* A solid's own name, with its number where others have it too or it has none. */
void findings_name(char text[FOUND_NAME], const struct names *n, int solid);
/* "assembly":{...} */
void findings_json(const struct findings *f, const char *mode, double tolerance, struct out *o);
/* One sentence of what was found, where solids were cut along each other or not, into *o; nothing
 * where nothing was. */
void findings_sentence(const struct findings *f, enum oddity what, bool cut, bool mm,
                       struct out *o);

#endif
