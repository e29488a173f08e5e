/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the plugin does (mesher.h):
 *
 *   create(): Gmsh started, options set, a small part meshed so that code and tables are in memory.
 *             One thread, no parallel region: the host forks from here.
 *   run():    in a child that the host forked for one job; the child ends after it.
 */
#include "mesher.h"

#include "cad/mass.h"
#include "import/import.h"
#include "import/sheet_select.h"
#include "import/sniff.h"
#include "import/trial.h"
#include "import/unpack.h"
#include "layers/layers_params.h"
#include "output/formats.h"
#include "output/result.h"
#include "params_read.h"
#include "search/element_target.h"
#include "search/exhaustive.h"
#include "search/fast.h"
#include "search/strategies.h"
#include "select/periodic.h"
#include "select/user_groups.h"
#include "sizes/local_sizes.h"
#include "sizes/sizes.h"
#include "task/outcome.h"
#include "task/params.h"
#include "task/strategy.h"
#include "task/task.h"
#include "warm.h"

#include <gmshc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS_MAX   64
#define WORTH_PARKING 0.03 /* seconds of import */

struct state {
  const struct lathe_host *host;
  int threads;
};

static void set_options(void) {
  static const struct {
    const char *name;
    double value;
  } NUMBERS[] = {
      {"General.NumThreads", 1},   {"General.AbortOnError", 0},   {"General.Terminal", 1},
      {"General.Verbosity", 2},    {"General.ExpertMode", 1},     {"General.SaveOptions", 0},
      {"General.SaveSession", 0},  {"General.NoPopup", 1},        {"General.DetachedMenu", 0},
      {"Geometry.OCCParallel", 0}, {"Geometry.AutoCoherence", 1}, {"Mesh.Optimize", 0},
      {"Mesh.OptimizeNetgen", 0},
  };
  int e = 0;
  for (size_t i = 0; i < sizeof NUMBERS / sizeof *NUMBERS; i++)
    gmshOptionSetNumber(NUMBERS[i].name, NUMBERS[i].value, &e);
}

static int32_t mesher_create(const struct lathe_host *host, void **self) {
  int e = 0;
  struct state *p = calloc(1, sizeof *p);
  if (!p)
    return LATHE_RETRY_MEM;
  p->host = host;
  const char *threads = host->config(host, "threads");
  p->threads = threads ? atoi(threads) : 1;
  if (p->threads < 1 || p->threads > THREADS_MAX)
    p->threads = 1;
#ifdef GMSH_INITIALIZE_HAS_RUN
  gmshInitialize(0, NULL, 0, 0, &e);
#else
  gmshInitialize(0, NULL, 0, &e);
#endif
  if (e) {
    host->error(NULL, "Gmsh could not be started");
    free(p);
    return LATHE_PERMANENT;
  }
  set_options();
  warm_up();
  set_options(); /* warming up silenced it */
  *self = p;
  return LATHE_OK;
}

static void mesher_destroy(void *self) {
  int e = 0;
  gmshFinalize(&e);
  free(self);
}

/* The plugin ends by itself before the host ends it, so that there is time to say what was found.
 */
static double end_of(const struct task *t) {
  double host = (double)t->request->deadline_ms / 1000, own = t->began + t->params.time_budget;
  double left = host - t->began;
  if (t->request->deadline_ms <= 0)
    host = 0;
  else
    host -= fmin(fmax(left / 10, fmin(1, left / 3)), 20);
  if (t->params.time_budget <= 0)
    return host;
  return host > 0 ? fmin(host, own) : own;
}

static const struct lathe_park *park_of(const struct task *t) {
  const struct lathe_park *park = t->host->extension(t->host, LATHE_PARK_1);
  return park && t->sha256[0] && LATHE_CAN(park, park) && LATHE_CAN(park, resume) ? park : NULL;
}

/* Of the points that choose volumes: FNV-1a of their text, for a key has its length. */
static uint64_t digest_of(const json_t *points) {
  char *text = points ? json_dumps(points, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char *c = text; c && *c; c++)
    hash = (hash ^ (unsigned char)*c) * 0x100000001b3u;
  free(text);
  return points ? hash : 0;
}

/* What the process holds after the import: the file, and all that decides how it is read. */
static void park_key(const struct task *t, char *key, size_t size) {
  const struct params *p = &t->params;
  snprintf(key, size,
           "local-gmsh %s %s heal=%d conformal=%d.%d %.9g.%.9g wrap=%d %.9g fluid=%d.%d.%d.%llx %s",
           t->sha256,
           t->flat    ? "faces"
           : t->solid ? "solids"
                      : "all",
           p->heal, p->conformal, p->imprint, p->tolerance, p->contact_gap, p->wrap, p->wrap_gap,
           p->fluid, p->fluid_solids, p->fluid_regions, (unsigned long long)digest_of(p->fluid_at),
           t->name);
}

/* After the import this process may go on with another job on the same file: whatever came from
 * the first job's request is read again. */
static bool take_over(struct task *t, const struct lathe_request *request, int default_threads) {
  t->request = request;
  t->began = task_now();
  t->permille = 0;
  t->import_seconds = 0;
  t->import_reused = true;
  t->warnings[0] = '\0';
  task_stage(t, STAGE_IMPORT);
  return params_read(t, default_threads) && unpack_input(t) == LATHE_OK &&
         import_name(t) == LATHE_OK;
}

