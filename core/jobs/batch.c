/* SPDX-License-Identifier: MIT
 *
 * Batches: jobs that are accepted together, and those of them that are not over.
 *
 *   request --checks--> jobs --each looks for an earlier result--> one commit --> 202
 *                                                                    |   |
 *                                          answered by a result: gone <   > into the queue
 *
 * The batch itself lies in the store.  In memory there is only which live jobs belong together; it
 * comes back with them after a restart.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "jobs/answer.h"
#include "jobs/backends.h"
#include "jobs/cache.h"
#include "jobs/end.h"
#include "jobs/job_log.h"
#include "jobs/life.h"
#include "jobs/record.h"
#include "jobs/release.h"
#include "jobs/submit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- submit ---- */

struct grouping { /* a submit under way */
  struct jobs *j;
  const struct jobs_batch *batch; /* the caller's */
  jobs_answered *answered;
  void *arg;
  char id[ID_SIZE];
  int64_t created_us;
  struct job **jobs;
  size_t count;
  size_t looking; /* jobs that look for an earlier result, and one while they are made */
};

static void grouping_free(struct grouping *g) {
  free(g->jobs);
  free(g);
}

static void drop_jobs(struct grouping *g, int code) {
  for (size_t i = 0; i < g->count; i++)
    if (!job_orphaned(g->jobs[i]))
      submit_forget(g->jobs[i], code);
}

static void enter(struct job *job) {
  struct jobs *j = job->j;
  metric_add(job->lane->accepted, 1);
  job_transition(job, TRANSITION_ACCEPTED);
  if (job_orphaned(job))
    return;
  if (!job->out) {
    life_post(job, LIFE_QUEUED);
    return;
  }
  metric_add(job->lane->cache_hits, 1);
  job_transition_end(job);
  if (j->ended)
    j->ended(j->ended_ctx, job_view_ended(job));
  end_gone(job, JOB_COMPLETED);
}

static void write_batch(struct grouping *g);

static void forget_results(struct grouping *g) {
  for (size_t i = 0; i < g->count; i++) {
    outcome_free(g->jobs[i]->out);
    g->jobs[i]->out = NULL;
  }
}

static void on_written(void *arg, int code, const struct store_receipt *receipt) {
  struct grouping *g = arg;
  struct jobs *j = g->j;
  if (code == ERR_NOT_FOUND && !j->closing) { /* an earlier job went meanwhile: all of them run */
    forget_results(g);
    write_batch(g);
    return;
  }
  struct jobs_answer a = {.job_id = receipt->job_id, .replayed = receipt->replayed};
  if (code < 0)
    answer_failure(g->answered, g->arg, code, receipt->text ? receipt->text : err_slug(code));
  else
    g->answered(g->arg, 0, &a);
  bool fresh = code == 0 && !a.replayed;
  for (size_t i = 0; i < g->count && fresh; i++)
    enter(g->jobs[i]);
  if (!fresh)
    drop_jobs(g, code);
  grouping_free(g);
}

/* The numbers follow each other; nothing else takes one in between. */
static void write_batch(struct grouping *g) {
  struct jobs *j = g->j;
  const struct jobs_batch *b = g->batch;
  struct store_group *group = store_group_begin();
  struct record_batch record = {
      .id = g->id,
      .kind = kind_name(b->jobs[0].kind),
      .client = b->jobs[0].client ? b->jobs[0].client : "",
      .name = b->name,
      .sets_json = b->sets_json,
      .created_us = g->created_us,
      .count = (int64_t)b->count,
  };
  for (size_t i = 0; i < b->count; i++) {
    struct job *job = g->jobs[i];
    job->num = store_next_num(j->store);
    if (i == 0)
      record.num = job->num;
    struct store_event_in queued = {EVENT_QUEUED, event_queued(job, &j->scratch)}, completed;
    if (job->out) {
      job->out->ended_us = clock_wall_us();
      completed = (struct store_event_in){EVENT_COMPLETED,
                                          event_ended(job, job->out, &j->scratch2)};
    }
    store_group_add(group, job->out ? job_view_ended(job) : job_view(job), &b->items[i], &queued,
                    job->out ? &completed : NULL, job->out ? job->out->source_num : 0);
  }
  struct store_idempotency key = {
      .client = record.client,
      .key = b->idem_key,
      .fingerprint = b->fingerprint,
      .expires_us = g->created_us + j->o.idempotency_ttl_ms * 1000,
  };
  store_group_submit(j->store, group, &record, b->idem_key ? &key : NULL, on_written, g);
}

