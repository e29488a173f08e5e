/* SPDX-License-Identifier: MIT
 *
 * Lanes (kind, pin) and clients: what the scheduler orders jobs by, with what this room counts for
 * them.
 */
#include "jobs/lanes.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct lane *lane_new(struct jobs *j, const char *kind_name, const char *pin,
                             const struct kind *kind) {
  struct lane *lane = mem_alloc(sizeof *lane);
  char labels[160];
  lane->kind_name = mem_dup(kind_name);
  lane->pin = mem_dup(pin);
  lane->kind = kind;
  lane->sched.kind = lane->kind_name;
  lane->sched.pin = lane->pin;
  lane->awaited = pin ? facts_of(routing_facts(j->routing), pin) : NULL;
  sched_add_lane(j->sched, &lane->sched);
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
struct lane *lane_find(struct jobs *j, const char *kind_name, const char *pin,
                       const struct kind *kind) {
  for (struct lane *lane = j->lanes; lane; lane = lane->next)
    if (strcmp(lane->kind_name, kind_name) == 0 && same(lane->pin, pin)) {
      if (kind)
        lane->kind = kind; /* as it is declared now */
      return lane;
    }
  return lane_new(j, kind_name, pin, kind);
}

struct client *client_find(struct jobs *j, const char *name) {
  struct client *c = map_get(&j->clients, name);
  if (!c) {
    c = mem_alloc(sizeof *c);
    c->name = mem_dup(name);
    sched_client_init(&c->sched);
    map_put(&j->clients, c->name, c);
  }
  return c;
}

void client_put(struct jobs *j, struct client *c) {
  if (--c->live > 0)
    return;
  map_remove(&j->clients, c->name);
  free(c->name);
  free(c);
}

void lanes_free(struct jobs *j) {
  for (struct lane *lane = j->lanes, *next; lane; lane = next) {
    next = lane->next;
    sched_drop_lane(&lane->sched);
    free(lane->kind_name);
    free(lane->pin);
    free(lane);
  }
  map_free(&j->clients);
}
