/* SPDX-License-Identifier: MIT
 *
 * What the files of a remote worker share: remote.c, the main thread; due.c, which call is next;
 * callers.c, the threads that make the calls; many.c, polls that share a call.
 *
 * A caller is a thread inside one call of the plugin; there are as many as the plugin allows.  Some
 * are kept for each sort of call, so that polls that hang keep nobody from cancelling, nor from
 * submitting, and the other way round.
 */
#ifndef WORKER_REMOTE_H
#define WORKER_REMOTE_H

#include "worker/serve.h"

#include "base/heap.h"
#include "base/pace.h"
#include "base/table.h"
#include "worker/remote/remote_job.h"

#include <pthread.h>

enum {
  REMOTE_STOP_BEATS = 4
}; /* heartbeats of a cancel, or of a call that is to end: heartbeat_timeout */

enum lane { LANE_CANCEL, LANE_SUBMIT, LANE_REST, LANES }; /* sorts of calls, by their callers */
/* Those that wait, by the sort of the next call. */
enum queue { QUEUE_CANCEL, QUEUE_SUBMIT, QUEUE_FETCH, QUEUE_POLL, QUEUES };

struct remote;

struct visit { /* a job inside a call */
  struct remote_job *j;
  struct lathe_job job;
  struct logger log;
  char *note; /* what note() was given in this call; NULL: nothing */
  size_t note_len;
};

struct caller { /* a thread */
  struct remote *c;
  int slot;       /* on the board */
  bool in_call;   /* what follows: while it is */
  struct visit v; /* its job; v.j NULL: it has many */
  struct visit *many;
  size_t many_count;
  struct folder folder;
  enum call call;
  int64_t since_ms, stop_ms; /* when the call began; when it was told to end, or 0 */
  bool asking, answered;     /* its checkpoint */
  int64_t answer;
};

struct remote {
  struct host *host;
  int log_fd, wake_fd;
  int most, reserve[LANES]; /* callers: of all, and those kept for a lane */

  pthread_mutex_t lock; /* of what follows */
  pthread_cond_t work, answered;
  struct table jobs, by_ref; /* by_ref: once wake() was called */
  bool indexed;
  struct heap waiting[QUEUES];
  struct caller *callers[WIRE_INSIDE_MAX];
  int caller_count, idle;
  int active, busy[LANES]; /* inside a call: all, and of each lane */
  struct pace pace;        /* of a service that limits the rate: all but cancels heed it */
  char why_slow[300];      /* what it said */
  bool denied;             /* it refused the credential: why_denied is everybody's end */
  struct remote_job_end why_denied;
  int64_t wakes_ms; /* when the main thread looks again */
  uint64_t random;
  bool stopping;
};

/* ---- due.c; all but remote_share and remote_wake_ref under the lock ---- */
void remote_share(struct remote *c, int most); /* once, first */
enum lane remote_lane(enum call call);
struct remote_job *remote_first(const struct remote *c, enum queue queue); /* NULL: none */
/* The remote job whose call is made now; NULL: none. */
struct remote_job *remote_pick(const struct remote *c, int64_t now);
/* After any change of what is due: somebody takes it now, or the main thread wakes in time. */
void remote_wake(struct remote *c);
/* When something becomes due, later than now; INT64_MAX: nothing. */
int64_t remote_next(const struct remote *c, int64_t now);
/* It waits for its next call; and does not any more. */
void remote_put_back(struct remote *c, struct remote_job *j, int64_t delay_ms);
void remote_take_out(struct remote *c, struct remote_job *j);
/* Its reference is new; or it goes. */
void remote_index(struct remote *c, struct remote_job *j);
void remote_forget_index(struct remote *c, struct remote_job *j);

/* ---- callers.c; under the lock, but for remote_caller ---- */
void *remote_caller(void *arg); /* a thread; arg: struct caller */
void remote_visit_begin(struct remote *c, struct visit *v, struct remote_job *j);
/* What the call said goes to the job; the visit is freed by remote_visit_free. */
void remote_visit_leave(struct visit *v);
void remote_visit_free(struct visit *v);
struct lathe_request remote_request(const struct visit *v, int64_t deadline_ms);
/* What follows from a call of so long ago, for its job and for all. */
void remote_follow(struct remote *c, struct visit *v, int64_t since_ms, int32_t code);
/* A line of the job's log, where the call is tried again.  On the thread of the call. */
void remote_say_failure(struct visit *v, enum call call, int32_t code);

/* ---- many.c; called and left with the lock ---- */
/* Polls the job and those that are due, too, in one call. */
void remote_poll_many(struct caller *h, struct remote_job *j);

void remote_send_end(struct remote *c, uint64_t token, const struct remote_job_end *end,
                     int64_t began_us);
/* Its end is told, and it is freed; it waits nowhere and no caller has it. */
void remote_finish(struct remote *c, struct remote_job *j, const struct remote_job_end *end);

#endif
