/* SPDX-License-Identifier: MIT
 *
 * The writing calls of store.h: each copies what it was given into an operation
 * and hands that on.  Loop thread.
 */
#include "store/private.h"

#include "base/clock.h"

#include <string.h>

struct op *op_new(enum op_type type, int64_t num, store_done *done, void *arg) {
  struct arena arena = {0};
  struct op *op = arena_alloc(&arena, sizeof *op);
  op->arena = arena;
  op->type = type;
  op->num = num;
  op->done = done;
  op->arg = arg;
  op->spent = MONEY_UNKNOWN;
  return op;
}

static void add_event(struct op *op, const struct store_event_in *in, int64_t at_us) {
  if (in == NULL)
    return;
  const char *data = in->data_json != NULL ? in->data_json : "{}";
  size_t len = strlen(data);
  op->events[op->event_count++] = (struct op_event){
      .type = in->type,
      .at_us = at_us != 0 ? at_us : clock_wall_us(),
      .data = arena_dup_n(&op->arena, data, len),
      .len = len,
  };
}

static void copy_attempt(struct op *op, const struct record_attempt *in) {
  if (in == NULL)
    return;
  struct record_attempt *a = arena_alloc(&op->arena, sizeof *a);
  *a = *in;
  a->backend = arena_dup(&op->arena, in->backend);
  a->ref = arena_dup(&op->arena, in->ref);
  a->error_json = arena_dup(&op->arena, in->error_json);
  a->facts_json = arena_dup(&op->arena, in->facts_json);
  a->plugin_version = arena_dup(&op->arena, in->plugin_version);
  a->decision_json = arena_dup(&op->arena, in->decision_json);
  a->note = arena_dup(&op->arena, in->note);
  if (in->cost != NULL) {
    struct record_cost *cost = arena_alloc(&op->arena, sizeof *cost);
    *cost = *in->cost;
    a->cost = cost;
  }
  if (in->month != NULL) {
    struct record_month *month = arena_alloc(&op->arena, sizeof *month);
    *month = *in->month;
    a->month = month;
  }
  op->attempt = a;
}

/* A size as somebody says it: no file is larger, and a job's files cannot add up to too much. */
#define FILE_BYTES_MAX ((int64_t)1 << 44)

static int64_t plausible(int64_t bytes) {
  return bytes < 0 ? 0 : bytes > FILE_BYTES_MAX ? FILE_BYTES_MAX : bytes;
}

static const struct record_input *copy_inputs(struct arena *a, const struct record_job *job) {
  struct record_input *inputs = arena_alloc(a, job->input_count * sizeof *inputs);
  for (size_t i = 0; i < job->input_count; i++)
    inputs[i] = (struct record_input){
        .name = arena_dup(a, job->inputs[i].name),
        .sha256 = arena_dup(a, job->inputs[i].sha256),
        .bytes = plausible(job->inputs[i].bytes),
        .role = arena_dup(a, job->inputs[i].role),
    };
  return inputs;
}

static int64_t plausible_artifact(const struct record_artifact *a) {
  return a->url != NULL && a->bytes < 0 ? -1 : plausible(a->bytes);
}

static const struct record_artifact *copy_artifacts(struct arena *a, const struct record_job *job) {
  struct record_artifact *artifacts = arena_alloc(a, job->artifact_count * sizeof *artifacts);
  for (size_t i = 0; i < job->artifact_count; i++)
    artifacts[i] = (struct record_artifact){
        .name = arena_dup(a, job->artifacts[i].name),
        .media_type = arena_dup(a, job->artifacts[i].media_type),
        .sha256 = arena_dup(a, job->artifacts[i].sha256),
        .bytes = plausible_artifact(&job->artifacts[i]),
        .url = arena_dup(a, job->artifacts[i].url),
        .expires_us = job->artifacts[i].expires_us,
    };
  return artifacts;
}

void op_copy_key(struct op *op, const struct store_idempotency *in) {
  if (in == NULL)
    return;
  struct store_idempotency *k = arena_alloc(&op->arena, sizeof *k);
  k->client = arena_dup(&op->arena, in->client != NULL ? in->client : "");
  k->key = arena_dup(&op->arena, in->key);
  k->fingerprint = arena_dup(&op->arena, in->fingerprint);
  k->expires_us = in->expires_us;
  op->key = k;
}

