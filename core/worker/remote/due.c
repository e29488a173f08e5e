/* SPDX-License-Identifier: MIT
 *
 * Which call of a remote worker is made next, and by whom: queues by the time of the next call, and
 * lanes, so that no sort of call waits for callers that another holds.
 */
#include "worker/remote/due.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "wire/ref.h"
#include "worker/remote/callers.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- queues and lanes; all under the lock ---- */

static enum queue queue_of(enum call call) {
  static const enum queue queues[CALLS] = {[CALL_SUBMIT] = QUEUE_SUBMIT,
                                           [CALL_FIND] = QUEUE_SUBMIT,
                                           [CALL_POLL] = QUEUE_POLL,
                                           [CALL_FETCH] = QUEUE_FETCH,
                                           [CALL_CANCEL] = QUEUE_CANCEL};
  return queues[call];
}

static enum lane lane_of_queue(enum queue queue) {
  return queue == QUEUE_CANCEL ? LANE_CANCEL : queue == QUEUE_SUBMIT ? LANE_SUBMIT : LANE_REST;
}

enum lane remote_lane(enum call call) {
  return lane_of_queue(queue_of(call));
}

static bool due_before(const struct heap_node *a, const struct heap_node *b) {
  return container_of(a, struct remote_job, node)->due_ms <
         container_of(b, struct remote_job, node)->due_ms;
}

void remote_share(struct remote *c, int most) {
  c->most = most;
  c->reserve[LANE_CANCEL] = most >= 16 ? most / 8 : most >= 2;
  c->reserve[LANE_SUBMIT] = most >= 8 ? most / 4 : most >= 3;
  c->reserve[LANE_REST] = c->reserve[LANE_SUBMIT];
  for (int i = 0; i < QUEUES; i++)
    c->waiting[i].before = due_before;
}

struct remote_job *remote_first(const struct remote *c, enum queue queue) {
  struct heap_node *top = heap_top(&c->waiting[queue]);
  return top ? container_of(top, struct remote_job, node) : NULL;
}

/* Is there a caller for this lane that is not kept for another? */
static bool has_caller(const struct remote *c, enum lane lane) {
  int kept = 0;
  for (int i = 0; i < LANES; i++)
    if (i != (int)lane && c->reserve[i] > c->busy[i])
      kept += c->reserve[i] - c->busy[i];
  return c->most - c->active > kept;
}

/* A service that limits the rate is still told of cancels. */
static bool is_open(const struct remote *c, enum lane lane, int64_t now) {
  return lane == LANE_CANCEL || pace_open(&c->pace, now, c->busy[LANE_SUBMIT] + c->busy[LANE_REST]);
}

/* The remote job whose call is made now; NULL: none. */
struct remote_job *remote_pick(const struct remote *c, int64_t now) {
  struct remote_job *best = NULL;
  for (int queue = 0; queue < QUEUES; queue++) {
    enum lane lane = lane_of_queue((enum queue)queue);
    struct remote_job *j = remote_first(c, (enum queue)queue);
    if (!j || j->due_ms > now || !has_caller(c, lane) || !is_open(c, lane, now))
      continue;
    if (lane == LANE_CANCEL)
      return j;
    if (!best || j->due_ms < best->due_ms)
      best = j;
  }
  return best;
}

int64_t remote_next(const struct remote *c, int64_t now) {
  int64_t next = INT64_MAX;
  for (int queue = 0; queue < QUEUES; queue++) {
    const struct remote_job *j = remote_first(c, (enum queue)queue);
    int64_t at = j ? j->due_ms : INT64_MAX;
    if (j && queue != QUEUE_CANCEL && at < c->pace.until_ms)
      at = c->pace.until_ms;
    if (at > now && at < next) /* what is due already waits for a caller, and that looks again */
      next = at;
  }
  return next;
}

