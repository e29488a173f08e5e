/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The parameter search=exhaustive.  Runs a plan: as many branches at a time as the job has cores,
 * each in a process forked from the state that it goes on from, and the best mesh that passed its
 * check writes the files.
 *
 *   WAITING -> RUNNING -> HELD -> OVER
 *                |  \       a branch is held while others grow from it, or while it is the best;
 *                |   \      then it is killed, so few meshes are in memory at a time
 *                +----+---> OVER   failed, crashed, too slow
 *
 * This process keeps the clean import, calls nothing of Gmsh, and adopts the branches whose parent
 * has gone (PR_SET_CHILD_SUBREAPER).  All are in the host's process group, so its kill ends all.
 */
#include "search/exhaustive.h"

#include "base/pipe_io.h"
#include "quality/score.h"
#include "search/branch.h"
#include "search/fast.h"
#include "search/plan.h"
#include "task/attempt.h"
#include "task/outcome.h"
#include "task/params.h"
#include "task/strategy.h"
#include "task/task.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAVES 4

enum state { WAITING, RUNNING, HELD, OVER };

struct branch {
  enum state state;
  pid_t pid;
  double began, until; /* 0: no limit */
  struct attempt attempt;
  bool told;            /* attempt is one to list */
  uint64_t fingerprint; /* of a root's faces */
};

struct portfolio {
  struct task *task;
  struct plan plan;
  struct tree tree;
  struct branch branches[NODES_MAX];
  struct attempt candidates[NODES_MAX]; /* what the choice is made from, by node */
  struct outcome best_outcome;
  int best; /* node; -1: none yet */
  int wave;
  size_t done; /* candidates that came to an end */
  int slots, running;
  rlim_t memory;  /* address space of a branch; 0: no limit of ours */
  bool cut;       /* time ran out */
  size_t stopped; /* of those that had to leave time for others */
};

/* ---- ends and processes ---- */

static void close_end(int *fd) {
  if (*fd >= 0)
    close(*fd);
  *fd = -1;
}

static bool open_ends(struct portfolio *p) {
  for (size_t i = 0; i < p->plan.count; i++)
    p->tree.ends[i] = (struct pipe_ends){-1, -1, -1, -1};
  for (size_t i = 0; i < p->plan.count; i++) {
    struct pipe_ends *e = &p->tree.ends[i];
    int orders[2], reports[2];
    if (pipe2(orders, O_CLOEXEC) < 0)
      return false;
    e->orders_in = orders[0];
    e->orders_out = orders[1];
    if (pipe2(reports, O_CLOEXEC) < 0)
      return false;
    e->reports_in = reports[0];
    e->reports_out = reports[1];
  }
  return true;
}

static int parent_of(const struct portfolio *p, int i) {
  return p->plan.nodes[i].parent;
}

static bool parent_lives(const struct portfolio *p, int i) {
  int parent = parent_of(p, i);
  return parent >= 0 && p->branches[parent].state == HELD;
}

static bool ask(struct portfolio *p, int i, enum order_what what, int arg, struct report *r) {
  struct order order = {what, arg};
  return pipe_write(p->tree.ends[i].orders_out, &order, sizeof order) &&
         pipe_read(p->tree.ends[i].reports_in, r, sizeof *r);
}

/* How the branch ended, by whoever is its parent now; -1: not known. */
static int status_of(struct portfolio *p, int i) {
  struct report r;
  int status = -1;
  pid_t pid = p->branches[i].pid;
  if (parent_lives(p, i))
    return ask(p, parent_of(p, i), ORDER_REAP, (int)pid, &r) ? r.arg : -1;
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR)
      return -1;
  return status;
}

static void put_away(struct portfolio *p, int i) {
  struct branch *b = &p->branches[i];
  if (b->state == RUNNING || b->state == HELD) {
    p->running -= b->state == RUNNING;
    b->state = OVER;
    kill(b->pid, SIGKILL);
    status_of(p, i);
  }
  close_end(&p->tree.ends[i].orders_out);
  close_end(&p->tree.ends[i].reports_in);
}

