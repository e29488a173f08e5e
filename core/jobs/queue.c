/* SPDX-License-Identifier: MIT
 *
 * Who is next.  The rule, as an admin reads it:
 *
 *   Time is cut into slices of `ageing`.  A job's rank is the slice in which it was queued, minus
 *   its priority; the lowest rank goes first.  So a waiting job gains one step of priority on
 *   newcomers per slice, and low priority never starves.  Among clients whose best waiting jobs
 *   have the same rank, the one that was served least recently goes next (fair turns).  Within a
 *   client: rank, then the order of acceptance.
 *
 * A rank does not change while a job waits, so nothing is ever scanned or sorted again:
 *
 *   lane (kind, pin) --heap--> flow (client) --heap--> job          O(log n) an operation
 *
 * A lane whose backends have no room is passed over as a whole.  A head that does not fit while
 * others might steps aside (`stuck`) and is asked first in each round.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "jobs/private.h"

#include <stdlib.h>
#include <string.h>

static struct job *job_of(const struct heap_node *n) {
  return container_of(n, struct job, node);
}

static struct flow *flow_of(const struct heap_node *n) {
  return container_of(n, struct flow, node);
}

static bool job_before(const struct heap_node *a, const struct heap_node *b) {
  const struct job *x = job_of(a), *y = job_of(b);
  return x->rank != y->rank ? x->rank < y->rank : x->num < y->num;
}

static bool flow_before(const struct heap_node *a, const struct heap_node *b) {
  const struct flow *x = flow_of(a), *y = flow_of(b);
  const struct job *head_x = job_of(heap_top(&x->jobs)), *head_y = job_of(heap_top(&y->jobs));
  if (head_x->rank != head_y->rank)
    return head_x->rank < head_y->rank;
  if (x->client->served != y->client->served)
    return x->client->served < y->client->served;
  return head_x->num < head_y->num;
}

static bool delay_before(const struct heap_node *a, const struct heap_node *b) {
  return job_of(a)->due_mono < job_of(b)->due_mono;
}

/* ---- lanes and clients ---- */

static struct lane *lane_new(struct jobs *j, const char *kind_name, const char *pin,
                             const struct kind *kind) {
  struct lane *lane = mem_alloc(sizeof *lane);
  char labels[160];
  lane->kind_name = mem_dup(kind_name);
  lane->pin = mem_dup(pin);
  lane->kind = kind;
  lane->flows.before = flow_before;
  list_init(&lane->stuck);
  snprintf(labels, sizeof labels, "kind=\"%.64s\"", kind_name);
  lane->queue_seconds = metrics_histogram(j->metrics, "lathe_job_queue_seconds",
                                          "Time from acceptance to the start of a job", labels);
  lane->accepted = metrics_counter(j->metrics, "lathe_jobs_accepted_total",
                                   "Jobs that were written to disk and acknowledged", labels);
  lane->cache_hits = metrics_counter(j->metrics, "lathe_cache_hits_total",
                                     "Jobs that were answered with an earlier result", labels);
  lane->cache_misses = metrics_counter(
      j->metrics, "lathe_cache_misses_total",
      "Jobs that could have been answered with an earlier result, and there was none", labels);
  lane->next = j->lanes;
  j->lanes = lane;
  return lane;
}

static bool same(const char *a, const char *b) {
  return a == b || (a && b && strcmp(a, b) == 0);
}

/* There are few lanes: kinds are declared, and a pin must be a configured backend. */
struct lane *queue_lane(struct jobs *j, const char *kind_name, const char *pin,
                        const struct kind *kind) {
  for (struct lane *lane = j->lanes; lane; lane = lane->next)
    if (strcmp(lane->kind_name, kind_name) == 0 && same(lane->pin, pin)) {
      if (kind)
        lane->kind = kind; /* as it is declared now */
      return lane;
    }
  return lane_new(j, kind_name, pin, kind);
}

struct client *queue_client(struct jobs *j, const char *name) {
  struct client *c = map_get(&j->clients, name);
  if (!c) {
    c = mem_alloc(sizeof *c);
    c->name = mem_dup(name);
    list_init(&c->flows);
    map_put(&j->clients, c->name, c);
  }
  return c;
}

static void client_free(struct client *c) {
  free(c->name);
  free(c);
}

void queue_client_put(struct jobs *j, struct client *c) {
  if (--c->live > 0)
    return;
  map_remove(&j->clients, c->name);
  client_free(c);
}

/* ---- in and out ---- */

static struct flow *find_flow(struct lane *lane, struct client *c) {
  list_for_each(it, &c->flows) {
    struct flow *flow = container_of(it, struct flow, of_client);
    if (flow->lane == lane)
      return flow;
  }
  struct flow *flow = mem_alloc(sizeof *flow);
  flow->client = c;
  flow->lane = lane;
  flow->jobs.before = job_before;
  list_push_back(&c->flows, &flow->of_client);
  return flow;
}