int64_t store_next_num(struct store *s) {
  return s->next_num++;
}

struct op *op_of_job(enum op_type type, const struct record_job *job,
                     const struct store_event_in *queued, store_done *done, void *arg) {
  struct op *op = op_new(type, job->num, done, arg);
  struct arena *a = &op->arena;
  struct record_job *copy = arena_alloc(a, sizeof *copy);
  copy->num = job->num;
  copy->priority = job->priority;
  copy->timeout_ms = job->timeout_ms;
  copy->created_us = job->created_us != 0 ? job->created_us : clock_wall_us();
  copy->not_before_us = job->not_before_us;
  copy->cached = job->cached;
  op->id = copy->id = arena_dup(a, job->id);
  copy->kind = arena_dup(a, job->kind);
  copy->client = arena_dup(a, job->client != NULL ? job->client : "");
  copy->pin = arena_dup(a, job->pin);
  copy->batch = arena_dup(a, job->batch);
  copy->peer = arena_dup(a, job->peer);
  copy->trace = arena_dup(a, job->trace);
  copy->via = arena_dup(a, job->via);
  copy->anew = job->anew;
  copy->params_json = arena_dup(a, job->params_json);
  copy->progress_json = arena_dup(a, job->progress_json);
  copy->input_count = job->input_count;
  copy->inputs = job->input_count > 0 ? copy_inputs(a, job) : NULL;
  op->job = copy;
  add_event(op, queued, copy->created_us);
  return op;
}

void store_submit(struct store *s, const struct record_job *job,
                  const struct store_event_in *queued, const struct record_attempt *start,
                  const struct store_event_in *started, const struct store_idempotency *key,
                  store_done *done, void *arg) {
  struct op *op = op_of_job(OP_SUBMIT, job, queued, done, arg);
  copy_attempt(op, start);
  op_copy_key(op, key);
  if (start != NULL)
    add_event(op, started, start->started_us);
  store_push(s, op);
}

struct op *op_of_cached(const struct record_job *job, int64_t source_num,
                        const struct store_event_in *queued, const struct store_event_in *completed,
                        store_done *done, void *arg) {
  struct op *op = op_of_job(OP_CACHED, job, queued, done, arg);
  struct record_job *copy = (struct record_job *)op->job;
  copy->ended_us = job->ended_us;
  copy->backend = arena_dup(&op->arena, job->backend);
  copy->result_json = arena_dup(&op->arena, job->result_json);
  copy->source = arena_dup(&op->arena, job->source);
  copy->artifact_count = job->artifact_count;
  copy->artifacts = job->artifact_count > 0 ? copy_artifacts(&op->arena, job) : NULL;
  op->source_num = source_num;
  add_event(op, completed, copy->ended_us);
  return op;
}

void store_submit_cached(struct store *s, const struct record_job *job, int64_t source_num,
                         const struct store_event_in *queued,
                         const struct store_event_in *completed,
                         const struct store_idempotency *key, store_done *done, void *arg) {
  struct op *op = op_of_cached(job, source_num, queued, completed, done, arg);
  op_copy_key(op, key);
  store_push(s, op);
}

void store_start(struct store *s, int64_t num, const char *id, const struct record_attempt *attempt,
                 const struct store_event_in *started, store_done *done, void *arg) {
  struct op *op = op_new(OP_START, num, done, arg);
  op->id = arena_dup(&op->arena, id);
  copy_attempt(op, attempt);
  add_event(op, started, attempt->started_us);
  store_push(s, op);
}

void store_finish(struct store *s, const struct record_job *job,
                  const struct record_attempt *attempt, const struct store_event_in *event,
                  store_done *done, void *arg) {
  struct op *op = op_new(OP_FINISH, job->num, done, arg);
  struct arena *a = &op->arena;
  struct record_job *copy = arena_alloc(a, sizeof *copy);
  copy->num = job->num;
  copy->state = job->state;
  copy->ended_us = job->ended_us != 0 ? job->ended_us : clock_wall_us();
  op->id = copy->id = arena_dup(a, job->id);
  copy->backend = arena_dup(a, job->backend);
  copy->result_json = arena_dup(a, job->result_json);
  copy->error_json = arena_dup(a, job->error_json);
  copy->progress_json = arena_dup(a, job->progress_json);
  copy->cache_key = arena_dup(a, job->cache_key);
  copy->artifact_count = job->artifact_count;
  copy->artifacts = job->artifact_count > 0 ? copy_artifacts(a, job) : NULL;
  op->job = copy;
  copy_attempt(op, attempt);
  add_event(op, event, copy->ended_us);
  store_push(s, op);
}

