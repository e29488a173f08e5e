/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "search/branch.h"

#include "base/pipe_io.h"
#include "import/import.h"
#include "mesh/surface.h"
#include "mesh/volume.h"
#include "output/mesh_files.h"
#include "quality/checked_mesh.h"
#include "search/plan.h"
#include "search/strategies.h"
#include "task/attempt.h"
#include "task/log.h"
#include "task/outcome.h"
#include "task/task.h"

#include <errno.h>
#include <gmshc.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void shut(int *fd) {
  if (*fd >= 0)
    close(*fd);
  *fd = -1;
}

static bool is_within(const struct plan *p, int node, int root) {
  while (node >= 0 && node != root)
    node = p->nodes[node].parent;
  return node == root;
}

void branch_close(struct tree *tree, int self, bool within) {
  for (int i = 0; i < (int)tree->plan->count; i++)
    if (is_within(tree->plan, i, self) == within) {
      shut(&tree->ends[i].orders_in);
      shut(&tree->ends[i].reports_out);
    }
}

/* The near ends are the job's process's alone. */
static void leave_root(struct tree *tree) {
  for (size_t i = 0; i < tree->plan->count; i++) {
    shut(&tree->ends[i].orders_out);
    shut(&tree->ends[i].reports_in);
  }
}

static bool work(struct tree *tree, const struct node *n, struct checked_mesh *m,
                 struct outcome *o) {
  struct task *t = tree->task;
  struct geometry healed = t->geometry;
  switch (n->step) {
  case STEP_FACES:
    if (n->strategy.heal && !import_again(t, true, &healed, o))
      return false;
    strategies_apply(t, &n->strategy);
    if (!volume_faces(t, &n->strategy, o))
      return false;
    o->fingerprint = surface_fingerprint();
    return true;
  case STEP_FILL:
    return volume_fill(t, &n->strategy, o) && volume_check(t, m, o);
  case STEP_IMPROVE:
    volume_reopen(t, m);
    return volume_improve(t, n->strategy.finish, o) && volume_check(t, m, o);
  }
  return false;
}

static void send_report(struct tree *tree, int self, enum report_what what, int arg,
                        const struct outcome *o) {
  struct report r = {.what = what, .arg = arg};
  if (o)
    r.outcome = *o;
  if (!pipe_write(tree->ends[self].reports_out, &r, sizeof r))
    _exit(0); /* nobody is left to hear it */
}

/* In the child: what it goes on from is this process's state. */
static void branch_grow(struct tree *tree, int self, int child, const struct outcome *o) {
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0) {
    branch_close(tree, child, false);
    return branch_main(tree, child, o);
  }
  branch_close(tree, child, true);
  send_report(tree, self, REPORT_GROWN, (int)pid, NULL);
}

static void reap(struct tree *tree, int self, pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
    ;
  send_report(tree, self, REPORT_REAPED, status, NULL);
}

static void write_files(struct tree *tree, int self, struct checked_mesh *m, struct outcome *o) {
  struct task *t = tree->task;
  int fd = tree->ends[self].orders_in;
  if (!pipe_read(fd, &t->attempt_count, sizeof t->attempt_count) ||
      t->attempt_count > ATTEMPTS_MAX ||
      !pipe_read(fd, t->attempts, t->attempt_count * sizeof *t->attempts))
    _exit(0);
  mesh_files_write(t, m, o);
  send_report(tree, self, REPORT_WRITTEN, 0, o);
}

static struct checked_mesh held; /* of this process; a child begins with its parent's */

void branch_main(struct tree *tree, int self, const struct outcome *before) {
  struct outcome o = {0};
  struct order order;
  memcpy(o.seconds, before->seconds, sizeof o.seconds);
  int e = 0;
  leave_root(tree);
  gmshOptionSetNumber("General.Terminal", 0, &e); /* or their lines would mix */
  log_begin();
  work(tree, &tree->plan->nodes[self], &held, &o);
  fflush(NULL);
  send_report(tree, self, REPORT_DONE, 0, &o);
  while (pipe_read(tree->ends[self].orders_in, &order, sizeof order)) {
    if (order.what == ORDER_GROW)
      branch_grow(tree, self, order.arg, &o);
    else if (order.what == ORDER_REAP)
      reap(tree, self, order.arg);
    else
      write_files(tree, self, &held, &o);
  }
  _exit(0);
}
