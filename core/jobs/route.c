/* SPDX-License-Identifier: MIT
 *
 * What would be decided now: of a kind, for a job that nobody has sent, and of a job that waits.
 * Nothing changes by asking.
 */
#include "base/buf.h"
#include "base/clock.h"
#include "jobs/backends.h"
#include "jobs/decision.h"
#include "jobs/estimates.h"
#include "jobs/judge.h"
#include "jobs/spending.h"
#include "jobs/switches.h"
#include "jobs/types.h"

#include <string.h>

static void put_choice(struct buf *b, const struct sched_choice *choice) {
  buf_puts(b, "\"backend\":");
  buf_put_json_str(b, choice->backend ? choice->backend->name : NULL);
  buf_puts(b, ",\"decision\":");
  decision_put(b, choice);
}

static int64_t queued_of(const struct jobs *j, const char *kind) {
  int64_t n = 0;
  for (const struct lane *lane = j->lanes; lane; lane = lane->next)
    if (strcmp(lane->kind_name, kind) == 0)
      n += lane->queued;
  return n;
}

static void put_seconds(struct buf *b, const char *key, int64_t ms) {
  if (ms > 0)
    buf_printf(b, ",\"%s\":%.3f", key, (double)ms / 1000);
  else
    buf_printf(b, ",\"%s\":null", key);
}

void jobs_put_route(struct jobs *j, const struct jobs_route_question *q, struct buf *b) {
  const struct route_options *route = routing_route(j->routing, q->kind);
  const struct kind *kind = kinds_find(j->kinds, q->kind);
  struct sched_lane lane = {.kind = q->kind, .pin = q->pin};
  const struct draw_keys keys = {.client = q->client, .input = q->input};
  struct sched_job job = {.lane = &lane,
                          .draw = routing_draw(j->routing, q->kind, &keys),
                          .memory = kind ? kind_memory(kind, q->bytes) : 0,
                          .threads = kind ? kind_threads(kind, NULL) : 0};
  struct sched_choice choice;
  estimates_tell(j);
  backends_tell(j);
  spending_tell(j);
  sched_look(j->sched, &job, clock_mono_us(), &choice);
  buf_puts(b, "{\"kind\":");
  buf_put_json_str(b, q->kind);
  buf_puts(b, route ? ",\"configured\":true,\"policy\":\"" : ",\"configured\":false,\"policy\":\"");
  buf_puts(b, route_policy_word(route ? route->policy : ROUTE_ORDERED));
  buf_puts(b, "\",\"override\":");
  switches_put(b, switches_of_kind(j, q->kind));
  buf_puts(b, ",\"backends\":[");
  for (size_t i = 0; i < choice.considered_count; i++) {
    buf_puts(b, i ? "," : "");
    buf_put_json_str(b, choice.considered[i].backend->name);
  }
  buf_printf(b, "],\"attempts\":%d", judge_attempts(j, q->kind, kind));
  buf_puts(b, !route || !route->no_fallback ? ",\"fallback\":true,\"canary\":"
                                            : ",\"fallback\":false,\"canary\":");
  if (route && route->canary)
    decision_put_canary(b, route, job.draw);
  else
    buf_puts(b, "null");
  put_seconds(b, "max_wait_s", sched_max_wait_us(j->sched, &job) / 1000);
  put_seconds(b, "timeout_s", route ? route->timeout_ms : 0);
  buf_printf(b, ",\"queued\":%lld,", (long long)queued_of(j, q->kind));
  put_choice(b, &choice);
  buf_putc(b, '}');
}

bool jobs_has_route(const struct jobs *j, const char *kind) {
  return routing_route(j->routing, kind) != NULL;
}

const char *jobs_next_route(const struct jobs *j, size_t *pos) {
  return routing_next_route(j->routing, pos);
}

bool jobs_put_waiting(struct jobs *j, const char *id, struct buf *b) {
  struct job *job = map_get(&j->live, id);
  struct sched_choice choice;
  if (!job || job->state != JOB_QUEUED)
    return false;
  estimates_tell(j);
  backends_tell(j);
  spending_tell(j);
  sched_look(j->sched, &job->sched, clock_mono_us(), &choice);
  put_choice(b, &choice);
  buf_printf(b, ",\"queued\":%lld", (long long)job->lane->queued);
  return true;
}
