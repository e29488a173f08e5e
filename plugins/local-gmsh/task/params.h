/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The parameters of a job, checked.
 */
#ifndef TASK_PARAMS_H
#define TASK_PARAMS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a score is made of; see score.h and docs/meshing.md. */
#define SCORE_PARTS 6
enum score_part { SCORE_SICN, SCORE_GAMMA, SCORE_ANGLE, SCORE_VOLUME, SCORE_COUNT, SCORE_ELEMENTS };

struct score_options { /* for the choice among candidates */
  double weight[SCORE_PARTS];
  uint64_t target;           /* tetrahedra; 0: none */
  double threshold;          /* a score that ends the search; above 1: none does */
  double original_threshold; /* the same on the original's scale; 0: none */
};

struct region { /* where elements are to be smaller */
  double center[3], radius, size;
};
#define REGIONS_MAX     64
#define LOCAL_SIZES_MAX 64

#define CURVATURE_ADAPTIVE 12 /* elements per turn, where a job only says that it is wanted */

enum ansys { ANSYS_NONE, ANSYS_CFD, ANSYS_FEA };
enum search { SEARCH_FAST, SEARCH_EXHAUSTIVE, SEARCH_NAMED };

/* What the elements of a mesh of faces are called in mesh.inp. */
enum inp_elements { INP_SHELL, INP_PLANE_STRESS, INP_PLANE_STRAIN, INP_AXISYMMETRIC };

#define RANDOM_SEED 1 /* of Gmsh, for every job */

struct params { /* of the job, checked by the kind */
  double max_size, min_size;
  double poor_below;    /* SICN: elements under it are a set in the mesh files; 0: none */
  double max_deviation; /* chord error of the surface, model units; 0: it is only told */
  double growth;        /* of neighbouring elements' sizes, as a ratio; 0: it is left to Gmsh */
  int across;           /* elements between the two sides of a thin wall; 0: not asked */
  int curvature, order, threads;
  int algorithm_2d, algorithm_3d; /* Gmsh's numbers */
  bool optimise, heal, binary;
  enum search search;
  char strategy[32];  /* SEARCH_NAMED */
  char order_of[600]; /* names between commas: which candidates, in which order; "": all */
  bool deterministic;
  double time_budget;  /* seconds; 0: the job's own limit */
  double per_diagonal; /* of a preset: elements along the diagonal; 0: the kind's default */
  struct score_options score_options;
  struct region regions[REGIONS_MAX];
  size_t region_count;
  enum ansys ansys; /* a file that this program reads is wanted as well */
  bool save_stl;
  /* of a preview */
  double relative_size; /* of the diagonal; 0: by the step */
  double step_size;     /* what the quality step takes */
  int circle_points;    /* the least edges of a circle where Gmsh meshes the faces */
  int circle_edges;     /* where the CAD kernel triangulates them */
  int picture_width;    /* 0: none */
  /* of a mesh */
  json_t *faces; /* dimension=2: which; NULL: all */
  bool quads;    /* dimension=2: quadrangles where that can be */
  enum inp_elements inp_elements;
  json_t *periodic;       /* of the user: checked; NULL: none */
  json_t *fluid_at;       /* a point in each volume inside that is wanted: checked; NULL: none */
  json_t *groups;         /* of the user: the parameter as it came, checked; NULL: none */
  uint32_t outputs;       /* a bit per format of formats.c */
  uint32_t outputs_named; /* of those: that the job names, and does not mean by `all` */
  bool conformal;         /* solids that touch share their nodes there */
  bool imprint;           /* they have the same faces there, and nodes of their own */
  bool wrap;              /* a closed surface round what cannot be meshed as it is */
  char output_unit[8];    /* of the mesh files; empty: the model's own, and metres for OpenFOAM */
  double scale;           /* of the numbers in the mesh files, after their unit */
  double wrap_gap;        /* the widest opening that it closes, model units; 0: by the file */
  double contact_gap;     /* faces that are nearer are in contact; 0: only what was imprinted is */
  double tolerance;       /* of that: what is nearer than this touches, model units */
  bool fluid;             /* the volume inside the solids is meant */
  bool fluid_solids;      /* and they are too */
  int fluid_regions;      /* how many of such volumes, the largest first; 0: the large ones */
};

#endif