static void start_caller(struct remote *c) {
  struct caller *h = mem_alloc(sizeof *h);
  pthread_t thread;
  h->c = c;
  h->slot = c->caller_count;
  if (pthread_create(&thread, NULL, remote_caller, h) != 0) {
    free(h);
    return;
  }
  pthread_detach(thread);
  c->callers[c->caller_count++] = h;
}

void remote_wake(struct remote *c) {
  int64_t now = clock_mono_ms();
  if (remote_pick(c, now)) {
    if (c->idle > 0)
      pthread_cond_signal(&c->work);
    else if (c->caller_count < c->most)
      start_caller(c);
  }
  int64_t next = remote_next(c, now);
  uint64_t one = 1;
  if (next < c->wakes_ms && write(c->wake_fd, &one, sizeof one) == sizeof one)
    c->wakes_ms = next;
}

/* Polls that may share a request come together: those of long pauses at round times, a little late. */
static int64_t in_step(const struct remote *c, const struct remote_job *j, int64_t at,
                       int64_t delay_ms) {
  int64_t step = 16;
  if (!c->host->plugin.remote.poll_many || j->next != CALL_POLL || delay_ms < 4 * step)
    return at;
  while (step < 512 && step * 8 <= delay_ms)
    step *= 2;
  return (at + step - 1) / step * step;
}

void remote_put_back(struct remote *c, struct remote_job *j, int64_t delay_ms) {
  if (j->woken && j->next == CALL_POLL)
    delay_ms = 0;
  if (j->next == CALL_POLL)
    j->woken = false;
  j->due_ms = in_step(c, j, clock_mono_ms() + delay_ms, delay_ms);
  heap_push(&c->waiting[queue_of(j->next)], &j->node);
  remote_wake(c);
}

void remote_take_out(struct remote *c, struct remote_job *j) {
  heap_remove(&c->waiting[queue_of(j->next)], &j->node);
}

/* ---- wake(): found by the reference ---- */

/* FNV-1a. */
static uint64_t mark_of(const void *ref, size_t len) {
  const unsigned char *at = ref;
  uint64_t mark = 0xcbf29ce484222325u;
  for (size_t i = 0; i < len; i++)
    mark = (mark ^ at[i]) * 0x100000001b3u;
  return mark;
}

/* Two of one mark: the first one is found. */
void remote_index(struct remote *c, struct remote_job *j) {
  remote_forget_index(c, j);
  if (!c->indexed || !j->ref || table_get(&c->by_ref, mark_of(j->ref, j->ref_len)))
    return;
  table_put(&c->by_ref, &j->by_ref, mark_of(j->ref, j->ref_len));
  j->in_index = true;
}

void remote_forget_index(struct remote *c, struct remote_job *j) {
  if (j->in_index)
    table_remove(&c->by_ref, &j->by_ref);
  j->in_index = false;
}

/* The first call of wake() makes the index: most plugins need none. */
static void make_index(struct remote *c) {
  c->indexed = true;
  for (size_t i = 0; i < c->jobs.cap; i++)
    for (struct table_node *n = c->jobs.slots[i]; n; n = n->next)
      remote_index(c, container_of(n, struct remote_job, by_token));
}

void remote_wake_ref(const struct lathe_host *table, const void *ref, size_t len) {
  struct remote *c = atomic_load(&((struct host *)table)->remote);
  if (!c || !ref || len < 1 || len > WIRE_REF_MAX)
    return;
  pthread_mutex_lock(&c->lock);
  if (!c->indexed)
    make_index(c);
  struct table_node *n = table_get(&c->by_ref, mark_of(ref, len));
  struct remote_job *j = n ? container_of(n, struct remote_job, by_ref) : NULL;
  bool found = j && j->ref_len == len && memcmp(j->ref, ref, len) == 0;
  if (found && j->next != CALL_FETCH && j->next != CALL_CANCEL) {
    j->woken = true; /* where another call is under way: the next poll comes at once */
    if (j->node.at && j->next == CALL_POLL) {
      remote_take_out(c, j);
      remote_put_back(c, j, 0);
    }
  }
  pthread_mutex_unlock(&c->lock);
}