/* Several large meshes at a time must fit where one was allowed.  0: no limit. */
static rlim_t memory_share(int slots) {
  struct rlimit limit;
  long pages = 0;
  FILE *file = slots > 1 ? fopen("/proc/self/statm", "re") : NULL;
  if (!file)
    return 0;
  bool ok = fscanf(file, "%ld", &pages) == 1;
  fclose(file);
  rlim_t base = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
  if (!ok || getrlimit(RLIMIT_AS, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY ||
      limit.rlim_cur <= base)
    return 0;
  return base + (limit.rlim_cur - base) / (rlim_t)slots;
}

static pid_t fork_root(struct portfolio *p, int i) {
  static const struct outcome NOTHING;
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0) {
    p->task->relay = RELAY_NONE;
    branch_close(&p->tree, i, false);
    if (p->memory)
      setrlimit(RLIMIT_AS, &(struct rlimit){p->memory, p->memory});
    branch_main(&p->tree, i, &NOTHING);
  }
  branch_close(&p->tree, i, true);
  return pid;
}

/* ---- what is left to do ---- */

static bool wanted(const struct portfolio *p, int i) {
  return p->branches[i].state == WAITING && p->plan.nodes[i].wave <= p->wave;
}

static bool ready(const struct portfolio *p, int i) {
  return wanted(p, i) && (parent_of(p, i) < 0 || parent_lives(p, i));
}

/* The first slot goes from root to leaf, so that there is something to deliver soon.  The others
 * begin with the roots at the end, which are the slow ones. */
static int pick(const struct portfolio *p) {
  int n = (int)p->plan.count;
  if (p->running > 0)
    for (int i = n; i-- > 0;)
      if (ready(p, i) && parent_of(p, i) < 0)
        return i;
  for (int i = 0; i < n; i++)
    if (ready(p, i))
      return i;
  return -1;
}

static bool needed(const struct portfolio *p, int i) {
  if (i == p->best)
    return true;
  for (int c = i + 1; c < (int)p->plan.count; c++)
    if (parent_of(p, c) == i && p->branches[c].state == WAITING)
      return true;
  return false;
}

static void put_away_unneeded(struct portfolio *p) {
  for (int i = 0; i < (int)p->plan.count; i++)
    if (p->branches[i].state == HELD && !needed(p, i))
      put_away(p, i);
}

/* ---- telling ---- */

static void exhaustive_tell(struct portfolio *p, int i) {
  const struct attempt *a = &p->branches[i].attempt;
  char line[600];
  if (a->reason == REASON_NONE)
    snprintf(line, sizeof line,
             "candidate %s: score %.4f, %llu tetrahedra, SICN min %.3g p1 %.3g mean %.3g, gamma "
             "min %.3g, dihedral min %.3g degrees, volume %+.3f%%, %.2f s",
             a->strategy, a->score, (unsigned long long)a->tetrahedra, a->sicn_min, a->sicn_p1,
             a->sicn_mean, a->gamma_min, a->angle_min, 100 * a->volume_error, a->seconds);
  else
    snprintf(line, sizeof line, "candidate %s was turned down after %.2f s: %s", a->strategy,
             a->seconds, a->text);
  p->task->host->log(p->task->host, p->task->job, 1, line);
}

static void show_progress(struct portfolio *p) {
  size_t all = 0;
  char what[64];
  for (size_t i = 0; i < p->plan.count; i++)
    all += p->plan.nodes[i].candidate && p->plan.nodes[i].wave <= p->wave;
  int permille = 100 + (int)(790 * p->done / (all ? all : 1));
  if (permille > p->task->permille)
    p->task->permille = permille;
  snprintf(what, sizeof what, "candidates %zu/%zu", p->done, all);
  p->task->host->progress(p->task->job, p->task->permille, what);
}

/* ---- ends of branches ---- */

