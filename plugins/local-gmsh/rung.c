/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Climbs the ladder of strategies.
 *
 *   small part, first try:  rung 1 in this process (a fork more would cost as much as the mesh of a
 *                           cube's faces), the others in children that import again
 *   all else:               every rung in a child of this process, which keeps the clean import
 *
 *   child:  strategy -> files in the work folder -> outcome into the pipe -> _exit
 *   parent: relays progress, kills at the rung's deadline, reads the outcome, or judges the signal
 *
 * A second attempt of a job (the first may have died in here) always takes the second way, so a
 * file that crashes Gmsh ends with a reason and not with a crash again.
 */
#include "rung.h"

#include "task.h"

#include <errno.h>
#include <gmshc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define ISOLATE_PAST 0.06 /* seconds of import */

struct note { /* what goes through the pipe; an outcome follows where stage is STAGES */
  int32_t permille, stage;
};

static bool write_all(int fd, const void *data, size_t len) {
  const char *p = data;
  while (len) {
    ssize_t n = write(fd, p, len);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return false;
    p += n;
    len -= (size_t)n;
  }
  return true;
}

static bool read_all(int fd, void *data, size_t len) {
  char *p = data;
  while (len) {
    ssize_t n = read(fd, p, len);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return false;
    p += n;
    len -= (size_t)n;
  }
  return true;
}

void rung_relay_progress(int fd, int permille, int stage) {
  struct note note = {permille, stage};
  write_all(fd, &note, sizeof note);
}

static void rung_here(struct task *t, const struct rung *r, bool import, struct outcome *o) {
  struct geometry healed = t->geometry;
  if (import && !import_again(t, r->heal || t->params.heal, &healed, o))
    return;
  log_begin();
  strategy_apply(t, r);
  if (t->solid)
    volume_mesh(t, r, o);
  else
    surface_mesh(t, r, o);
}

/* Never returns. */
static void child_main(struct task *t, const struct rung *r, bool import, int fd, pid_t parent) {
  struct outcome o = {0};
  struct note end = {1000, STAGES};
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent)
    _exit(0);
  t->relay = fd;
  rung_here(t, r, import, &o);
  fflush(NULL);
  write_all(fd, &end, sizeof end);
  write_all(fd, &o, sizeof o);
  _exit(0);
}

/* Relays until the outcome is there or the pipe closes.  False: over its time or cancelled. */
static bool follow(struct task *t, int fd, double until, struct outcome *o, bool *got) {
  for (;;) {
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int n = poll(&p, 1, 100);
    if (n < 0 && errno != EINTR)
      return true;
    if (t->host->cancelled(t->job) || (until > 0 && task_now() > until))
      return false;
    if (n <= 0)
      continue;
    struct note note;
    if (!read_all(fd, &note, sizeof note))
      return true;
    if (note.stage == STAGES) {
      *got = read_all(fd, o, sizeof *o);
      return true;
    }
    if (note.stage >= 0 && note.stage < STAGES && note.permille > t->permille)
      t->permille = note.permille;
    if (note.stage >= 0 && note.stage < STAGES)
      t->host->progress(t->job, t->permille, STAGE_NAMES[note.stage]);
  }
}

/* Half of the time that is left, so that there is some for the next; all of it for the last. */
static double deadline_of(const struct task *t, bool last) {
  double now = task_now(), end = (double)t->request->deadline_ms / 1000;
  if (t->request->deadline_ms <= 0 || end <= now || last)
    return 0; /* the host's own limit ends it */
  return now + (end - now) / 2;
}

