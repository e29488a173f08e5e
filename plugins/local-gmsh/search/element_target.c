/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The size that gives a wanted number of tetrahedra.
 */
#include "search/element_target.h"

#include "base/pipe_io.h"
#include "cad/mass.h"
#include "mesh/volume.h"
#include "quality/score.h"
#include "search/strategies.h"
#include "task/log.h"
#include "task/outcome.h"
#include "task/params.h"
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
#include <unistd.h>

#define DRAFTS      4
#define DRAFT_SHARE 0.25 /* of the time that is left, for all drafts */
/* With Mesh.MeshSizeMax h a volume V takes V / (FILLING h^3) tetrahedra, where nothing but h
 * decides. */
#define FILLING     0.19
#define EXACT_BELOW 20000 /* tetrahedra */
#define SAMPLE      5000  /* tetrahedra that both algorithms are compared on */

/* HXT is quicker, and gives up to a tenth more or fewer: with few elements the job's own algorithm
 * costs next to nothing and says it exactly. */
static int draft_algorithm(const struct params *p) {
  return p->deterministic ? 1 : p->score_options.target < EXACT_BELOW ? p->algorithm_3d : 10;
}

/* Tetrahedra that t->size gives; 0: it failed. */
static uint64_t draft_here(struct task *t, int algorithm_3d) {
  struct strategy r = {.algorithm_2d = 6,
                       .algorithm_3d = algorithm_3d,
                       .curvature = t->params.curvature,
                       .circle_points = 12};
  struct outcome o = {0};
  size_t *tags = NULL, *nodes = NULL, n = 0, m = 0;
  int e = 0;
  log_begin();
  strategies_apply(t, &r);
  if (!volume_faces(t, &r, &o) || !volume_fill(t, &r, &o) ||
      !volume_improve(t, FINISH_OPTIMISED, &o))
    return 0;
  gmshModelMeshGetElementsByType(4, &tags, &n, &nodes, &m, -1, 0, 1, &e);
  return e ? 0 : n;
}

/* In a process of its own, which may fail, crash and hang. */
static uint64_t draft(struct task *t, int algorithm_3d, double until) {
  int fds[2];
  uint64_t count = 0;
  if (pipe(fds) < 0)
    return 0;
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    t->relay = RELAY_NONE;
    count = draft_here(t, algorithm_3d);
    _exit(pipe_write(fds[1], &count, sizeof count) ? 0 : 1);
  }
  close(fds[1]);
  struct pollfd p = {.fd = fds[0], .events = POLLIN};
  double left = until - task_now();
  if (pid < 0 ||
      poll(&p, 1,
           until <= 0 ? -1
           : left > 0 ? (int)(left * 1000)
                      : 0) <= 0 ||
      !pipe_read(fds[0], &count, sizeof count))
    count = 0;
  close(fds[0]);
  if (pid > 0) {
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
      ;
  }
  return count;
}

/* What the job's own algorithm gives over what drafts give, from a coarse mesh of each: the share
 * hardly changes with the size.  1 where it is the same one, or where a mesh failed. */
static double share_of_drafts(struct task *t, double size, double until) {
  const struct params *p = &t->params;
  int algorithm = draft_algorithm(p);
  if (algorithm == p->algorithm_3d || p->deterministic)
    return 1;
  t->size = fmin(size * cbrt((double)p->score_options.target / SAMPLE), t->geometry.diagonal);
  uint64_t own = draft(t, p->algorithm_3d, until), quick = own ? draft(t, algorithm, until) : 0;
  return quick ? (double)own / (double)quick : 1;
}

static bool is_near(uint64_t count, uint64_t target) {
  return fabs((double)count / (double)target - 1) <= TARGET_TOLERANCE / 2;
}

/* The next size by what the last two gave; count ~ size^slope. */
static double next_size(double size, uint64_t count, double size_before, uint64_t count_before,
                        uint64_t target) {
  double slope = -3;
  if (count_before && count != count_before)
    slope = log((double)count / (double)count_before) / log(size / size_before);
  if (!(slope < -1) || slope < -4)
    slope = slope < -4 ? -4 : -1;
  double factor = pow((double)target / (double)count, 1 / slope);
  return size * fmin(fmax(factor, 0.2), 5);
}

int32_t element_target_find(struct task *t) {
  const struct params *p = &t->params;
  uint64_t target = p->score_options.target, count = 0, before = 0, best = 0;
  double largest = p->max_size > 0 ? p->max_size : t->geometry.diagonal;
  double now = task_now(), share = p->deterministic ? 1 : DRAFT_SHARE;
  double until = t->end > 0 ? now + (t->end - now) * share : 0;
  if (!t->solid || target == 0)
    return LATHE_OK;
  double volume = mass_of(t), size_before = 0;
  double size = volume > 0 ? cbrt(volume / (FILLING * (double)target)) : t->size;
  double share_own = share_of_drafts(t, fmin(size, largest), until);
  for (int i = 0; i < DRAFTS && !is_near(count, target); i++) {
    double tried = t->size = fmin(fmax(size, t->geometry.diagonal / 2000), largest);
    if (i && tried == size_before)
      break; /* at an end of what is allowed */
    task_stage(t, STAGE_IMPORT);
    count = (uint64_t)(share_own * (double)draft(t, draft_algorithm(p), until));
    if (count == 0) {
      size = tried * 0.8;
      size_before = 0;
      before = 0;
      continue;
    }
    best = count;
    size = next_size(tried, count, size_before, before, target);
    before = count;
    size_before = tried;
  }
  if (best && !is_near(best, target))
    t->size = fmin(fmax(size, t->geometry.diagonal / 2000), largest);
  return LATHE_OK;
}

void element_target_compare(struct task *t, const struct outcome *o) {
  uint64_t target = t->params.score_options.target;
  if (!t->solid || target == 0 ||
      fabs((double)o->tetrahedra / (double)target - 1) <= TARGET_TOLERANCE)
    return;
  task_warn(t,
            "target_elements=%llu was missed: %llu tetrahedra; the part's details or the "
            "limits on sizes decide that number",
            (unsigned long long)target, (unsigned long long)o->tetrahedra);
}
