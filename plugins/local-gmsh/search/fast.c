/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The parameter search=fast: strategies one after the other, until one passes its check.
 *
 *   small part, first try:  strategy 1 in this process (a fork more would cost as much as the mesh
 *                           of a cube's faces), the others in children that import again
 *   all else:               every strategy in a child of this process, which keeps the clean import
 *
 *   child:  strategy -> files in the work folder -> outcome into the pipe -> _exit
 *   parent: relays progress, kills at the strategy's deadline, reads the outcome, or judges the
 *           signal
 *
 * A second attempt of a job (the first may have died in here) always takes the second way, so a
 * file that crashes Gmsh ends with a reason and not with a crash again.
 */
#include "search/fast.h"

#include "arrays/mesh_arrays.h"
#include "base/pipe_io.h"
#include "import/import.h"
#include "layers/layers_model.h"
#include "mesh/sheet_mesh.h"
#include "mesh/surface.h"
#include "mesh/volume.h"
#include "output/mesh_files.h"
#include "output/preview_files.h"
#include "quality/checked_mesh.h"
#include "quality/score.h"
#include "search/hang.h"
#include "search/plan.h"
#include "search/strategies.h"
#include "sizes/sizes.h"
#include "sizes/thin_walls.h"
#include "task/attempt.h"
#include "task/log.h"
#include "task/outcome.h"
#include "task/params.h"
#include "task/relay.h"
#include "task/strategy.h"
#include "task/task.h"

#include <errno.h>
#include <gmshc.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BETTER_TIMES 8
#define BETTER_LEAST 2.0  /* seconds */
#define ISOLATE_PAST 0.06 /* seconds of import */
#define UNDER_WALLS  (1 / 3.0)
#define MANY         5e4 /* elements; a mesh of as many takes seconds */

static void note_attempt(struct task *t, const struct strategy *r, const struct outcome *o,
                         double began) {
  struct attempt *a = &t->attempts[t->attempt_count++];
  *a = (struct attempt){.reason = o->reason};
  snprintf(a->strategy, sizeof a->strategy, "%s", r->name);
  snprintf(a->text, sizeof a->text, "%.*s", (int)sizeof a->text - 1, o->text);
  memcpy(a->phase, o->seconds, sizeof a->phase);
  a->phase[STAGE_IMPORT] = t->import_seconds;
  a->seconds = t->import_seconds + task_now() - began;
  if (o->code == LATHE_OK) {
    a->chosen = true;
    if (task_fills(t))
      score_attempt(a, o, &t->params.score_options);
  }
}

static bool mesh_solid(struct task *t, const struct strategy *r, struct checked_mesh *m,
                       struct outcome *o) {
  if (t->flat)
    return sheet_mesh(t, m, o);
  if (!volume_faces(t, r, o) || (t->layers && !boundary_layers_shrink(t, o)) ||
      !volume_fill(t, r, o))
    return false;
  for (int level = FINISH_OPTIMISED; level <= (int)r->finish; level++)
    if (!volume_improve(t, (enum finish)level, o))
      return false;
  return (!t->layers || boundary_layers_grow(t, o)) && volume_check(t, m, o);
}

/* Flat elements on both sides of a curved wall cut each other where they leave its faces by half of
 * its thickness. */
static bool stay_under_walls(struct task *t, struct outcome *o) {
  double most = thin_walls_thinnest(t) * UNDER_WALLS;
  if (isinf(most) || (t->params.max_deviation > 0 && t->params.max_deviation <= most))
    return outcome_fail(o, REASON_SAME, "no wall is so thin that nearer elements would help");
  o->under_walls = t->params.max_deviation = most;
  sizes_forget(t);
  return true;
}

static void preview_here(struct task *t, const struct strategy *r, struct outcome *o) {
  struct mesh_arrays s = {0};
  if (surface_preview(t, r, o, &s))
    preview_files_write(t, &s, o);
  mesh_arrays_free(&s);
}

/* A mesh is noted before it is written: what it writes lists what was tried. */
static void strategy_here(struct task *t, const struct strategy *r, bool import,
                          struct outcome *o) {
  struct geometry healed = t->geometry;
  struct checked_mesh m = {0};
  double began = task_now();
  size_t count = t->attempt_count;
  if (import && !import_again(t, r->heal || t->params.heal, &healed, o))
    return;
  if (r->under_walls && !stay_under_walls(t, o))
    return;
  log_begin();
  strategies_apply(t, r);
  if (t->code != LATHE_OK) { /* the sizes that were asked for */
    outcome_fail(o, REASON_LOG, "%s", t->error);
    return;
  }
  if (!t->solid) {
    preview_here(t, r, o);
    return;
  }
  if (mesh_solid(t, r, &m, o)) {
    note_attempt(t, r, o, began);
    mesh_files_write(t, &m, o);
    t->attempt_count = count; /* the climber notes it with its whole time */
  }
  checked_mesh_free(&m);
}

/* Never returns. */
static void child_main(struct task *t, const struct strategy *r, bool import, int fd,
                       pid_t parent) {
  struct outcome o = {0};
  struct progress_note end = {1000, STAGES};
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent)
    _exit(0);
  t->relay = fd;
  strategy_here(t, r, import, &o);
  fflush(NULL);
  pipe_write(fd, &end, sizeof end);
  pipe_write(fd, &o, sizeof o);
  _exit(0);
}