static void rung_in_child(struct task *t, const struct rung *r, bool import, bool last,
                          struct outcome *o) {
  int fds[2], status = 0;
  bool got = false;
  double until = deadline_of(t, last);
  pid_t self = getpid();
  if (pipe(fds) < 0) {
    rung_here(t, r, import, o); /* better than not at all */
    return;
  }
  fflush(NULL);
  pid_t pid = fork();
  if (pid < 0) {
    close(fds[0]);
    close(fds[1]);
    rung_here(t, r, import, o);
    return;
  }
  if (pid == 0) {
    close(fds[0]);
    child_main(t, r, import, fds[1], self);
  }
  close(fds[1]);
  bool in_time = follow(t, fds[0], until, o, &got);
  if (!got)
    kill(pid, SIGKILL);
  close(fds[0]);
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
    ;
  if (!in_time)
    outcome_fail(o, REASON_TIME, "it took more than half of the job's time");
  else if (!got && WIFSIGNALED(status))
    outcome_fail(o, REASON_CRASH, "Gmsh crashed (%s)", strsignal(WTERMSIG(status)));
  else if (!got)
    outcome_fail(o, REASON_CRASH, "Gmsh ended without a result");
}

static void note_attempt(struct task *t, const struct rung *r, const struct outcome *o,
                         double began) {
  struct attempt *a = &t->attempts[t->attempt_count++];
  *a = (struct attempt){.seconds = task_now() - began, .reason = o->reason};
  snprintf(a->strategy, sizeof a->strategy, "%s", r->name);
  snprintf(a->text, sizeof a->text, "%.*s", (int)sizeof a->text - 1, o->text);
  memcpy(a->phase, o->seconds, sizeof a->phase);
  if (o->code == LATHE_OK) {
    a->chosen = true;
    return;
  }
  char line[400];
  snprintf(line, sizeof line, "strategy \"%s\" was turned down after %.2f s: %s", r->name,
           a->seconds, a->text);
  t->host->log(t->host, t->job, 1, line);
}

/* What the user reads when nothing worked. */
static int32_t give_up(struct task *t, const struct outcome *first, const struct outcome *last) {
  const struct outcome *o = last->reason == REASON_VOLUME || last->reason >= REASON_PART ? last
                                                                                         : first;
  char tried[300] = "";
  for (size_t i = 0; i < t->attempt_count; i++) {
    size_t len = strlen(tried);
    snprintf(tried + len, sizeof tried - len, "%s%s", i ? ", " : "", t->attempts[i].strategy);
  }
  if (o->reason == REASON_WRITE)
    return task_fail(t, LATHE_RETRY, "%s", o->text);
  if (o->reason == REASON_PART)
    return task_fail(t, LATHE_BAD_INPUT, "%s: %s", t->name, o->text);
  return task_fail(
      t, LATHE_BAD_INPUT,
      "%s could not be meshed: %s. Tried: %s. Try another max_size_mm, or repair the part in "
      "the CAD program and export it again",
      t->name, o->text, tried);
}

int32_t rung_climb(struct task *t, struct outcome *o, struct rung *chosen) {
  struct rung rungs[RUNGS_MAX];
  size_t n = strategy_list(t, rungs);
  struct outcome first = {0};
  bool isolate = t->request->attempt > 1 || t->import_seconds > ISOLATE_PAST ||
                 (t->solid && t->format == FORMAT_STL);
  for (size_t i = 0; i < n; i++) {
    bool volume = i > 0 && o->reason == REASON_VOLUME;
    if (i > 0 && rungs[i].only_volume != volume)
      continue;
    double began = task_now();
    *o = (struct outcome){0};
    *chosen = rungs[i];
    if (i == 0 && !isolate)
      rung_here(t, &rungs[i], false, o);
    else
      rung_in_child(t, &rungs[i], rungs[i].heal || !isolate, i + 1 == n, o);
    note_attempt(t, &rungs[i], o, began);
    if (t->host->cancelled(t->job))
      return task_fail(t, LATHE_CANCELLED, "cancelled");
    if (o->code == LATHE_OK)
      return LATHE_OK;
    if (t->attempt_count == 1)
      first = *o;
    if (o->reason == REASON_WRITE || o->reason == REASON_PART)
      break;
  }
  return give_up(t, &first, o);
}
