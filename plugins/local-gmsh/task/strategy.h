/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One strategy of meshing, as the search for a mesh tries it.
 */
#ifndef TASK_STRATEGY_H
#define TASK_STRATEGY_H

#include <stdbool.h>

/* How far the tetrahedra are improved; each goes on from the one before. */
enum finish { FINISH_RAW, FINISH_OPTIMISED, FINISH_POLISHED };

/* After which ends of those before it a strategy is tried. */
enum after {
  AFTER_FAILURE = 1, /* no mesh yet */
  AFTER_OVERLAP = 2, /* no mesh yet, and one failed with REASON_OVERLAP */
  AFTER_OFF = 4,     /* there is a mesh, and it is `off` */
};

struct strategy {
  char name[32];
  int algorithm_2d, algorithm_3d;
  int curvature, circle_points;
  bool heal;         /* import again with OCC's repairs */
  bool facets;       /* STL: keep its triangles as they are */
  bool triangles;    /* no quadrangles, though the job asks for them */
  bool face_by_face; /* a preview's faces one by one, in processes of their own */
  bool under_walls;  /* max_deviation by the thinnest wall */
  int after;         /* of enum after; 0: AFTER_FAILURE */
  enum finish finish;
  double finer;  /* of the size; 0: as it is */
  double nearer; /* of max_deviation; 0: as it is */
  double kernel; /* the faces by the CAD kernel, this share of the size from the CAD; 0: by Gmsh */
};
#define STRATEGIES_MAX 16

#endif
