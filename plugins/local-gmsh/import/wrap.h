/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Between mesher.so and wrap.so, which it loads where a job asks for a wrap: a closed surface round
 * facets that have holes or lie in each other (CGAL's 3D Alpha Wrapping).
 */
#ifndef IMPORT_WRAP_H
#define IMPORT_WRAP_H

#include <stddef.h>
#include <stdint.h>

#define WRAP_FILE   "wrap.so" /* beside mesher.so */
#define WRAP_SYMBOL "lathe_local_gmsh_wrap"

struct wrap {
  const double *xyz; /* 3 a node.  Borrowed, like triangles */
  size_t nodes;
  const uint32_t *triangles;
  size_t count;
  double alpha;  /* radius of the ball that carves: it comes through no opening that is narrower */
  double offset; /* of the wrap from the facets */
  /* what comes back; both by malloc */
  double *wrapped_xyz;
  size_t wrapped_nodes;
  uint32_t *wrapped; /* 3 a triangle, outward */
  size_t wrapped_count;
};

/* 0, or -1: it could not be wrapped. */
typedef int wrap_function(struct wrap *w);

#endif
