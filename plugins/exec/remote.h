/* SPDX-License-Identifier: MIT
 *
 * exec-remote: jobs that run elsewhere, by a command that is asked step by step.
 *
 *   callers (threads of the host)             link thread                 command
 *     step: begin --line--> outbox -----------> stdin
 *     wait  <-----------said: by its number---- stdout <---- answer, checkpoint, progress ...
 *     end
 *
 * Many requests are under way at a time, each with a number, a deadline and a caller that waits for
 * it.  Only the link thread touches the command: it reads, and starts the command anew when that
 * has ended.  Nothing of a job is kept here between two steps.
 */
#ifndef EXEC_REMOTE_H
#define EXEC_REMOTE_H

#include "exec.h"

enum {
  CALLS_MOST = 64,                 /* steps that the host may make at a time */
  LOST_MOST = 2 * CONCURRENCY_MOST /* requests that were given up and may still be answered */
};

/* What may be under way at a time is the command's concurrency.  A quarter of it is kept for either
 * of the first two, so that polls which hang hold no submission; a cancel is always sent. */
enum lane { LANE_START, LANE_REST, LANE_CANCEL, LANES };

enum { RESULT_OPEN = -1 }; /* of an item: no answer has come */

struct said { /* a message for a caller, which frees it */
  struct said *next;
  json_t *message;
  char *line; /* that it came in */
};

/* One request, on the stack of its caller. */
struct call {
  struct remote *remote;
  const char *word; /* "submit", ... */
  enum lane lane;
  bool patient;                    /* waits for a command that is being started */
  int64_t end_ms;                  /* when nobody waits any more */
  struct lathe_poll *const *items; /* the jobs: one, but for poll */
  size_t count, open;              /* open: that have no answer yet */
  bool over, refused;              /* refused: an artifact was */
  int32_t kept;                    /* what checkpoint() returned */
  const struct said *now;          /* the message in work */

  /* under the lock of `remote` */
  uint64_t number;
  struct call *next;
  struct said *first, **last;
  pthread_cond_t changed;
  bool sent;  /* it had its turn */
  bool died;  /* the command did */
  bool alone; /* and had nothing else to do */
};

struct remote {
  struct exec *x;
  int64_t request_ms, transfer_ms; /* for find, poll and cancel; for submit and fetch */
  pthread_t thread;
  bool has_thread;
  int64_t heard_ms, pinged_ms; /* the link thread's own */
  int failed_starts;
  bool told_paused;

  pthread_mutex_t lock; /* of what follows */
  pthread_cond_t changed;
  bool up, stopping;
  int concurrency; /* of the command that is up */
  size_t poll_many;
  bool answered; /* since it was started */
  struct piece outbox;
  struct call *calls;
  uint64_t last_number;
  int busy[LANES];
  uint64_t lost[LOST_MOST];
  int lost_count;
  char why[900];            /* it is not up */
  pthread_mutex_t suspects; /* held by one whose submission the command may have died of */
};

/* ---- remote_link.c ---- */
/* The command of x is ready.  NULL: no thread. */
struct remote *link_open(struct exec *x);
void link_close(struct remote *c); /* asks the command to end; setup_release() follows */
/* Under the lock: the line, which it takes, goes to the command. */
void link_put(struct remote *c, char *line);
/* A condition that waits by CLOCK_MONOTONIC; and a wait of that many milliseconds. */
void link_condition(pthread_cond_t *cond);
void link_wait(struct remote *c, pthread_cond_t *cond, int64_t ms);

/* ---- remote_call.c ---- */
enum outcome {
  CALL_OVER,    /* each item has its result */
  CALL_DIED,    /* the command did meanwhile; k->alone */
  CALL_DOWN,    /* there is no command; nothing was sent */
  CALL_LATE,    /* no answer in time; items without one are as they were */
  CALL_STOPPED, /* the job is cancelled */
};
/* Sends what write() gives, and works off what is said until the end.  The results of the items are
 * set for those that were answered. */
enum outcome call_make(struct call *k, char *(*write)(const struct call *));
/* Under the lock: has it left so many requests without an answer that it is to be replaced? */
bool is_hung(const struct remote *c);

/* ---- remote_said.c ---- */
/* Does what the message says.  On the caller's thread, without the lock. */
void said_take(struct call *k, const struct said *s);
void said_free(struct said *s);

/* ---- remote_steps.c ---- */
extern const struct lathe_remote steps;

#endif
