/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One job of local-gmsh, and what its parts share.  A task lives in a forked child that ends after
 * it, so nothing of Gmsh needs to be cleaned up.
 *
 *   sniff -> import -> [ strategy -> check ]+ -> artifacts
 *                        |  the first strategy that passes its check is taken
 *                        +- the first runs right here where that is cheapest, the others each in a
 *                           process of its own, because a failed generate spoils Gmsh's global
 *                           state.
 */
#ifndef TASK_TASK_H
#define TASK_TASK_H

#include "model/contact_pairs.h"
#include "model/findings.h"
#include "model/names.h"
#include "task/attempt.h"
#include "task/outcome.h"
#include "task/params.h"

#include <jansson.h>
#include <lathe/plugin.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct boundary_layers;
struct facets;
struct fluid;
struct local_sizes;
struct periodic;

enum format { FORMAT_STEP, FORMAT_IGES, FORMAT_BREP, FORMAT_STL };
extern const char *const FORMAT_NAMES[]; /* "step", ... also the ending of the file's name */

struct geometry {
  size_t volumes, surfaces, curves, points;
  double low[3], high[3], diagonal;
  double volume; /* of all solids; 0: not known.  Ask mass_of */
};

#define RELAY_HOST (-1) /* progress goes to the host */
#define RELAY_NONE (-2) /* and nowhere from a candidate's process */

struct wrapped { /* an STL: what was put round its facets */
  double gap, offset;
  size_t facets;      /* of the wrap; 0: there is none */
  double added, left; /* the farthest of the wrap from the file's facets, and of those from it */
};

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
  int relay;          /* in a strategy's own process: its pipe to the parent; else one of RELAY_* */
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
  struct boundary_layers *layers; /* layers_params.h; NULL: none */
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
/* A named part of a parameter is not as it should be: fails with "PARAMETER: \"NAME\" WHAT", and
 * returns false. */
bool task_refuse(struct task *t, const char *parameter, const char *name, const char *what);
/* Something the user should know though the job went well. */
void task_warn(struct task *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* WORKDIR/name into `path` (PATH_MAX). */
void task_path(const struct task *t, char *path, const char *name);

#endif