void store_requeue(struct store *s, int64_t num, const char *id,
                   const struct record_attempt *attempt, int64_t not_before_us,
                   const struct store_event_in *event, store_done *done, void *arg) {
  struct op *op = op_new(OP_REQUEUE, num, done, arg);
  op->id = arena_dup(&op->arena, id);
  op->not_before_us = not_before_us;
  copy_attempt(op, attempt);
  add_event(op, event, 0);
  store_push(s, op);
}

void store_event(struct store *s, int64_t num, const char *id, const struct store_event_in *event,
                 store_done *done, void *arg) {
  struct op *op = op_new(OP_EVENT, num, done, arg);
  op->id = arena_dup(&op->arena, id);
  add_event(op, event, 0);
  store_push(s, op);
}

void store_checkpoint(struct store *s, int64_t num, int attempt, const char *ref, store_done *done,
                      void *arg) {
  struct op *op = op_new(OP_CHECKPOINT, num, done, arg);
  copy_attempt(op, &(struct record_attempt){.number = attempt});
  op->ref = arena_dup(&op->arena, ref);
  store_push(s, op);
}

void store_facts(struct store *s, int64_t num, int attempt, const char *facts_json) {
  struct op *op = op_new(OP_CHECKPOINT, num, NULL, NULL);
  copy_attempt(op, &(struct record_attempt){.number = attempt, .facts_json = facts_json});
  store_push(s, op);
}

void store_note(struct store *s, int64_t num, int attempt, const char *note) {
  struct op *op = op_new(OP_CHECKPOINT, num, NULL, NULL);
  copy_attempt(op, &(struct record_attempt){.number = attempt, .note = note});
  store_push(s, op);
}

void store_keep(struct store *s, const char *name, const char *value) {
  struct op *op = op_new(OP_KEEP, 0, NULL, NULL);
  op->kept_name = arena_dup(&op->arena, name);
  op->kept_value = arena_dup(&op->arena, value);
  store_push(s, op);
}

void store_cancel(struct store *s, int64_t num, const char *id, store_done *done, void *arg) {
  struct op *op = op_new(OP_CANCEL, num, done, arg);
  op->id = arena_dup(&op->arena, id);
  store_push(s, op);
}

void store_delete(struct store *s, int64_t num, store_done *done, void *arg) {
  store_push(s, op_new(OP_DELETE, num, done, arg));
}

void store_purge(struct store *s, const struct store_retention *r,
                 void (*done)(void *arg, int code, const struct store_purged *p), void *arg) {
  struct op *op = op_new(OP_PURGE, 0, NULL, arg);
  struct store_retention *copy = arena_alloc(&op->arena, sizeof *copy);
  *copy = *r;
  if (copy->batch < 1 || copy->batch > 1000)
    copy->batch = copy->batch < 1 ? 100 : 1000;
  op->retention = copy;
  op->purged = done;
  store_push(s, op);
}

static void look_up(struct store *s, enum op_type type, const char *const *names, size_t count,
                    void (*done)(void *arg, int code, const char *const *unused, size_t n),
                    void *arg) {
  struct op *op = op_new(type, 0, NULL, arg);
  op->names = arena_alloc(&op->arena, (count + 1) * sizeof *op->names);
  for (size_t i = 0; i < count; i++)
    op->names[i] = arena_dup(&op->arena, names[i]);
  op->name_count = count;
  op->unused = done;
  store_push(s, op);
}

void store_unused_blobs(struct store *s, const char *const *sha256s, size_t count,
                        void (*done)(void *arg, int code, const char *const *unused, size_t n),
                        void *arg) {
  look_up(s, OP_UNUSED, sha256s, count, done, arg);
}

void store_unowned(struct store *s, const char *const *job_ids, size_t count,
                   void (*done)(void *arg, int code, const char *const *unowned, size_t n),
                   void *arg) {
  look_up(s, OP_UNOWNED, job_ids, count, done, arg);
}