struct child { /* a strategy's process */
  pid_t pid;
  const struct strategy *strategy;
  int stage;
  double limit; /* of processor time, for edges and faces; 0: not asked for yet */
};

static double used_by(pid_t pid) {
  struct timespec t;
  clockid_t clock;
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) != 0)
    return 0;
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Edges and faces that take far longer than their number explains. */
static bool hangs(const struct task *t, struct child *c) {
  double used = c->stage > STAGE_FACES ? 0 : used_by(c->pid);
  if (used < HANG_LEAST)
    return false;
  if (c->limit == 0)
    c->limit = hang_limit(t, c->strategy);
  return used > c->limit;
}

/* Relays until the outcome is there or the pipe closes.  Else why it has to be stopped. */
static enum reason fast_follow(struct task *t, struct child *c, int fd, double until,
                               struct outcome *o, bool *got) {
  for (;;) {
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int n = poll(&p, 1, 100);
    if (n < 0 && errno != EINTR)
      return REASON_NONE;
    if (t->host->cancelled(t->job) || (until > 0 && task_now() > until))
      return REASON_TIME;
    if (hangs(t, c))
      return REASON_HANG;
    if (n <= 0)
      continue;
    struct progress_note note;
    if (!pipe_read(fd, &note, sizeof note))
      return REASON_NONE;
    if (note.stage == STAGES) {
      *got = pipe_read(fd, o, sizeof *o);
      return REASON_NONE;
    }
    c->stage = note.stage;
    if (note.stage >= 0 && note.stage < STAGES && note.permille > t->permille)
      t->permille = note.permille;
    if (note.stage >= 0 && note.stage < STAGES)
      t->host->progress(t->job, t->permille, STAGE_NAMES[note.stage]);
  }
}

/* Half of the time that is left, so that there is some for the next; all of it for the last.  Where
 * there is a mesh already, a better one is worth some times what that took. */
static double deadline_of(const struct task *t, bool last, bool have) {
  double now = task_now();
  const struct attempt *before = &t->attempts[t->attempt_count ? t->attempt_count - 1 : 0];
  if (have && (t->end <= 0 || before->seconds * BETTER_TIMES < (t->end - now) / 2))
    return now + fmax(before->seconds * BETTER_TIMES, BETTER_LEAST);
  return t->end <= 0 || last ? t->end : now + (t->end - now) / 2;
}

static void strategy_in_child(struct task *t, const struct strategy *r, bool import, bool last,
                              bool have, struct outcome *o) {
  int fds[2], status = 0;
  bool got = false;
  double began = task_now(), until = deadline_of(t, last, have);
  pid_t self = getpid();
  if (pipe(fds) < 0) {
    strategy_here(t, r, import, o); /* better than not at all */
    return;
  }
  fflush(NULL);
  pid_t pid = fork();
  if (pid < 0) {
    close(fds[0]);
    close(fds[1]);
    strategy_here(t, r, import, o);
    return;
  }
  if (pid == 0) {
    close(fds[0]);
    child_main(t, r, import, fds[1], self);
  }
  close(fds[1]);
  struct child c = {.pid = pid, .strategy = r};
  enum reason stopped = fast_follow(t, &c, fds[0], until, o, &got);
  if (!got)
    kill(pid, SIGKILL);
  close(fds[0]);
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
    ;
  if (stopped == REASON_HANG)
    outcome_fail(o, REASON_HANG,
                 "Gmsh does not come to an end on one of the faces: it was stopped after %.1f s",
                 task_now() - began);
  else if (stopped)
    outcome_fail(o, REASON_TIME, "it was stopped after %.1f s, for want of time",
                 task_now() - began);
  else if (!got && WIFSIGNALED(status))
    outcome_fail(o, REASON_CRASH, "Gmsh crashed (%s)", strsignal(WTERMSIG(status)));
  else if (!got)
    outcome_fail(o, REASON_CRASH, "Gmsh ended without a result");
}