static void exhaustive_note(struct portfolio *p, int i, const struct outcome *o) {
  struct branch *b = &p->branches[i];
  struct attempt *a = &b->attempt;
  const struct node *n = &p->plan.nodes[i];
  *a = (struct attempt){.reason = o->reason};
  memcpy(a->strategy, n->name, sizeof a->strategy);
  snprintf(a->text, sizeof a->text, "%.*s", (int)sizeof a->text - 1, o->text);
  memcpy(a->phase, o->seconds, sizeof a->phase);
  a->phase[STAGE_IMPORT] = p->task->import_seconds;
  for (int s = 0; s < STAGES; s++)
    a->seconds += a->phase[s];
  if (o->code == LATHE_OK && n->candidate)
    score_attempt(a, o, &p->task->params.score_options);
  b->told = n->candidate || o->code != LATHE_OK;
  if (b->told)
    exhaustive_tell(p, i);
}

/* What can no longer be tried, because what it would go on from is gone, counts as done. */
static void drop_below(struct portfolio *p, int i) {
  for (int c = i + 1; c < (int)p->plan.count; c++)
    if (parent_of(p, c) == i && p->branches[c].state == WAITING) {
      p->branches[c].state = OVER;
      p->done += p->plan.nodes[c].candidate;
      put_away(p, c);
      drop_below(p, c);
    }
}

static void exhaustive_choose(struct portfolio *p, int i, const struct outcome *o) {
  size_t n = p->plan.count;
  bool in_order = p->task->params.deterministic;
  p->candidates[i] = p->branches[i].attempt;
  size_t best = score_choose(p->candidates, n, &p->task->params.score_options, in_order);
  if (best == (size_t)i) {
    p->best = i;
    p->best_outcome = *o;
  }
}

/* Faces that another root has made already: what would grow from them is known. */
static void turn_down_twin(struct portfolio *p, int i, struct outcome *o) {
  p->branches[i].fingerprint = o->fingerprint;
  if (p->task->params.deterministic)
    return; /* which of the two comes first depends on the machine's load */
  for (int k = 0; o->fingerprint && k < (int)p->plan.count; k++)
    if (k != i && p->branches[k].fingerprint == o->fingerprint) {
      outcome_fail(o, REASON_SAME, "its faces came out exactly as those of %s",
                   p->plan.nodes[k].name);
      p->branches[i].fingerprint = 0;
      return;
    }
}

static void finished(struct portfolio *p, int i, struct outcome *o) {
  struct branch *b = &p->branches[i];
  const struct node *n = &p->plan.nodes[i];
  p->running--;
  b->state = HELD;
  p->done += n->candidate;
  turn_down_twin(p, i, o);
  exhaustive_note(p, i, o);
  if (o->code == LATHE_OK && n->candidate)
    exhaustive_choose(p, i, o);
  /* Tetrahedra that are bad can be improved; all other failures stay. */
  if (o->code != LATHE_OK && o->reason != REASON_INVERTED)
    drop_below(p, i);
  put_away_unneeded(p);
  show_progress(p);
}

/* The branch is dead, or is killed here. */
static void failed(struct portfolio *p, int i, enum reason reason) {
  struct branch *b = &p->branches[i];
  struct outcome o = {0};
  bool root = p->plan.nodes[i].parent < 0;
  double took = task_now() - b->began;
  if (reason == REASON_TIME)
    kill(b->pid, SIGKILL);
  p->running--;
  b->state = OVER;
  int status = status_of(p, i);
  if (reason == REASON_TIME)
    outcome_fail(&o, reason, "it was stopped after %.1f s, for want of time", took);
  else if (status >= 0 && WIFSIGNALED(status))
    outcome_fail(&o, reason, "Gmsh crashed (%s)", strsignal(WTERMSIG(status)));
  else
    outcome_fail(&o, reason, "Gmsh ended without a result");
  o.seconds[root ? STAGE_FACES : STAGE_VOLUME] = took;
  p->done += p->plan.nodes[i].candidate;
  exhaustive_note(p, i, &o);
  drop_below(p, i);
  put_away(p, i);
  put_away_unneeded(p);
  show_progress(p);
}

