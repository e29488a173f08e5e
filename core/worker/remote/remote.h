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

#endif
