/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The facets of an STL, mended before anyone judges them.  Nothing here knows Gmsh.
 *
 *   read (points welded) -> flat and duplicate facets dropped -> edges matched
 *        -> facets on a line dropped, T-junctions split, near points merged
 *        -> shells, each turned one way -> bodies and their holes -> faces
 *
 * Every step is linear in the facets but for one search tree, which only several shells need.
 */
#ifndef FACETS_H
#define FACETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FACET_NONE UINT32_MAX

struct shell {     /* facets that hang together across their edges */
  uint32_t sample; /* its largest facet */
  uint32_t part;   /* the part that all of its facets are of; FACET_NONE: several */
  double volume;   /* enclosed; 0 where it does not close */
  double low[3], high[3];
  double area, middle[3]; /* middle: of its facets, times the area */
  size_t facets;
  bool closed, hole; /* hole: its facets look into the hollow */
  uint32_t body;     /* counted from 0; FACET_NONE: it bounds none */
  uint32_t overlaps; /* a shell that it reaches into and out of; FACET_NONE: none is known */
};

struct facets_face {
  const char *name; /* of its part; NULL: none */
  uint32_t body;    /* FACET_NONE: of none */
};

struct repairs { /* how often each was done */
  size_t merged, flat, duplicate, turned, split;
};

struct edge_census {
  size_t all, open, crowded; /* crowded: of more than two facets that cannot be told apart */
  double at[3];              /* the middle of one bad edge */
};

struct facets {
  size_t node_count, node_cap;
  double *xyz; /* 3 a node */
  size_t count, cap;
  uint32_t *node;    /* 3 a facet */
  uint32_t *part;    /* of each facet */
  char **part_names; /* "" where the file names it not.  Owned */
  size_t part_count;
  double low[3], high[3], diagonal;
  /* known after facets_mend */
  struct repairs repairs;
  struct edge_census edges;
  uint32_t *mate;  /* of each half-edge, 3 a facet: the one across; FACET_NONE: none */
  uint32_t *shell; /* of each facet */
  bool *turned;    /* of each facet: against the file */
  struct shell *shells;
  size_t shell_count, body_count;
  const char **body_names; /* of their parts; NULL: none */
  double *body_volumes;
  double volume;  /* of all bodies */
  uint32_t *face; /* of each facet */
  struct facets_face *faces;
  size_t face_count;
};

/* Takes the bytes of an STL that sniff.c let pass.  False: too many facets, or none. */
bool facets_read(struct facets *f, const char *data, size_t size, bool binary);
/* The same out of another file, facet by facet. */
struct facets_writer {
  struct facets *f;
  uint32_t *slots; /* of a hash table: node + 1 */
  size_t mask;
};
void facets_begin(struct facets_writer *w, struct facets *f, size_t expected);
/* Copies the name, as much of it as is kept; "" for none. */
uint32_t facets_add_part(struct facets *f, const char *name, size_t len);
/* False: a corner is not a number, or there are too many. */
bool facets_add(struct facets_writer *w, const double xyz[9], uint32_t part);
bool facets_end(struct facets_writer *w); /* false: there are none */
/* low, high and diagonal. */
void facets_measure(struct facets *f);
/* Everything from read to faces. */
void facets_mend(struct facets *f);
void facets_free(struct facets *f);

/* ---- between the files of this part ---- */

/* Drops facets with two equal corners and facets that are there twice. */
void facets_drop_extra(struct facets *f);
/* Fills mate and edges. */
void facets_match(struct facets *f);
/* Merges points on open edges that lie close together, as far as that closes edges. */
void facets_merge_near(struct facets *f);
/* Splits facets where corners of others lie on their open edges, within `reach` of the diagonal. */
void facets_join(struct facets *f, double reach);
#define FACETS_NEAR 1e-6
/* Drops facets whose corners lie on a line, if what is left closes as well as before. */
void facets_drop_lines(struct facets *f);
/* shells: what hangs together, turned one way, outward. */
void facets_find_shells(struct facets *f);
/* Which shells bound a body and which are holes in one.  False: a body that was there twice was
 * dropped; match the edges and find the shells again. */
bool facets_find_bodies(struct facets *f);
/* Which shells lie in others (parent: the smallest of those; FACET_NONE: none) and are holes there,
 * which overlap others, and which are bodies that are there twice (extra).  All shells look
 * outward.  Returns whether any is extra. */
bool facets_find_holes(struct facets *f, uint32_t *parent, bool *extra);
/* A face is a part of the file, or what lies between creases of a part that is whole bodies. */
void facets_find_faces(struct facets *f);
/* Keeps the facets whose `drop` is not set; mate, shell and face are not kept. */
size_t facets_compact(struct facets *f, const bool *drop);
/* Twice the area, along the normal. */
void facets_normal(const struct facets *f, size_t facet, double n[3]);

#endif