/* ---- the search ---- */

static void start(struct portfolio *p, int i) {
  struct branch *b = &p->branches[i];
  const struct task *t = p->task;
  struct report r;
  int parent = parent_of(p, i);
  b->began = task_now();
  if (parent < 0)
    b->pid = fork_root(p, i);
  else
    b->pid = ask(p, parent, ORDER_GROW, i, &r) ? (pid_t)r.arg : -1;
  p->running++;
  b->state = RUNNING;
  if (b->pid < 0) {
    b->pid = 0;
    failed(p, i, REASON_CRASH);
    return;
  }
  /* Some time is kept for the others. */
  bool others = p->running < p->slots ? false : pick(p) >= 0;
  b->until = t->end <= 0 ? 0 : others ? b->began + (t->end - b->began) / 2 : t->end;
}

static bool enough(const struct portfolio *p) {
  const struct score_options *w = &p->task->params.score_options;
  if (p->best < 0)
    return false;
  if (p->candidates[p->best].score >= 1)
    return true; /* cannot be beaten */
  if (!score_enough(&p->candidates[p->best], w))
    return false;
  /* To repeat exactly, those before it in the list are waited for. */
  for (int i = 0; p->task->params.deterministic && i < p->best; i++)
    if (p->branches[i].state == WAITING || p->branches[i].state == RUNNING)
      return false;
  return true;
}

static int wait_ms(const struct portfolio *p) {
  double now = task_now(), first = now + 1;
  for (size_t i = 0; i < p->plan.count; i++)
    if (p->branches[i].state == RUNNING && p->branches[i].until > 0 && p->branches[i].until < first)
      first = p->branches[i].until;
  return first > now ? (int)((first - now) * 1000) + 1 : 0;
}

/* Its share of the time is over: it may go on where nothing else waits for the core. */
static void over_time(struct portfolio *p, int i) {
  double end = p->task->end;
  if (task_now() < end && pick(p) < 0) {
    p->branches[i].until = end;
    return;
  }
  p->stopped += task_now() < end;
  p->cut = true;
  failed(p, i, REASON_TIME);
}

/* Waits for something to happen to the branches that run. */
static void exhaustive_follow(struct portfolio *p) {
  struct pollfd fds[NODES_MAX];
  int nodes[NODES_MAX];
  nfds_t n = 0;
  for (int i = 0; i < (int)p->plan.count; i++)
    if (p->branches[i].state == RUNNING) {
      fds[n] = (struct pollfd){.fd = p->tree.ends[i].reports_in, .events = POLLIN};
      nodes[n++] = i;
    }
  int rc = poll(fds, n, wait_ms(p));
  for (nfds_t k = 0; k < n; k++) {
    int i = nodes[k];
    struct report r;
    if (p->branches[i].state != RUNNING)
      continue;
    if (rc > 0 && fds[k].revents) {
      if (pipe_read(fds[k].fd, &r, sizeof r))
        finished(p, i, &r.outcome);
      else
        failed(p, i, REASON_CRASH);
    } else if (p->branches[i].until > 0 && task_now() >= p->branches[i].until) {
      over_time(p, i);
    }
  }
}

/* The next wave, where what was tried so far calls for it. */
static bool next_wave(struct portfolio *p) {
  bool overlap = false;
  for (size_t i = 0; i < p->plan.count; i++)
    overlap |= p->branches[i].told && p->branches[i].attempt.reason == REASON_OVERLAP;
  while (p->wave + 1 < WAVES) {
    p->wave++;
    if (p->best < 0 && (p->wave > 1 || overlap))
      return true;
  }
  return false;
}

static void search(struct portfolio *p) {
  const struct task *t = p->task;
  int i;
  show_progress(p);
  for (;;) {
    while (p->running < p->slots && (t->end <= 0 || task_now() < t->end) && (i = pick(p)) >= 0)
      start(p, i);
    if (p->running == 0) {
      if (pick(p) >= 0) { /* time is over */
        p->cut = true;
        break;
      }
      if (!next_wave(p))
        break;
      continue;
    }
    exhaustive_follow(p);
    if (enough(p))
      break;
  }
  for (i = 0; i < (int)p->plan.count; i++)
    if (p->branches[i].state == RUNNING)
      put_away(p, i);
}