/* One line: Gmsh's own thousands cost more than a small mesh. */
static void fast_tell(struct task *t, const struct outcome *o) {
  const struct attempt *a = &t->attempts[t->attempt_count - 1];
  const double *s = o->seconds;
  char line[400];
  if (a->reason == REASON_NONE)
    snprintf(
        line, sizeof line,
        "strategy \"%s\": %llu nodes, %llu %s in %.3f s (import %.3f, edges %.3f, faces %.3f, "
        "volume %.3f)",
        a->strategy, (unsigned long long)o->nodes,
        (unsigned long long)(task_fills(t) ? o->tetrahedra : o->triangles + o->sheet.quadrangles),
        task_fills(t) ? "tetrahedra" : "elements of faces", a->seconds, t->import_seconds,
        s[STAGE_EDGES], s[STAGE_FACES], s[STAGE_VOLUME] + s[STAGE_OPTIMISE]);
  else
    snprintf(line, sizeof line, "strategy \"%s\" was turned down after %.2f s: %s", a->strategy,
             a->seconds, a->text);
  t->host->log(t->host, t->job, 1, line);
}

/* The attempt that says most about why: what is true of the part or the disk whatever is tried,
 * then what is left when all else works, then the first. */
static const struct attempt *telling(const struct task *t) {
  static const int32_t ORDER[] = {REASON_WRITE, REASON_PART};
  for (size_t k = 0; k < sizeof ORDER / sizeof *ORDER; k++)
    for (size_t i = t->attempt_count; i-- > 0;)
      if (t->attempts[i].reason == ORDER[k])
        return &t->attempts[i];
  return &t->attempts[0];
}

/* Which of the job's parameters makes so many elements that time runs out. */
static const char *costly_parameter(const struct task *t) {
  const struct params *p = &t->params;
  return p->across                 ? "fewer elements_across_gap"
         : t->local                ? "a larger size_mm in local_sizes"
         : p->max_deviation > 0    ? "a larger max_deviation"
         : p->curvature > 0        ? "a smaller curvature"
         : p->score_options.target ? "fewer target_elements"
                                   : "a larger max_size_mm";
}

/* What the user can do about it, and nothing that was tried already.  What nobody tried is told as
 * that.  `late`: not all that is called tried came to an end. */
static void advise(const struct task *t, const struct attempt *a, bool late, char *text,
                   size_t size) {
  const char *time = t->params.time_budget > 0 ? "time_budget" : "timeout_s";
  if (a->reason == REASON_TIME)
    snprintf(text, size, "Give it more time (%s), or ask for %s", time, costly_parameter(t));
  else if (late)
    snprintf(text, size, "Some of these were stopped for want of time: give it more (%s)", time);
  else if (t->params.search == SEARCH_NAMED)
    snprintf(text, size,
             "This strategy alone was tried: strategy=fast goes on to others where one fails, and "
             "strategy=exhaustive tries them all");
  else if (a->reason == REASON_CRASH)
    snprintf(text, size,
             "Another size was not tried (max_size_mm=%.3g) and may work; otherwise export the "
             "part again from the CAD program",
             t->size / 4);
  else
    snprintf(text, size,
             "Much smaller elements were not tried (max_size_mm=%.3g) and may work; otherwise "
             "look at this place in the CAD program%s",
             t->size / 4,
             t->params.wrap || t->format == FORMAT_STL || !task_fills(t)
                 ? ""
                 : ", or allow a new surface round the part (wrap=true)");
}

int32_t fast_give_up(struct task *t) {
  const struct attempt *a = telling(t);
  char tried[400] = "", what[200];
  bool late = t->end > 0 && task_now() > t->end;
  if (t->attempt_count == 0)
    return task_fail(t, late ? LATHE_TIMEOUT : LATHE_BAD_INPUT, "%s: no strategy could be tried",
                     t->name);
  for (size_t i = 0; i < t->attempt_count; i++) {
    size_t len = strlen(tried);
    snprintf(tried + len, sizeof tried - len, "%s%s", i ? ", " : "", t->attempts[i].strategy);
  }
  if (a->reason == REASON_WRITE)
    return task_fail(t, LATHE_RETRY, "%s", a->text);
  if (a->reason == REASON_PART)
    return task_fail(t, LATHE_BAD_INPUT, "%s: %s", t->name, a->text);
  late |= a->reason == REASON_TIME;
  bool stopped = late;
  for (size_t i = 0; i < t->attempt_count; i++)
    stopped |= t->attempts[i].reason == REASON_TIME;
  advise(t, a, stopped, what, sizeof what);
  return task_fail(t, late ? LATHE_TIMEOUT : LATHE_BAD_INPUT,
                   "%s could not be meshed: %s. Tried: %s. %s", t->name, a->text, tried, what);
}

static bool is_final(const struct task *t, const struct outcome *o) {
  return o->reason == REASON_WRITE || o->reason == REASON_PART ||
         (o->reason == REASON_TIME && t->params.deterministic) ||
         (t->end > 0 && task_now() > t->end);
}

