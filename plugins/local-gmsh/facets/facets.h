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
#ifndef FACETS_FACETS_H
#define FACETS_FACETS_H

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

/* low, high and diagonal. */
void facets_measure(struct facets *f);
/* Keeps the facets whose `drop` is not set; mate, shell and face are not kept. */
size_t facets_compact(struct facets *f, const bool *drop);
/* Twice the area, along the normal. */
void facets_normal(const struct facets *f, size_t facet, double n[3]);
void facets_free(struct facets *f);

#endif