/* ---- delivery ---- */

static void list_attempts(struct portfolio *p) {
  struct task *t = p->task;
  t->attempt_count = 0;
  for (int i = 0; i < (int)p->plan.count && t->attempt_count < ATTEMPTS_MAX; i++)
    if (p->branches[i].told) {
      p->branches[i].attempt.chosen = i == p->best;
      t->attempts[t->attempt_count++] = p->branches[i].attempt;
    }
}

/* The best branch writes its files. */
static int32_t deliver(struct portfolio *p, struct outcome *o) {
  struct task *t = p->task;
  struct order order = {ORDER_WRITE, 0};
  struct report r = {0};
  int out = p->tree.ends[p->best].orders_out;
  task_stage(t, STAGE_WRITE);
  if (!pipe_write(out, &order, sizeof order) ||
      !pipe_write(out, &t->attempt_count, sizeof t->attempt_count) ||
      !pipe_write(out, t->attempts, t->attempt_count * sizeof *t->attempts) ||
      !pipe_read(p->tree.ends[p->best].reports_in, &r, sizeof r))
    return task_fail(t, LATHE_RETRY, "the mesh was found and its process died while it wrote it");
  *o = r.outcome;
  return o->code == LATHE_OK ? LATHE_OK : task_fail(t, o->code, "%s", o->text);
}

static void tell_why_partial(const struct portfolio *p) {
  struct task *t = p->task;
  if (task_now() >= t->end)
    task_warn(t, "the time ran out before every candidate was tried; this is the best so far");
  else
    task_warn(
        t,
        "%zu candidates were stopped when they had taken half of the time that was left, so that "
        "others could be tried; this is the best of the rest. A longer time_budget lets them end",
        p->stopped);
}

static int32_t conclude(struct portfolio *p, struct outcome *o, struct strategy *chosen) {
  struct task *t = p->task;
  list_attempts(p);
  if (p->cut && t->params.deterministic)
    return task_fail(t, LATHE_TIMEOUT,
                     "%s: the time ran out before every candidate was tried, and with "
                     "deterministic=true the best so far is not delivered, because it depends on "
                     "the machine's load. Give it more time (timeout_s, time_budget), or fewer "
                     "candidates (strategy_order)",
                     t->name);
  if (p->best < 0)
    return fast_give_up(t);
  t->partial = p->cut;
  if (t->partial)
    tell_why_partial(p);
  *chosen = p->plan.nodes[p->best].strategy;
  return deliver(p, o);
}

int32_t exhaustive_run(struct task *t, struct outcome *o, struct strategy *chosen) {
  struct portfolio *p = calloc(1, sizeof *p);
  if (!p)
    return task_fail(t, LATHE_RETRY_MEM, "out of memory");
  p->task = t;
  p->best = -1;
  p->slots = t->params.threads;
  p->memory = memory_share(p->slots);
  t->params.threads = 1; /* of each candidate */
  p->tree = (struct tree){.task = t, .plan = &p->plan};
  plan_make(t, &p->plan);
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  signal(SIGPIPE, SIG_IGN);
  int32_t rc;
  if (p->plan.count == 0) {
    rc = task_fail(t, LATHE_BAD_INPUT,
                   "none of the strategies in strategy_order is one for a %s "
                   "file",
                   FORMAT_NAMES[t->format]);
  } else if (!open_ends(p)) {
    rc = task_fail(t, LATHE_RETRY, "no pipes for the candidates: %s", strerror(errno));
  } else {
    search(p);
    rc = conclude(p, o, chosen);
  }
  for (int i = (int)p->plan.count; i-- > 0;)
    put_away(p, i);
  t->params.threads = p->slots;
  free(p);
  return rc;
}