/* What came of the strategies so far. */
struct climb {
  struct strategy strategies[STRATEGIES_MAX];
  size_t count;
  bool isolate;    /* the first strategy in a process of its own as well */
  bool overlapped; /* one of them failed with REASON_OVERLAP */
  bool hung;       /* one of them never ended: Gmsh's other algorithms do the same there */
  bool tried[STRATEGIES_MAX];
  bool have; /* a mesh, and its files in the work folder: */
  struct outcome mesh;
  struct strategy by;
};

static bool is_called_for(const struct climb *c, size_t i) {
  int now = c->have ? AFTER_OFF : AFTER_FAILURE | (c->overlapped ? AFTER_OVERLAP : 0);
  return i == 0 || (c->strategies[i].after & now);
}

/* c->count: none is left.  After one that never ended those come first that do without Gmsh's
 * meshers of faces. */
static size_t next_strategy(const struct climb *c) {
  for (int all = !c->hung; all < 2; all++)
    for (size_t i = 0; i < c->count; i++)
      if (!c->tried[i] && is_called_for(c, i) && (all || c->strategies[i].kernel > 0))
        return i;
  return c->count;
}

static bool is_last(const struct climb *c) {
  return next_strategy(c) == c->count;
}

static void run_strategy(struct task *t, const struct climb *c, size_t i, struct outcome *o) {
  const struct strategy *r = &c->strategies[i];
  double began = task_now();
  *o = (struct outcome){0};
  if (i == 0 && !c->isolate)
    strategy_here(t, r, false, o);
  else
    strategy_in_child(t, r, r->heal || !c->isolate, is_last(c), c->have, o);
  note_attempt(t, r, o, began);
}

/* The mesh of the last attempt takes the place of the one before. */
static void fast_keep(struct task *t, struct climb *c, size_t i, const struct outcome *o) {
  for (size_t k = 0; k + 1 < t->attempt_count; k++)
    if (t->attempts[k].chosen) {
      t->attempts[k].chosen = false;
      t->attempts[k].reason = REASON_VOLUME;
      snprintf(t->attempts[k].text, sizeof t->attempts[k].text, "%.*s",
               (int)sizeof t->attempts[k].text - 1, c->mesh.warnings);
    }
  c->have = true;
  c->mesh = *o;
  c->by = c->strategies[i];
}

/* Worth climbing on? */
static bool climb_step(struct task *t, struct climb *c, size_t i, struct outcome *o) {
  c->tried[i] = true;
  run_strategy(t, c, i, o);
  if (t->host->cancelled(t->job))
    return false;
  fast_tell(t, o);
  c->overlapped |= o->reason == REASON_OVERLAP;
  c->hung |= o->reason == REASON_HANG;
  if (o->code == LATHE_OK)
    fast_keep(t, c, i, o);
  return o->code == LATHE_OK ? o->off : !is_final(t, o);
}

/* What may take long must be in a process that can be stopped when its time is over. */
static bool is_long(const struct task *t) {
  const struct params *p = &t->params;
  return t->import_seconds > ISOLATE_PAST || (t->solid && t->format == FORMAT_STL) ||
         (t->solid && (t->expected > MANY || t->sizes || p->curvature > 0 || p->time_budget > 0));
}

/* Of strategy=NAME, which is not for this job. */
static int32_t fail_unfit(struct task *t) {
  bool kernel = t->format != FORMAT_STL && strncmp(t->params.strategy, "kernel", 6) == 0;
  return task_fail(t, LATHE_BAD_INPUT,
                   "strategy=%s is not for %s; leave the strategy out, or ask for another one",
                   t->params.strategy,
                   kernel                    ? "boundary_layers, periodic and element_order=2"
                   : t->format == FORMAT_STL ? "an STL file and for what was wrapped"
                                             : "a CAD file, but for the facets of an STL");
}

int32_t fast_run(struct task *t, struct outcome *o, struct strategy *chosen) {
  struct climb c = {.isolate = t->request->attempt > 1 || is_long(t) ||
                               (t->solid && hang_is_likely(t))};
  c.count = strategies_list(t, c.strategies);
  bool kernel = c.count == 1 && c.strategies[0].kernel > 0;
  if (c.count == 0 || (kernel && !plan_takes_kernel(t)))
    return fail_unfit(t);
  for (size_t i = 0; i < c.count && climb_step(t, &c, i, o);)
    i = next_strategy(&c);
  if (t->host->cancelled(t->job))
    return task_fail(t, LATHE_CANCELLED, "cancelled");
  if (!c.have)
    return fast_give_up(t);
  *o = c.mesh;
  *chosen = c.by;
  return LATHE_OK;
}
