/* SPDX-License-Identifier: MIT
 *
 * What the two files of a remote worker share: remote.c, the main thread, and hands.c, the threads
 * that make the calls.
 *
 * A hand is a thread inside one call of the plugin; there are as many as the plugin allows.  Some
 * are kept for each sort of call, so that polls that hang keep nobody from cancelling, nor from
 * submitting, and the other way round.
 */
#ifndef WORKER_CREW_H
#define WORKER_CREW_H

#include "worker/serve.h"

#include "base/heap.h"
#include "base/pace.h"
#include "base/table.h"
#include "worker/errand.h"

#include <pthread.h>

enum {
  CREW_STOP_BEATS = 4
}; /* heartbeats of a cancel, or of a call that is to end: heartbeat_timeout */

enum lane { LANE_CANCEL, LANE_SUBMIT, LANE_REST, LANES }; /* sorts of calls */

struct crew;

struct hand { /* a thread */
  struct crew *c;
  int slot;         /* on the board */
  struct errand *e; /* what follows: while it has one */
  struct lathe_job job;
  struct logger log;
  struct folder folder;
  enum call call;
  int64_t since_ms, stop_ms; /* when the call began; when it was told to end, or 0 */
  bool asking, answered;     /* its checkpoint */
  int64_t answer;
};

struct crew {
  struct host *host;
  int log_fd, wake_fd;
  int most, reserve[LANES]; /* hands: of all, and those kept for a lane */

  pthread_mutex_t lock; /* of what follows */
  pthread_cond_t work, answered;
  struct table errands;
  struct heap waiting[LANES];
  struct hand *hands[WIRE_INSIDE_MAX];
  int hand_count, idle;
  int active, busy[LANES]; /* inside a call: all, and of each lane */
  struct pace pace;        /* of a service that limits the rate: all but cancels heed it */
  char why_slow[300];      /* what it said */
  bool denied;             /* it refused the credential: why_denied is everybody's end */
  struct errand_end why_denied;
  int64_t wakes_ms; /* when the main thread looks again */
  uint64_t random;
  bool stopping;
};

/* ---- hands.c; all but crew_share under the lock ---- */
void crew_share(struct crew *c, int most); /* once, first */
/* After any change of what is due: somebody takes it now, or the main thread wakes in time. */
void crew_rouse(struct crew *c);
/* When something becomes due, later than now; INT64_MAX: nothing. */
int64_t crew_next(const struct crew *c, int64_t now);
/* It waits for its next call; and does not any more. */
void crew_put_back(struct crew *c, struct errand *e, int64_t delay_ms);
void crew_take_out(struct crew *c, struct errand *e);
uint64_t crew_dice(struct crew *c);
void crew_send_end(struct crew *c, uint64_t token, const struct errand_end *end, int64_t began_us);
/* Its end is told, and it is freed; it waits nowhere and no hand has it. */
void crew_dismiss(struct crew *c, struct errand *e, const struct errand_end *end);

#endif
