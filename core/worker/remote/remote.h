/* SPDX-License-Identifier: MIT
 *
 * What the two files of a remote worker share: remote.c, the main thread, and callers.c, the
 * threads that make the calls.
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

enum lane { LANE_CANCEL, LANE_SUBMIT, LANE_REST, LANES }; /* sorts of calls */

struct remote;

struct caller { /* a thread */
  struct remote *c;
  int slot;             /* on the board */
  struct remote_job *j; /* what follows: while it has one */
  struct lathe_job job;
  struct logger log;
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
  struct table jobs;
  struct heap waiting[LANES];
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

/* ---- callers.c; all but remote_share under the lock ---- */
void remote_share(struct remote *c, int most); /* once, first */
/* After any change of what is due: somebody takes it now, or the main thread wakes in time. */
void remote_wake(struct remote *c);
/* When something becomes due, later than now; INT64_MAX: nothing. */
int64_t remote_next(const struct remote *c, int64_t now);
/* It waits for its next call; and does not any more. */
void remote_put_back(struct remote *c, struct remote_job *j, int64_t delay_ms);
void remote_take_out(struct remote *c, struct remote_job *j);
void remote_send_end(struct remote *c, uint64_t token, const struct remote_job_end *end,
                     int64_t began_us);
/* Its end is told, and it is freed; it waits nowhere and no caller has it. */
void remote_finish(struct remote *c, struct remote_job *j, const struct remote_job_end *end);

#endif