/* Sniff, import, and stay behind for the next job where that is worth it. */
static int32_t import_once(struct task *t, int default_threads) {
  const struct lathe_park *park = park_of(t);
  const struct lathe_request *request = t->request;
  char key[600], asked[sizeof t->warnings], imported[sizeof t->warnings];
  int32_t rc;
  park_key(t, key, sizeof key);
  if (park)
    park->resume(t->job, t->request, key);
  memcpy(asked, t->warnings, sizeof asked);
  t->warnings[0] = '\0';
  if ((rc = unpack_input(t)) != LATHE_OK || (rc = sniff_input(t)) != LATHE_OK ||
      (rc = trial_import(t)) != LATHE_OK || (rc = import_model(t)) != LATHE_OK)
    return rc;
  memcpy(imported, t->warnings, sizeof imported);
  memcpy(t->warnings, asked, sizeof asked);
  if (park && t->import_seconds > WORTH_PARKING) {
    fflush(NULL);
    request = park->park(&t->job, t->request, key);
  }
  if (request != t->request && !take_over(t, request, default_threads))
    return t->code;
  if (imported[0])
    task_warn(t, "%s", imported);
  return LATHE_OK;
}

/* From the model to a mesh, by all that the job allows to be tried. */
static int32_t make_mesh(struct task *t, struct outcome *o, struct strategy *chosen) {
  int32_t rc;
  if ((rc = user_groups_find(t)) != LATHE_OK || (rc = periodic_find(t)) != LATHE_OK ||
      (rc = local_sizes_find(t)) != LATHE_OK || (rc = boundary_layers_find(t)) != LATHE_OK)
    return rc;
  mass_begin(t);
  t->end = end_of(t);
  if ((rc = import_size(t)) != LATHE_OK)
    return rc;
  if (t->solid && (rc = sizes_prepare(t)) != LATHE_OK)
    return rc;
  if ((rc = element_target_find(t)) != LATHE_OK)
    return rc;
  local_sizes_compare(t);
  return t->solid && t->params.search == SEARCH_EXHAUSTIVE ? exhaustive_run(t, o, chosen)
                                                           : fast_run(t, o, chosen);
}

/* The solids of a CAD file cannot be meshed as they are, and the job allows another surface. */
static bool wrap_may_help(const struct task *t) {
  return t->params.wrap && t->code == LATHE_BAD_INPUT && t->attempt_count > 0 && task_fills(t) &&
         t->file_format != FORMAT_STL && t->format != FORMAT_STL && !t->params.fluid;
}

/* Where that fails too, the first reason is the one that helps. */
static int32_t make_wrapped(struct task *t, struct outcome *o, struct strategy *chosen) {
  char why[sizeof t->error];
  memcpy(why, t->error, sizeof why);
  t->code = LATHE_OK;
  t->error[0] = '\0';
  if (import_wrap(t) == LATHE_OK && make_mesh(t, o, chosen) == LATHE_OK) {
    task_warn(t, "no strategy could mesh the solids as they are, so the wrap was meshed: the "
                 "faces of the part overlap or cut each other");
    return LATHE_OK;
  }
  if (t->code != LATHE_BAD_INPUT) /* cancelled, or out of time */
    return t->code;
  char also[sizeof t->error];
  memcpy(also, t->error, sizeof also);
  snprintf(t->error, sizeof t->error, "%.*s. A wrap (wrap=true) did not help: %.*s",
           (int)sizeof why / 2, why, (int)sizeof also / 2 - 40, also);
  return t->code;
}

static int32_t work(struct task *t, const struct state *p) {
  struct outcome o = {0};
  struct strategy chosen;
  int32_t rc;
  task_stage(t, STAGE_IMPORT);
  if (!params_read(t, p->threads))
    return t->code;
  if ((rc = import_once(t, p->threads)) != LATHE_OK)
    return rc;
  if (t->flat && (rc = sheet_select(t)) != LATHE_OK)
    return rc;
  if (t->solid && !formats_check(t))
    return t->code;
  rc = make_mesh(t, &o, &chosen);
  if (wrap_may_help(t))
    rc = make_wrapped(t, &o, &chosen);
  if (rc != LATHE_OK)
    return rc;
  if (t->params.wrap && t->file_format != FORMAT_STL && !t->wrapped.facets)
    task_warn(t, "wrap=true did nothing: the part was meshed as it is");
  if (t->params.deterministic && !task_repeats(t))
    task_warn(t, "deterministic=true does not hold for facets: what Gmsh makes of them depends on "
                 "where in memory things lie, so that a few elements may differ from run to run");
  element_target_compare(t, &o);
  strategies_compare(t, &o, &chosen);
  return result_deliver(t, &o, &chosen);
}

static int32_t mesher_run(void *self, struct lathe_job *job, const struct lathe_request *request) {
  const struct state *p = self;
  struct task *t = calloc(1, sizeof *t);
  if (!t)
    return LATHE_RETRY_MEM;
  t->host = p->host; /* one by one: to clear it again would touch sixteen pages more */
  t->job = job;
  t->request = request;
  t->solid = strcmp(request->kind, "mesh") == 0;
  t->relay = RELAY_HOST;
  t->began = task_now();
  int32_t rc = work(t, p);
  fflush(stdout);
  if (rc != LATHE_OK)
    p->host->error(t->job, t->error); /* the job may be another one than it began with */
  free(t);
  return rc;
}

extern const struct mesher local_gmsh_mesher; /* by name: MESHER_SYMBOL */
__attribute__((visibility("default"))) const struct mesher local_gmsh_mesher = {
    .create = mesher_create,
    .destroy = mesher_destroy,
    .run = mesher_run,
};
