/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The groups of a mesh (one a solid, one a face or name of faces, and those of the user), and what
 * each is called in a file.  Every writer asks here, so that a group is called alike in all files
 * that can hold its name, and each file's limits are in one table (groups.c).
 *
 *   char **words = groups_words(&t->names.groups, "inp");
 *   for (size_t i = 0; i < g->count; i++)
 *     ... words[i], g->of[i].dim, g->of[i].tags, g->of[i].count ...
 *   free(words);
 *
 * A format in which a face can have one group alone (OpenFOAM, SU2, Nastran) writes
 * groups_split() instead, and skips the groups that it left empty.
 */
#ifndef MODEL_GROUPS_H
#define MODEL_GROUPS_H

#include <stdbool.h>
#include <stddef.h>

enum group_kind { /* whose name stays as it is where two would be called alike: the first's */
                  GROUP_USER,     /* of the parameter `groups` */
                  GROUP_PERIODIC, /* one side of a periodic pair */
                  GROUP_CONTACT,  /* where two solids are in contact: master and slave by turns */
                  GROUP_FACE,     /* of one face without a name: "face-12", which a viewer shows */
                  GROUP_EDGE,     /* of one edge: "edge-12"; in a mesh of faces alone */
                  GROUP_SOLID,    /* of one solid */
                  GROUP_NAMED_FACES, /* of all faces of one name */
                  GROUP_POOR, /* no whole entities, so it has no tags: the elements of export.poor
                               */
};

struct group {
  enum group_kind kind;
  int dim;      /* 3: tags of solids.  2: of faces.  1: of edges */
  int *tags;    /* owned */
  size_t count; /* of tags; 0: empty, to be skipped */
  char *name;   /* as the file or the user has it, UTF-8; several may have one name.  Owned */
};

struct groups {
  struct group *of;
  size_t count, cap;
};

void groups_add(struct groups *g, enum group_kind kind, int dim, const int *tags, size_t count,
                const char *name);
void groups_free(struct groups *g);

/* What each group is called in a file of this format (a word of the parameter `outputs`; one that
 * the table lacks gets the strictest rule): within its length, of its letters, and unique; without
 * regard to case where the format's names have none.  One block: free() it. */
char **groups_words(const struct groups *g, const char *format);

/* Whether an entity has one group alone in this format. */
bool groups_one_each(const char *format);

/* Adds the group of poor elements, where it is not there yet. */
#define GROUPS_POOR "poor-elements"
void groups_add_poor(struct groups *g);
/* What it is called in a file: words[of it]; NULL where it is not there. */
const char *groups_poor_word(const struct groups *g, char **words);
/* A copy with the same order in which each entity is in one group: of the user first, then of its
 * name, then its own.  Groups that lost all of theirs stay, empty. */
struct groups groups_split(const struct groups *g);

#endif