static void on_looked(void *arg) {
  struct grouping *g = arg;
  if (--g->looking > 0)
    return;
  if (!g->j->closing) {
    write_batch(g);
    return;
  }
  answer_failure(g->answered, g->arg, ERR_BUSY,
                 "The server is shutting down; send the batch again later.");
  drop_jobs(g, ERR_BUSY);
  grouping_free(g);
}

static int check_all(struct jobs *j, const struct jobs_batch *b, const char **slug,
                     struct err *err) {
  struct err why = {.text = ""};
  for (size_t i = 0; i < b->count; i++)
    if (submit_check(j, &b->jobs[i], slug, &why) < 0)
      return err_set(err, why.code, "Job %zu of the batch ('%.100s'): %s", i + 1,
                     b->items[i].folder, why.text);
  return 0;
}

void jobs_submit_batch(struct jobs *j, const struct jobs_batch *b, jobs_answered *answered,
                       void *arg) {
  const char *slug, *text;
  struct err err = {.text = ""};
  int retry_after_s = 0;
  const char *client = b->jobs[0].client ? b->jobs[0].client : "";
  int rc = submit_refusal(j, map_get(&j->clients, client), (int64_t)b->count, &slug, &text,
                          &retry_after_s);
  backends_tell(j);
  if (rc == 0 && (rc = check_all(j, b, &slug, &err)) < 0) {
    text = err.text;
    retry_after_s = 0;
  }
  if (rc) {
    answer_refusal(answered, arg, rc, slug, retry_after_s, text);
    return;
  }
  struct grouping *g = mem_alloc(sizeof *g);
  *g = (struct grouping){.j = j, .batch = b, .answered = answered, .arg = arg};
  g->created_us = clock_wall_us();
  id_make(&j->ids, g->id);
  g->jobs = mem_array(b->count, sizeof(struct job *));
  g->count = b->count;
  g->looking = 1;
  for (size_t i = 0; i < b->count; i++) {
    struct jobs_request request = b->jobs[i];
    request.peer = b->peer;
    request.trace = b->trace;
    request.via = b->via;
    g->jobs[i] = submit_job(j, &request, g->id, g->created_us);
    bool looks = !b->jobs[i].anew && cache_look(g->jobs[i], on_looked, g);
    g->looking += looks;
  }
  on_looked(g);
}

/* ---- cancel ---- */

struct stopping {
  jobs_answered *answered;
  void *arg;
  char id[ID_SIZE];
  size_t asked;
  int code;
  const char *slug;
};

static void finish_stopping(struct stopping *s) {
  if (--s->asked > 0)
    return;
  if (s->code < 0)
    answer_refusal(s->answered, s->arg, s->code, s->slug, 5,
                   "A cancellation could not be written to disk yet; send the request again.");
  else
    answer_state(s->answered, s->arg, s->id, JOB_CANCELLED);
  free(s);
}

/* One that ended before it could be cancelled is not a failure. */
static void on_stopped(void *arg, int code, const struct jobs_answer *answer) {
  struct stopping *s = arg;
  if (code < 0 && code != ERR_CONFLICT && code != ERR_NOT_FOUND) {
    s->code = code;
    s->slug = answer->slug ? answer->slug : "internal";
  }
  finish_stopping(s);
}

void jobs_cancel_batch(struct jobs *j, const char *id, jobs_answered *answered, void *arg) {
  struct batch *b = map_get(&j->batches, id);
  struct stopping *s = mem_alloc(sizeof *s);
  *s = (struct stopping){.answered = answered, .arg = arg, .asked = 1};
  snprintf(s->id, sizeof s->id, "%.26s", id);
  size_t count = 0;
  char(*ids)[ID_SIZE] = b ? mem_array((size_t)b->open, sizeof *ids) : NULL;
  if (b)
    list_for_each(it, &b->jobs)
        memcpy(ids[count++], container_of(it, struct job, batch_link)->id, ID_SIZE);
  /* The youngest first, so that none of them starts because an older one made room. */
  for (; count > 0; count--) {
    s->asked++;
    jobs_cancel(j, ids[count - 1], on_stopped, s);
  }
  free(ids);
  finish_stopping(s);
}
