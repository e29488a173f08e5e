/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a strategy of meshing found: its end, its numbers, how long each stage took.
 */
#ifndef TASK_OUTCOME_H
#define TASK_OUTCOME_H

#include "arrays/curved.h"
#include "task/params.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum stage {
  STAGE_IMPORT,
  STAGE_EDGES,
  STAGE_FACES,
  STAGE_VOLUME,
  STAGE_OPTIMISE,
  STAGE_WRITE,
  STAGES
};
extern const char *const STAGE_NAMES[];

/* Why a strategy was turned down; decides which are worth trying next. */
enum reason {
  REASON_NONE,
  REASON_LOG,      /* Gmsh reported errors */
  REASON_EMPTY,    /* a face or solid has no elements */
  REASON_INVERTED, /* SICN <= 0 */
  REASON_VOLUME,   /* valid, and another strategy came nearer to the part's volume */
  REASON_CRASH,
  REASON_TIME,
  REASON_LOST,    /* healing lost solids */
  REASON_PART,    /* the part itself: no strategy can help */
  REASON_WRITE,   /* not the mesh's fault: the disk */
  REASON_SAME,    /* its faces are those of another strategy: nothing new would come of it */
  REASON_OVERLAP, /* triangles of two faces cut each other: too large for a gap, or the CAD's own */
  REASON_OPEN,    /* the tetrahedra of a solid do not end at its faces */
  REASON_PERIODIC, /* faces that were to be images of each other are not */
  REASON_HANG,     /* Gmsh never ends on one of the faces */
};
extern const char *const REASON_NAMES[];

#define MEASURES 5
enum measure { MEASURE_SICN, MEASURE_GAMMA, MEASURE_ANGLE, MEASURE_SKEWNESS, MEASURE_ASPECT };
#define MISSING_MAX 16
struct stats {
  double min, mean, p1, p5, p10, p50, p95, max;
};

/* Where a measure is worst, and how many are past the limit: at it checkMesh counts faces or cells,
 * and of the last two it says that the mesh fails. */
struct foam_worst {
  double value, at[3]; /* in the unit of xyz: measure a mesh in that of its model */
  uint64_t past;
};

struct foam_shapes {
  uint64_t faces; /* 0: nothing was measured */
  struct foam_worst orthogonality, skewness, aspect;
  double orthogonality_mean; /* of the faces between two cells, as checkMesh has it */
};

#define SOLIDS_TOLD 100
/* How far a mesh is from the CAD.  Not a fault: large elements cut corners. */
struct deviation {
  double chord; /* largest distance of the surface from its triangles, model units; below 0: not
                   measured (second order of an STL) */
  double chord_at[3];
  double mean_chord; /* of second order, on what is curved; else 0 */
  size_t count;      /* of solid */
  struct {
    int tag;
    double volume, cad; /* cad 0: not known */
  } solid[SOLIDS_TOLD];
};

#define OVERLAPS_TOLD 16
/* What a strategy found.  Plain data: it crosses a pipe. */
struct outcome {
  int32_t code; /* LATHE_OK, or the class of the failure */
  int32_t reason;
  char text[700]; /* of a failure: what, where */
  uint64_t nodes, triangles, tetrahedra;
  uint64_t poor;        /* elements under QUALITY_POOR */
  uint64_t poor_set;    /* under params.poor_below */
  uint64_t fingerprint; /* of the nodes of the faces; 0: not taken */
  uint64_t missing_faces;
  int32_t missing[MISSING_MAX]; /* the first of them */
  double volume;                /* of the mesh, model units cubed */
  double cad_volume;            /* what it was held against; 0: nothing */
  struct deviation deviation;
  uint64_t overlap_count; /* pairs of solids that reach into each other */
  struct {
    int32_t a, b;
    double volume; /* 0: not known */
  } overlaps[OVERLAPS_TOLD];
  bool off;           /* further from the part than it need be: worth another strategy */
  double under_walls; /* max_deviation of a strategy that chose one by the walls; 0: none did */
  struct stats quality[MEASURES];
  struct curved_report curved; /* of elements with middle nodes */
  struct {
    uint64_t quadrangles, lines; /* lines: elements of edges */
    uint64_t open, branches;     /* sides of elements that belong to one alone, to more than two */
    uint64_t pieces;             /* that share no node */
    double area, cad_area;       /* cad_area 0: not known */
  } sheet;                       /* of a mesh of faces alone */
  struct {
    uint64_t prisms, pyramids, quadrangles; /* quadrangles: of faces in which layers end */
    uint64_t nodes, thinner, none; /* of chosen faces: all, with thinner layers, with none */
    double least;                  /* the smallest share of a height */
    double sicn_min;               /* of prisms and pyramids */
    struct stats prism_sicn, pyramid_sicn;
  } layers;                           /* boundary layers */
  struct foam_shapes foam;            /* of polyMesh.tar, where it was asked for */
  double local_edge[LOCAL_SIZES_MAX]; /* the median at each local size; 0: none is there */
  double seconds[STAGES];
  char warnings[1200]; /* "; " between them */
};

/* Something that the user should know though the strategy went well. */
void outcome_warn(struct outcome *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Fails the strategy; returns false. */
bool outcome_fail(struct outcome *o, enum reason reason, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Appends to a list of warnings, "; " between them. */
void warnings_append(char *list, size_t size, const char *fmt, va_list args);

#endif
