/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One step of a plan in a process of its own, from the branch's side.
 *
 *   the job's process --fork--> a root --fork--> its children --fork--> ...
 *
 *   branch:  step -> check -> DONE, then it holds its mesh and waits:
 *              GROW n   forks child n, which goes on from this mesh     -> GROWN pid
 *              REAP pid waits for a child that has ended                -> REAPED status
 *              WRITE    writes the files of its mesh                    -> WRITTEN
 *              end of the pipe: the job's process has left              -> exit
 *
 * Two pipes a branch, made before the first fork.  A process keeps the far ends of its own branch
 * and of those that may grow from it, and closes all others: so an end that closes means that the
 * branch is dead.
 */
#ifndef SEARCH_BRANCH_H
#define SEARCH_BRANCH_H

#include "search/plan.h"
#include "task/outcome.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct task;

enum order_what { ORDER_GROW, ORDER_REAP, ORDER_WRITE };
struct order {
  int32_t what, arg;
};
/* ORDER_WRITE is followed by a size_t and as many struct attempt. */

enum report_what { REPORT_DONE, REPORT_GROWN, REPORT_REAPED, REPORT_WRITTEN };
struct report { /* smaller than PIPE_BUF: never torn */
  int32_t what, arg;
  struct outcome outcome;
};

struct pipe_ends {
  int orders_in, orders_out;   /* far, ours */
  int reports_in, reports_out; /* ours, far */
};

struct tree {
  struct task *task;
  const struct plan *plan;
  struct pipe_ends ends[NODES_MAX];
};

/* Runs node `self` with what its parent found.  Never returns. */
void branch_main(struct tree *tree, int self, const struct outcome *before)
    __attribute__((noreturn));
/* Closes the far ends of all nodes that are not in the subtree of `self` (within: that are). */
void branch_close(struct tree *tree, int self, bool within);

#endif