static void set_rank(struct job *job) {
  int64_t ageing_us = job->j->o.ageing_ms * 1000, at = job->queued_mono;
  if (ageing_us <= 0)
    at = 0;
  else if (at >= 0)
    at /= ageing_us;
  else /* queued before the machine was started */
    at = -((ageing_us - 1 - at) / ageing_us);
  job->rank = at - job->priority;
}

static void arm_delay(struct jobs *j) {
  struct heap_node *top = heap_top(&j->delayed);
  if (!top) {
    uv_timer_stop(&j->delay_timer);
    return;
  }
  int64_t left = (job_of(top)->due_mono - clock_mono_us() + 999) / 1000;
  uv_timer_start(&j->delay_timer, queue_on_delay, left > 0 ? (uint64_t)left : 0, 0);
}

static void push_waiting(struct job *job) {
  struct flow *flow = find_flow(job->lane, job->client);
  job->flow = flow;
  heap_push(&flow->jobs, &job->node);
  if (!flow->node.at)
    heap_push(&job->lane->flows, &flow->node);
  else if (heap_top(&flow->jobs) == &job->node)
    heap_fix(&job->lane->flows, &flow->node);
}

void queue_push(struct job *job) {
  struct jobs *j = job->j;
  set_rank(job);
  job->stuck_mono = 0;
  job->waits_ms = uv_now(j->loop);
  job->hopeless_ms = 0;
  if (job->due_mono > clock_mono_us()) {
    job_set_phase(job, PHASE_DELAY);
    heap_push(&j->delayed, &job->node);
    if (heap_top(&j->delayed) == &job->node)
      arm_delay(j);
    return;
  }
  job->not_before_us = job->due_mono = 0;
  job_set_phase(job, PHASE_WAIT);
  push_waiting(job);
}

/* Taking the only job of a flow must not compare through an empty heap, so the
 * flow leaves first. */
static void remove_waiting(struct job *job) {
  struct flow *flow = job->flow;
  job->flow = NULL;
  if (flow->jobs.count == 1)
    heap_remove(&flow->lane->flows, &flow->node);
  heap_remove(&flow->jobs, &job->node);
  if (flow->jobs.count > 0) {
    heap_fix(&flow->lane->flows, &flow->node);
    return;
  }
  list_remove(&flow->of_client);
  heap_free(&flow->jobs);
  free(flow);
}

void queue_remove(struct job *job) {
  struct jobs *j = job->j;
  if (job->phase == PHASE_DELAY) {
    bool first = heap_top(&j->delayed) == &job->node;
    heap_remove(&j->delayed, &job->node);
    if (first)
      arm_delay(j);
  } else if (job->flow) {
    remove_waiting(job);
  } else {
    list_remove(&job->link);
    job->lane->stuck_count--;
  }
  if (j->hold == job)
    j->hold = NULL;
}

void queue_on_delay(uv_timer_t *t) {
  struct jobs *j = t->data;
  int64_t now = clock_mono_us();
  for (struct heap_node *top; (top = heap_top(&j->delayed)) && job_of(top)->due_mono <= now;) {
    struct job *job = job_of(top);
    heap_remove(&j->delayed, top);
    job->not_before_us = job->due_mono = 0;
    queue_push(job);
  }
  arm_delay(j);
  run_dispatch(j);
}

/* ---- choice ---- */

struct job *queue_head(const struct lane *lane) {
  struct heap_node *top = heap_top(&lane->flows);
  return top ? job_of(heap_top(&flow_of(top)->jobs)) : NULL;
}

struct lane *queue_best(struct jobs *j) {
  struct lane *best = NULL;
  for (struct lane *lane = j->lanes; lane; lane = lane->next) {
    if (lane->blocked || lane->flows.count == 0)
      continue;
    if (!best || flow_before(heap_top(&lane->flows), heap_top(&best->flows)))
      best = lane;
  }
  return best;
}

void queue_served(struct jobs *j, struct client *c) {
  c->served = ++j->turn;
  list_for_each(it, &c->flows) {
    struct flow *flow = container_of(it, struct flow, of_client);
    heap_fix(&flow->lane->flows, &flow->node);
  }
}

void queue_stick(struct job *job) {
  remove_waiting(job);
  job->stuck_mono = clock_mono_us();
  list_push_back(&job->lane->stuck, &job->link);
  job->lane->stuck_count++;
}

void queue_rerank(struct jobs *j) {
  size_t pos = 0;
  struct list all;
  list_init(&all);
  for (struct job *job; (job = map_next(&j->live, &pos));) {
    if (job->phase != PHASE_WAIT || !job->flow)
      continue;
    remove_waiting(job);
    set_rank(job);
    list_push_back(&all, &job->link);
  }
  for (struct list *it; (it = list_pop_front(&all));)
    push_waiting(container_of(it, struct job, link));
}

void queue_init(struct jobs *j) {
  j->delayed.before = delay_before;
}

void queue_free(struct jobs *j) {
  for (struct lane *lane = j->lanes, *next; lane; lane = next) {
    next = lane->next;
    heap_free(&lane->flows);
    free(lane->kind_name);
    free(lane->pin);
    free(lane);
  }
  heap_free(&j->delayed);
  map_free(&j->clients);
}
