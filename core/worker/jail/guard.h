/* SPDX-License-Identifier: MIT
 *
 * What watches a running job from outside of its jail: answers for the calls that its filter
 * reports, and adds up what the limits of the kernel see of each process alone.
 */
#ifndef WORKER_GUARD_H
#define WORKER_GUARD_H

#include "worker/folder/folder.h"

#include <sys/types.h>

struct guard {
  pid_t group;      /* of the job: its first process leads it */
  int listener;     /* of the filter; -1: it reports nothing */
  uint32_t most;    /* processes and threads at a time; 0: no limit */
  uint32_t granted; /* since they were counted last, at the most */
  pid_t left;       /* the group of the one that may have left it; 0: none, or it waits by now */
  bool may_leave;   /* one process of the job may leave its group: it is to be parked */
  bool forked;      /* there may be more than one process */
  struct wire_limits limits;
  struct folder folder; /* where it writes; no descriptor */
  struct tally tally;   /* of the folder, as far as the looks came */
  int64_t left_us;      /* CPU time of processes that lost their parents, ended and were reaped */
  int64_t cpu_from_ms;  /* CPU time before the job; -1: what the first look finds */
  int64_t next_look_ms; /* clock_mono_ms(); 0: not begun */
  int refused[8];       /* numbers of system calls */
  size_t refused_count;
  enum wire_over over;
  int64_t found; /* what was over the limit */
};

/* `folder`: its path and the bytes of the inputs. */
void guard_begin(struct guard *g, pid_t group, const struct wire_limits *limits, uint32_t most,
                 const struct folder *folder);
void guard_close(struct guard *g);
/* From now on the limits are these, and what was used before does not count. */
void guard_turn_to(struct guard *g, const struct wire_limits *limits);
/* Answers one call that waits at the listener; `refused` is told of the first of each that is
 * refused, before the job goes on. */
void guard_answer(struct guard *g, void (*refused)(void *arg, const char *call), void *arg);
/* Milliseconds until guard_look should be called; -1: never. */
int guard_due_ms(const struct guard *g);
/* Measures the job, its folder in pieces.  g->over then says whether it is over a limit: kill it.
 */
void guard_look(struct guard *g);
/* " (the jail refused socket() and setsid(); see ...)", or nothing. */
void guard_hint(const struct guard *g, char *text, size_t size);

#endif
