/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One job of local-gmsh, and what its parts share.  A task lives in a forked child that ends after
 * it, so nothing of Gmsh needs to be cleaned up.
 *
 *   sniff -> import -> [ rung -> check ]+ -> artifacts
 *                        |  a rung is one strategy of meshing; the first that passes its check is
 *                        |  taken.
 *                        +- the first runs right here where that is cheapest, the others each in a
 *                           process of its own, because a failed generate spoils Gmsh's global
 *                           state.
 */
#ifndef TASK_H
#define TASK_H

#include "curved.h"
#include "findings.h"
#include "foam_check.h"
#include "names.h"

#include <jansson.h>
#include <lathe/plugin.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum format { FORMAT_STEP, FORMAT_IGES, FORMAT_BREP, FORMAT_STL };
extern const char *const FORMAT_NAMES[]; /* "step", ... also the ending of the file's name */

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

/* What a score is made of; see score.h and docs/meshing.md. */
#define SCORE_PARTS 6
enum score_part { SCORE_SICN, SCORE_GAMMA, SCORE_ANGLE, SCORE_VOLUME, SCORE_COUNT, SCORE_ELEMENTS };
extern const char *const SCORE_NAMES[SCORE_PARTS];

struct wishes { /* for the choice among candidates */
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
  struct wishes wishes;
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

#define MEASURES 5
enum measure { MEASURE_SICN, MEASURE_GAMMA, MEASURE_ANGLE, MEASURE_SKEWNESS, MEASURE_ASPECT };
#define MISSING_MAX 16
struct stats {
  double min, mean, p1, p5, p10, p50, p95, max;
};

struct wrapped { /* an STL: what was put round its facets */
  double gap, offset;
  size_t facets;      /* of the wrap; 0: there is none */
  double added, left; /* the farthest of the wrap from the file's facets, and of those from it */
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
/* What a rung found.  Plain data: it crosses a pipe. */
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
  double under_walls; /* max_deviation of a rung that chose one by the walls; 0: none did */
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

/* How far the tetrahedra are improved; each goes on from the one before. */
enum finish { FINISH_RAW, FINISH_OPTIMISED, FINISH_POLISHED };

/* After which ends of those before it a rung is tried. */
enum after {
  AFTER_FAILURE = 1, /* no mesh yet */
  AFTER_OVERLAP = 2, /* no mesh yet, and one failed with REASON_OVERLAP */
  AFTER_OFF = 4,     /* there is a mesh, and it is `off` */
};

struct rung {
  char name[32];
  int algorithm_2d, algorithm_3d;
  int curvature, circle_points;
  bool heal;        /* import again with OCC's repairs */
  bool facets;      /* STL: keep its triangles as they are */
  bool triangles;   /* no quadrangles, though the job asks for them */
  bool apart;       /* a preview's faces one by one, in processes of their own */
  bool under_walls; /* max_deviation by the thinnest wall */
  int after;        /* of enum after; 0: AFTER_FAILURE */
  enum finish finish;
  double finer;  /* of the size; 0: as it is */
  double nearer; /* of max_deviation; 0: as it is */
  double kernel; /* the faces by the CAD kernel, this share of the size from the CAD; 0: by Gmsh */
};
#define RUNGS_MAX 16

#define CONTACTS_TOLD 200
struct contact_side {
  int solid, *faces; /* owned */
  size_t count;
};
struct contact {               /* of two solids that keep their own nodes */
  struct contact_side side[2]; /* master and slave */
  double area, gap;
};
struct contacts {
  struct contact *of;
  size_t count;
};

#define FLUID_LISTED 64 /* of each list */
struct opening {        /* of the volume inside the solids: a face, or several in one hole */
  char name[FOUND_NAME];
  int face; /* the first of them */
  size_t which;
  double area, at[3];
};

struct fluid { /* the volumes inside the solids, where they are what is wanted */
  struct {
    int tag;
    double volume, at[3];
  } regions[FLUID_LISTED], left[FLUID_LISTED]; /* left: too small */
  struct opening openings[FLUID_LISTED];
  size_t region_count, left_count, opening_count;
};

struct geometry {
  size_t volumes, surfaces, curves, points;
  double low[3], high[3], diagonal;
  double volume; /* of all solids; 0: not known.  Ask mass_of */
};

/* A strategy that was tried (a candidate of `exhaustive`, a rung of `fast`), as result.json and
 * report.html list it.  Plain data: it crosses a pipe to the process that writes the files. */
struct attempt {
  char strategy[32];
  bool chosen;
  bool scored;          /* false: score, part and what is measured below are all 0 */
  int32_t reason;       /* REASON_NONE: a valid mesh */
  int worst_class;      /* of the worst element: 0 good enough, -1, -2, ... the worse the lower */
  char text[300];       /* of a failure: what, where */
  double seconds;       /* of this strategy, stages shared with others included */
  double phase[STAGES]; /* of that, by stage */
  double score, part[SCORE_PARTS]; /* 0 worst, 1 best; a part that does not count is -1 */
  uint64_t tetrahedra, nodes;
  double sicn_min, sicn_mean, sicn_p1, sicn_p5;
  double gamma_min, angle_min; /* degrees, dihedral */
  double volume_error;         /* of the mesh against the CAD, relative and signed; 0: not known */
};
#define ATTEMPTS_MAX 64

#define RELAY_HOST (-1) /* progress goes to the host */
#define RELAY_NONE (-2) /* and nowhere from a candidate's process */

struct task {
  const struct lathe_host *host;
  struct lathe_job *job;
  const struct lathe_request *request;
  bool solid;         /* kind mesh.  Else preview: the surface alone */
  bool flat;          /* a mesh of faces alone (dimension=2): nothing is filled */
  bool sewn;          /* the file held no solid, and its faces became one */
  bool labelled;      /* Gmsh read the kernel's labels; else the text of the file has all names */
  double sewn_within; /* over gaps of this, model units; 0: there were none */
  bool import_reused; /* by an earlier job on the same file, which left this process behind */
  bool partial;       /* time ran out before every candidate was tried */
  int relay;          /* in a rung's own process: its pipe to the parent; else one of RELAY_* */
  int permille;       /* progress never goes back */
  struct params params;
  enum format format;      /* FORMAT_STL also where facets stand for a CAD file's faces */
  enum format file_format; /* of the file itself */
  const char *unit;        /* "mm", or "file" where the file names none */
  char file_unit[24];      /* what the file itself is written in; empty: it does not say */
  double file_unit_mm;
  char name[256];  /* of the input, as the client called it: for messages alone */
  char input[300]; /* the file to read, in the work folder: the input, or what was packed in it */
  char sha256[65]; /* of the input; empty where the host does not say */
  char model[PATH_MAX];
  struct facets *facets;             /* of an STL, mended; NULL: another format */
  struct tessellation *tessellation; /* tessellated.c: the facets are a STEP file's, whose `format`
                                        is then FORMAT_STL all the same; NULL: they are not */
  struct wrapped wrapped;
  struct geometry geometry;
  struct {
    double *page; /* NULL: geometry.volume says it */
    int *tags;    /* of the solids */
    size_t count;
    int pipe;                /* -1: it is reckoned */
  } mass;                    /* the volumes, which are reckoned beside this process: mass.c */
  struct local_sizes *local; /* local_sizes.c; NULL: none */
  struct sizes *sizes; /* sizes.c: what the size at a point depends on; NULL: not yet, or nothing */
  struct periodic *periodic;      /* pairs of faces: periodic.h.  NULL: none */
  struct boundary_layers *layers; /* boundary_layers.h; NULL: none */
  struct names names;
  struct findings findings; /* of the file as it was read */
  struct contacts contacts;
  struct fluid *fluid; /* NULL: none was asked for */
  double size;         /* longest edge, model units */
  double expected;     /* elements, by estimate.h: at least about so many */
  double began, import_seconds;
  double end; /* when the job must have delivered, task_now(); 0: no limit */
  struct attempt attempts[ATTEMPTS_MAX];
  size_t attempt_count;
  int32_t code; /* of task_fail */
  char error[1200];
  char warnings[3000];
};

/* Whether the job fills solids. */
static inline bool task_fills(const struct task *t) {
  return t->solid && !t->flat;
}
/* Whether the job can have the same elements on every run: not those between facets. */
static inline bool task_repeats(const struct task *t) {
  return t->format != FORMAT_STL;
}
double task_now(void); /* seconds, monotonic */
/* What stands behind a length in a message: " mm", or nothing where the file names no unit. */
const char *task_unit(const struct task *t);
/* Reports a stage; cheap. */
void task_stage(struct task *t, enum stage stage);
/* Keeps the first message and its class; returns the class, so that `return task_fail(...)` reads.
 */
int32_t task_fail(struct task *t, int32_t code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Something the user should know though the job went well. */
void task_warn(struct task *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same of a rung, which may be in a process of its own. */
void outcome_warn(struct outcome *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Fails the rung; returns false. */
bool outcome_fail(struct outcome *o, enum reason reason, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* WORKDIR/name into `path` (PATH_MAX). */
void task_path(const struct task *t, char *path, const char *name);

/* ---- params.c: false after task_fail ---- */
bool params_read(struct task *t, int default_threads);
/* quality_params.c: the original service's parameters, over those that are there. */
bool quality_params_read(struct task *t, const json_t *given);

/* ---- sniff.c: what the file is, by its content; refuses what is none of ours.  LATHE_OK or a
 * class ---- */
int32_t sniff_input(struct task *t);
/* Of a STEP file in which the CAD kernel found nothing: the line of a text that is too long for it;
 * 0: that is not why. */
size_t sniff_long_text(const struct task *t);

/* ---- unpack.c: t->input.  LATHE_OK or a class ---- */
int32_t unpack_input(struct task *t);

/* ---- import.c ---- */
int32_t import_model(struct task *t);
/* The file once more: a wrap of its faces' triangles becomes the model, as if the file was an STL
 * (wrapping.h). */
int32_t import_wrap(struct task *t);
/* The input under a name of ours in the job's folder, into t->model. */
int32_t import_name(struct task *t);
/* The longest edge, of the model's extent and the job's wishes, into t->size. */
int32_t import_size(struct task *t);
/* Once more, in a clean model, with OCC's repairs or without.  Geometry in *g. */
bool import_again(struct task *t, bool heal, struct geometry *g, struct outcome *o);

/* Extent and number of entities of Gmsh's model. */
void import_measure(const struct task *t, struct geometry *g);

/* ---- sheet_select.c: of the model, for a mesh of faces alone, what it is made of.  LATHE_OK or a
 * class ---- */
int32_t sheet_select(struct task *t);

/* ---- stl.c: the facets of an STL ---- */
/* Reads t->model into t->facets, mends them and says so; of a mesh they must close.  LATHE_OK or a
 * class. */
int32_t stl_read(struct task *t);
/* Warns of what was mended; of a mesh they must close.  LATHE_OK or a class. */
int32_t stl_check(struct task *t);
/* The facets into Gmsh's model, a discrete face each of the file's faces.  False: Gmsh refused. */
bool stl_load(const struct task *t);
void stl_measure(const struct task *t, struct geometry *g);
/* t->names: bodies, and faces by their numbers. */
void stl_names(struct task *t);
/* Faces that Gmsh can mesh, and of those the solids; t->names.faces are then Gmsh's surfaces. */
bool stl_solids(struct task *t, const struct rung *r, struct outcome *o);
/* "repairs":[...], */
void stl_repairs_json(const struct task *t, struct out *o);
/* "assembly":{...}: which bodies overlap; what nobody looked for is null. */
void stl_assembly_json(const struct task *t, struct out *o);

/* ---- mass.c: the volume of all solids by the CAD kernel, model units; of an STL by its facets. 0:
 * not known ---- */
void mass_begin(struct task *t);      /* a mesh, after its import */
double mass_of(const struct task *t); /* waits for it; also in a process that was forked since */
double mass_of_solid(const struct task *t, int tag);

/* ---- trial.c: on a second attempt, whether reading the file crashes ---- */
int32_t trial_import(struct task *t);

/* ---- assembly.c: names and colours into t->names; joins the solids where the job asks for it.
 * With `look` what is odd goes into t->findings.  False: the kernel could not join them ---- */
bool assembly_prepare(struct task *t, bool look);
void assembly_warn(struct task *t); /* of t->findings */

/* ---- strategy.c: the ladder of strategies for this task ---- */
#define RANDOM_SEED 1
size_t strategy_list(const struct task *t, struct rung rungs[RUNGS_MAX]);
/* Sets Gmsh's options for a rung. */
void strategy_apply(struct task *t, const struct rung *r);
/* Warns where the mesh is not of the sizes that were asked for. */
void strategy_compare(struct task *t, const struct outcome *o, const struct rung *r);

/* ---- rung.c: climbs the ladder ---- */
int32_t rung_climb(struct task *t, struct outcome *o, struct rung *chosen);
/* Fails the task with what t->attempts say. */
int32_t rung_give_up(struct task *t);

/* ---- portfolio.c: tries all candidates and takes the best ---- */
int32_t portfolio_run(struct task *t, struct outcome *o, struct rung *chosen);

/* ---- deviation.c: how far the mesh is from the CAD, into o->deviation, o->off and o->warnings
 * ---- */
struct soup;
void deviation_measure(const struct task *t, const struct soup *s, struct outcome *o);
/* The chord error alone, of a mesh of faces. */
void deviation_of_surface(const struct task *t, const struct soup *s, struct outcome *o);

/* ---- closed.c: whether the tetrahedra of each solid end at its faces.  False after outcome_fail
 * ---- */
bool closed_check(const struct soup *s, struct outcome *o);

/* ---- borders.c: whether the mesh of each face reaches the edges of the face.  False after
 * outcome_fail ---- */
bool borders_check(struct outcome *o);

/* ---- size.c ---- */
/* Drafts until t->size gives the number of tetrahedra that the job wants; LATHE_OK also where that
 * cannot be reached: then a warning says so. */
int32_t size_for_target(struct task *t);
/* Warns where the mesh missed the target. */
void size_compare(struct task *t, const struct outcome *o);

/* ---- surface.c: false after outcome_fail ---- */
/* A preview, from edges to written files. */
bool surface_mesh(struct task *t, const struct rung *r, struct outcome *o);
/* The 1D and 2D steps with their checks, which both kinds share. */
bool surface_generate(struct task *t, struct outcome *o);
/* The same by the CAD kernel: its facets, their edges no longer than the job's size. */
bool surface_by_kernel(struct task *t, const struct rung *r, struct outcome *o);
/* Equal for equal meshes; 0 where there is none. */
uint64_t surface_fingerprint(void);

/* ---- volume.c: the steps of a mesh, in this order.  False after outcome_fail ---- */
struct mesh; /* a checked mesh: mesh.h */
bool volume_faces(struct task *t, const struct rung *r, struct outcome *o);
bool volume_fill(struct task *t, const struct rung *r, struct outcome *o);
/* One level of improvement; the levels below it were done before. */
bool volume_improve(struct task *t, enum finish level, struct outcome *o);
/* Raises the order where the job asks for it, checks and measures.  *m holds the mesh afterwards,
 * also where the check fails; free it with mesh_free. */
bool volume_check(struct task *t, struct mesh *m, struct outcome *o);
/* Back to what volume_improve can go on from. */
void volume_reopen(struct task *t, struct mesh *m);
bool volume_write(struct task *t, struct mesh *m, struct outcome *o);

/* ---- sheet_mesh.c: a mesh of faces alone, checked and measured.  As volume_check ---- */
bool sheet_mesh(struct task *t, struct mesh *m, struct outcome *o);

/* ---- order2.c: ten-node tetrahedra.  False after outcome_fail ---- */
struct soup;
struct out;
bool order2_raise(const struct task *t,
                  struct outcome *o); /* middle nodes in Gmsh's model, on the CAD */
/* Middle nodes towards straight, in both, until no element is bent; the volume and what was moved
 * into *o.  The corners' tetrahedra must be valid. */
bool order2_mend(const struct task *t, struct soup *s, struct outcome *o);
/* The nodes that were moved, into Gmsh's model: its nodes come in the soup's order. */
bool order2_give_back(const struct soup *s, const uint8_t *moved);
void order2_json(struct out *out, const struct curved_report *r); /* "second_order":{...} */

/* ---- result.c: result.json, and hands the artifacts to the host ---- */
int32_t result_deliver(struct task *t, const struct outcome *o, const struct rung *chosen);

/* ---- log.c: errors in Gmsh's log ---- */
void log_begin(void);
/* False when the log since log_begin() holds an error: the first one, explained, is in *o. */
bool log_check(struct outcome *o);
void log_first_error(char *text, size_t size); /* empty when there was none */

/* ---- warm.c: touch all code and tables once in the zygote ---- */
void warm_up(void);

#endif
