/* SPDX-License-Identifier: MIT
 *
 * What is counted: jobs by state, metrics by kind and backend, and the rate of starts.
 */
#include "jobs/meters.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

enum { WINDOW_MS = 2000 };

/* ---- jobs by state ---- */

void job_count(struct job *job, int by) {
  struct jobs *j = job->j;
  if (job->state == JOB_QUEUED) {
    j->queued += by;
    job->lane->queued += by;
    if (job->lane->awaited)
      job->lane->awaited->queued += by;
    job->client->queued += by;
    metric_add(j->queued_gauge, by);
  } else {
    j->running += by;
    metric_add(j->running_gauge, by);
  }
}

void job_set_state(struct job *job, enum job_state state) {
  job_count(job, -1);
  job->state = (uint8_t)state;
  job_count(job, 1);
}

/* ---- metrics ---- */

static struct meter *meter_new(struct jobs *j, const struct backend_usage *usage,
                               const struct lane *lane) {
  struct meter *m = mem_alloc(sizeof *m);
  char labels[300];
  const char *backend = usage ? usage->name : "";
  m->kind = lane->kind_name;
  for (int state = JOB_COMPLETED; state <= JOB_CANCELLED; state++) {
    snprintf(labels, sizeof labels, "kind=\"%.64s\",backend=\"%.64s\",state=\"%s\"",
             lane->kind_name, backend, job_state_word((enum job_state)state));
    m->finished[state] = metrics_counter(j->metrics, "lathe_jobs_finished_total",
                                         "Jobs that ended, by how", labels);
  }
  snprintf(labels, sizeof labels, "kind=\"%.64s\",backend=\"%.64s\"", lane->kind_name, backend);
  m->run_seconds = metrics_histogram(j->metrics, "lathe_job_run_seconds",
                                     "Time of an attempt from its start to its end", labels);
  return m;
}

struct meter *meter_find(struct jobs *j, struct backend_usage *usage, const struct lane *lane) {
  struct meter **list = usage ? &usage->meters : &j->without_backend;
  for (struct meter *m = *list; m; m = m->next)
    if (strcmp(m->kind, lane->kind_name) == 0)
      return m;
  struct meter *m = meter_new(j, usage, lane);
  m->next = *list;
  *list = m;
  return m;
}

/* ---- when to come back ---- */

static void turn_window(struct jobs *j) {
  uint64_t now = uv_now(j->loop), past = now - j->window_ms;
  if (past < WINDOW_MS)
    return;
  double latest = (double)j->starts * 1000.0 / (double)past;
  j->rate = past > 10 * WINDOW_MS ? latest : (j->rate + latest) / 2;
  j->starts = 0;
  j->window_ms = now;
}

void rate_count_start(struct jobs *j) {
  turn_window(j);
  j->starts++;
}

/* The time in which a tenth of what waits is likely to have started. */
int rate_retry_after(struct jobs *j) {
  turn_window(j);
  double seconds = j->rate > 0 ? (double)j->queued / 10.0 / j->rate : 60.0;
  return seconds < 1 ? 1 : seconds > 60 ? 60 : (int)seconds;
}
