/* SPDX-License-Identifier: MIT */
#include "sched/queue.h"

#include "base/mem.h"

#include <stdlib.h>

static struct sched_job *job_of(const struct heap_node *n) {
  return container_of(n, struct sched_job, node);
}

static struct sched_flow *flow_of(const struct heap_node *n) {
  return container_of(n, struct sched_flow, node);
}

static bool job_before(const struct heap_node *a, const struct heap_node *b) {
  const struct sched_job *x = job_of(a), *y = job_of(b);
  return x->rank != y->rank ? x->rank < y->rank : x->number < y->number;
}

static bool flow_before(const struct heap_node *a, const struct heap_node *b) {
  const struct sched_flow *x = flow_of(a), *y = flow_of(b);
  const struct sched_job *head_x = job_of(heap_top(&x->jobs)), *head_y = job_of(heap_top(&y->jobs));
  if (head_x->rank != head_y->rank)
    return head_x->rank < head_y->rank;
  if (x->client->served != y->client->served)
    return x->client->served < y->client->served;
  return head_x->number < head_y->number;
}

static bool delay_before(const struct heap_node *a, const struct heap_node *b) {
  return job_of(a)->due_us < job_of(b)->due_us;
}

/* ---- life ---- */

void queue_init(struct queue *q) {
  *q = (struct queue){.delayed = {.before = delay_before}};
  list_init(&q->lanes);
}

void queue_free(struct queue *q) {
  heap_free(&q->delayed);
}

void queue_add_lane(struct queue *q, struct sched_lane *lane) {
  lane->flows.before = flow_before;
  list_init(&lane->stuck);
  list_push_front(&q->lanes, &lane->link);
}

void queue_free_lane(struct sched_lane *lane) {
  list_remove(&lane->link);
  heap_free(&lane->flows);
}

/* ---- in and out ---- */

static struct sched_flow *find_flow(struct sched_lane *lane, struct sched_client *c) {
  list_for_each(it, &c->flows) {
    struct sched_flow *flow = container_of(it, struct sched_flow, of_client);
    if (flow->lane == lane)
      return flow;
  }
  struct sched_flow *flow = mem_alloc(sizeof *flow);
  flow->client = c;
  flow->lane = lane;
  flow->jobs.before = job_before;
  list_push_back(&c->flows, &flow->of_client);
  return flow;
}

static void set_rank(const struct queue *q, struct sched_job *job) {
  int64_t ageing = q->ageing_us, at = job->queued_us;
  if (ageing <= 0)
    at = 0;
  else if (at >= 0)
    at /= ageing;
  else /* queued before the machine was started */
    at = -((ageing - 1 - at) / ageing);
  job->rank = at - job->priority;
}

static void push_waiting(struct sched_job *job) {
  struct sched_flow *flow = find_flow(job->lane, job->client);
  job->flow = flow;
  job->place = SCHED_WAITING;
  heap_push(&flow->jobs, &job->node);
  if (!flow->node.at)
    heap_push(&job->lane->flows, &flow->node);
  else if (heap_top(&flow->jobs) == &job->node)
    heap_fix(&job->lane->flows, &flow->node);
}

void queue_push(struct queue *q, struct sched_job *job, int64_t now_us) {
  set_rank(q, job);
  job->stuck_us = job->hopeless_us = 0;
  job->waits_us = now_us;
  if (job->due_us > now_us) {
    job->place = SCHED_DELAYED;
    heap_push(&q->delayed, &job->node);
    return;
  }
  job->due_us = 0;
  push_waiting(job);
}

/* Taking the only job of a flow must not compare through an empty heap, so the
 * flow leaves first. */
static void remove_waiting(struct sched_job *job) {
  struct sched_flow *flow = job->flow;
  job->flow = NULL;
  job->place = SCHED_NOWHERE;
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

void queue_remove(struct queue *q, struct sched_job *job) {
  switch ((enum sched_place)job->place) {
  case SCHED_DELAYED:
    heap_remove(&q->delayed, &job->node);
    break;
  case SCHED_WAITING:
    remove_waiting(job);
    break;
  case SCHED_STUCK:
    list_remove(&job->link);
    job->lane->stuck_count--;
    break;
  case SCHED_NOWHERE:
    break;
  }
  job->place = SCHED_NOWHERE;
}

struct sched_job *queue_first_delayed(const struct queue *q) {
  struct heap_node *top = heap_top(&q->delayed);
  return top ? job_of(top) : NULL;
}

/* ---- order ---- */

struct sched_job *queue_head(const struct sched_lane *lane) {
  struct heap_node *top = heap_top(&lane->flows);
  return top ? job_of(heap_top(&flow_of(top)->jobs)) : NULL;
}

struct sched_lane *queue_best(struct queue *q) {
  struct sched_lane *best = NULL;
  list_for_each(it, &q->lanes) {
    struct sched_lane *lane = container_of(it, struct sched_lane, link);
    if (lane->blocked || lane->flows.count == 0)
      continue;
    if (!best || flow_before(heap_top(&lane->flows), heap_top(&best->flows)))
      best = lane;
  }
  return best;
}

void queue_served(struct queue *q, struct sched_client *c) {
  c->served = ++q->turn;
  list_for_each(it, &c->flows) {
    struct sched_flow *flow = container_of(it, struct sched_flow, of_client);
    heap_fix(&flow->lane->flows, &flow->node);
  }
}

void queue_stick(struct sched_job *job, int64_t now_us) {
  remove_waiting(job);
  job->place = SCHED_STUCK;
  job->stuck_us = now_us > 0 ? now_us : 1;
  list_push_back(&job->lane->stuck, &job->link);
  job->lane->stuck_count++;
}

/* A rank is part of two heaps, so all jobs leave and come again. */
static void rerank_lane(const struct queue *q, struct sched_lane *lane) {
  struct list all;
  list_init(&all);
  for (struct sched_job *job; (job = queue_head(lane));) {
    remove_waiting(job);
    set_rank(q, job);
    list_push_back(&all, &job->link);
  }
  for (struct list *it; (it = list_pop_front(&all));)
    push_waiting(container_of(it, struct sched_job, link));
}

void queue_age(struct queue *q, int64_t ageing_us) {
  q->ageing_us = ageing_us;
  list_for_each(it, &q->lanes) {
    rerank_lane(q, container_of(it, struct sched_lane, link));
  }
}
