/* SPDX-License-Identifier: MIT
 *
 * How each operation changes the tables; on the writer thread, inside the
 * transaction of its group.
 *
 * Each one looks first and writes after, so that one which is refused (no such
 * job, not in that state) has changed nothing and the group goes on without it.
 */
#include "store/sqlite/private.h"

#include "base/clock.h"

#include <string.h>

static int look_at_job(struct engine *e, struct op *op, struct job_row *row, struct err *err) {
  sqlite3_stmt *st = conn_stmt(&e->conn, SQL_JOB_STATE);
  sqlite3_bind_int64(st, 1, op->num);
  int code = conn_step(&e->conn, st, err);
  if (code == 0)
    return rules_refuse_absent(op, err);
  if (code < 0)
    return code;
  *row = (struct job_row){
      .state = (enum job_state)sqlite3_column_int(st, 0),
      .tries = sqlite3_column_int(st, 1),
      .bytes = sqlite3_column_int64(st, 2),
      .inputs = sqlite3_column_int(st, 3),
      .artifacts = sqlite3_column_int(st, 4),
      .noisy = sqlite3_column_int(st, 5) != 0,
  };
  if (op->id == NULL)
    op->id = arena_dup(&op->arena, (const char *)sqlite3_column_text(st, 6));
  sqlite3_reset(st);
  return 0;
}

int op_put_events(struct engine *e, struct op *op, struct err *err) {
  int code = 0;
  for (int i = 0; i < op->event_count && code == 0; i++) {
    struct op_event *event = &op->events[i];
    event->seq = ++e->now.last_seq;
    sqlite3_stmt *st = conn_stmt(&e->conn, SQL_EVENT_NEW);
    sqlite3_bind_int64(st, 1, event->seq);
    sqlite3_bind_int64(st, 2, op->num);
    sqlite3_bind_int(st, 3, (int)event->type);
    sqlite3_bind_int64(st, 4, event->at_us);
    sqlite3_bind_text(st, 5, event->data, (int)event->len, SQLITE_STATIC);
    code = conn_step(&e->conn, st, err);
  }
  return code;
}

/* ---- submit ---- */

int op_put_inputs(struct engine *e, const struct record_job *job, struct err *err) {
  int code = 0;
  for (size_t i = 0; i < job->input_count && code == 0; i++) {
    const struct record_input *in = &job->inputs[i];
    sqlite3_stmt *st = conn_stmt(&e->conn, SQL_INPUT_NEW);
    sqlite3_bind_int64(st, 1, job->num);
    sqlite3_bind_int64(st, 2, (int64_t)i);
    bind_text(st, 3, in->name);
    bind_text(st, 4, in->sha256);
    sqlite3_bind_int64(st, 5, in->bytes);
    bind_text(st, 6, in->role);
    code = conn_step(&e->conn, st, err);
  }
  return code;
}

/* 1: the key is known with this payload, and the operation tells the job that has it. */
int op_look_at_key(struct engine *e, struct op *op, struct err *err) {
  sqlite3_stmt *st = conn_stmt(&e->conn, SQL_KEY_GET);
  bind_text(st, 1, op->key->client);
  bind_text(st, 2, op->key->key);
  int code = conn_step(&e->conn, st, err);
  if (code <= 0)
    return code;
  struct key_row row = {
      .fingerprint = (const char *)sqlite3_column_text(st, 0),
      .job_num = sqlite3_column_int64(st, 1),
      .job_id = (const char *)sqlite3_column_text(st, 2),
      .expires_us = sqlite3_column_int64(st, 3),
      .job_is_there = sqlite3_column_type(st, 4) != SQLITE_NULL,
  };
  code = rules_key(op, &row, err);
  sqlite3_reset(st);
  return code;
}

int op_put_key(struct engine *e, const struct op *op, struct err *err) {
  sqlite3_stmt *st = conn_stmt(&e->conn, SQL_KEY_PUT);
  bind_text(st, 1, op->key->client);
  bind_text(st, 2, op->key->key);
  bind_text(st, 3, op->key->fingerprint);
  sqlite3_bind_int64(st, 4, op->num);
  bind_text(st, 5, op->id);
  sqlite3_bind_int64(st, 6, op->key->expires_us);
  return conn_step(&e->conn, st, err);
}

static int put_job(struct engine *e, const struct op *op, int64_t bytes, struct err *err) {
  const struct record_job *job = op->job;
  const struct record_attempt *start = op->attempt;
  sqlite3_stmt *st = conn_stmt(&e->conn, SQL_JOB_NEW);
  sqlite3_bind_int64(st, 1, job->num);
  sqlite3_bind_text(st, 2, job->id, -1, SQLITE_STATIC);
  sqlite3_bind_int(st, 3, start != NULL ? JOB_RUNNING : JOB_QUEUED);
  bind_text(st, 4, job->kind);
  bind_text(st, 5, start != NULL ? start->backend : NULL);
  bind_text(st, 6, job->client);
  sqlite3_bind_int64(st, 7, job->created_us);
  sqlite3_bind_int64(st, 8, bytes);
  sqlite3_bind_int64(st, 9, start != NULL ? start->started_us : 0);
  sqlite3_bind_int64(st, 10, job->not_before_us);
  sqlite3_bind_int(st, 11, job->priority);
  sqlite3_bind_int64(st, 12, job->timeout_ms);
  sqlite3_bind_int(st, 13, job->cached);
  sqlite3_bind_int64(st, 14, (int64_t)job->input_count);
  if (start != NULL) {
    sqlite3_bind_int(st, 15, start->number);
    sqlite3_bind_int(st, 16, JOB_RUNNING);
    sqlite3_bind_int64(st, 17, start->started_us);
    bind_text(st, 18, start->ref);
  } else {
    sqlite3_bind_int(st, 15, 0);
    sqlite3_bind_null(st, 16);
    sqlite3_bind_int(st, 17, 0);
    sqlite3_bind_null(st, 18);
  }
  bind_text(st, 19, job->pin);
  bind_text(st, 20, job->params_json);
  bind_text(st, 21, job->progress_json);
  bind_text(st, 22, job->batch);
  bind_text(st, 23, job->peer);
  bind_text(st, 24, job->trace);
  bind_text(st, 25, start != NULL ? start->plugin_version : NULL);
  bind_text(st, 26, start != NULL ? start->decision_json : NULL);
  bind_text(st, 27, job->via);
  sqlite3_bind_int(st, 28, job->anew);
  return conn_step(&e->conn, st, err);
}

int op_put_new(struct engine *e, struct op *op, enum job_state state, op_put_row *put,
               struct err *err) {
  const struct record_job *job = op->job;
  int64_t bytes = rules_input_bytes(job);
  op->num = job->num; /* a group may run twice */
  op->id = job->id;
  op->replayed = false;
  int code = op->key != NULL ? op_look_at_key(e, op, err) : 0;
  if (code != 0)
    return code < 0 ? code : 0;
  if ((code = put(e, op, bytes, err)) < 0 || (code = op_put_inputs(e, job, err)) < 0 ||
      (op->key != NULL && (code = op_put_key(e, op, err)) < 0))
    return code;
  totals_add_job(&e->now, job->num, state, bytes);
  return op_put_events(e, op, err);
}

static int apply_submit(struct engine *e, struct op *op, struct err *err) {
  int code = op_put_new(e, op, op->attempt != NULL ? JOB_RUNNING : JOB_QUEUED, put_job, err);
  return code < 0 || op->replayed ? code : ledger_put(e, op, err);
}

/* ---- the life of a job ---- */

static int apply_start(struct engine *e, struct op *op, struct err *err) {
  int may = ledger_may_start(e, op, err);
  if (may < 0)
    return may;
  sqlite3_stmt *st = conn_stmt(&e->conn, SQL_JOB_START);
  sqlite3_bind_int64(st, 1, op->num);
  bind_text(st, 2, op->attempt->backend);
  sqlite3_bind_int64(st, 3, op->attempt->started_us);
  sqlite3_bind_int(st, 4, op->attempt->number);
  bind_text(st, 5, op->attempt->ref);
  bind_text(st, 6, op->attempt->plugin_version);
  bind_text(st, 7, op->attempt->decision_json);
  bind_text(st, 8, op->attempt->note);
  int code = conn_step(&e->conn, st, err);
  if (code < 0)
    return code;
  if (sqlite3_changes(e->conn.db) == 0) {
    struct job_row row = {0};
    code = look_at_job(e, op, &row, err);
    return code < 0 ? code : rules_refuse_state(op, &row, "start", err);
  }
  totals_move(&e->now, JOB_QUEUED, JOB_RUNNING);
  code = ledger_put(e, op, err);
  return code < 0 ? code : op_put_events(e, op, err);
}

int op_put_artifacts(struct engine *e, const struct record_job *job, struct err *err) {
  int code = 0;
  for (size_t i = 0; i < job->artifact_count && code == 0; i++) {
    const struct record_artifact *a = &job->artifacts[i];
    sqlite3_stmt *st = conn_stmt(&e->conn, SQL_ARTIFACT_NEW);
    sqlite3_bind_int64(st, 1, job->num);
    sqlite3_bind_int64(st, 2, (int64_t)i);
    bind_text(st, 3, a->name);
    bind_text(st, 4, a->media_type);
    bind_text(st, 5, a->sha256);
    sqlite3_bind_int64(st, 6, a->bytes);
    bind_text(st, 7, a->url);
    if (a->expires_us != 0)
      sqlite3_bind_int64(st, 8, a->expires_us);
    else
      sqlite3_bind_null(st, 8);
    code = conn_step(&e->conn, st, err);
  }
  return code;
}

/* Changes the row if the job is in `state` (and in that attempt): 1, else 0. */
static int finish_from(struct engine *e, const struct op *op, enum job_state state,
                       struct err *err) {
  const struct record_job *job = op->job;
  const struct record_attempt *attempt = op->attempt;
  sqlite3_stmt *st = conn_stmt(&e->conn, SQL_JOB_FINISH);
  sqlite3_bind_int64(st, 1, op->num);
  sqlite3_bind_int(st, 2, (int)job->state);
  sqlite3_bind_int64(st, 3, job->ended_us);
  bind_text(st, 4, job->result_json);
  bind_text(st, 5, job->error_json);
  bind_text(st, 6, job->progress_json);
  bind_text(st, 7, job->backend);
  sqlite3_bind_int64(st, 8, (int64_t)job->artifact_count);
  sqlite3_bind_int64(st, 9, rules_artifact_bytes(job));
  sqlite3_bind_int(st, 10, (int)(attempt != NULL ? attempt->state : job->state));
  sqlite3_bind_int64(st, 11, attempt != NULL ? attempt->ended_us : job->ended_us);
  bind_text(st, 12, attempt != NULL ? attempt->error_json : NULL);
  bind_text(st, 13, attempt != NULL ? attempt->ref : NULL);
  sqlite3_bind_int(st, 14, (int)state);
  if (attempt != NULL)
    sqlite3_bind_int(st, 15, attempt->number);
  else
    sqlite3_bind_null(st, 15);
  bind_text(st, 16, attempt != NULL ? attempt->facts_json : NULL);
  sqlite3_bind_int(st, 17, attempt != NULL ? (int)attempt->fault : ATTEMPT_NO_FAULT);
  sqlite3_bind_int(st, 18, attempt != NULL && attempt->open);
  sqlite3_bind_int(st, 19, attempt != NULL ? (int)attempt->cancel : ATTEMPT_CANCEL_NONE);
  int code = conn_step(&e->conn, st, err);
  return code < 0 ? code : sqlite3_changes(e->conn.db) > 0;
}

static int apply_finish(struct engine *e, struct op *op, struct err *err) {
  /* The state is known nearly always, which saves a look at the row. */
  enum job_state from = op->attempt != NULL ? JOB_RUNNING : JOB_QUEUED;
  int code = finish_from(e, op, from, err);
  if (code == 0) {
    struct job_row row = {0};
    if ((code = look_at_job(e, op, &row, err)) < 0)
      return code;
    if ((code = rules_may_finish(op, &row, err)) < 0)
      return code;
    from = row.state;
    code = finish_from(e, op, from, err);
  }
  if (code < 0)
    return code;
  totals_move(&e->now, from, op->job->state);
  totals_add_bytes(&e->now, rules_artifact_bytes(op->job));
  code = op_put_artifacts(e, op->job, err);
  if (code == 0)
    code = ledger_put(e, op, err);
  if (code == 0 && op->job->cache_key != NULL)
    code = cache_put(e, op, err);
  return code < 0 ? code : op_put_events(e, op, err);
}

static int keep_attempt(struct engine *e, const struct op *op, struct err *err) {
  const struct record_attempt *a = op->attempt;
  sqlite3_stmt *st = conn_stmt(&e->conn, SQL_ATTEMPT_KEEP);
  sqlite3_bind_int64(st, 1, op->num);
  if (a != NULL) {
    sqlite3_bind_int(st, 2, (int)a->state);
    sqlite3_bind_int64(st, 3, a->ended_us);
    sqlite3_bind_int(st, 7, (int)a->fault);
    sqlite3_bind_int(st, 8, a->open);
    sqlite3_bind_int(st, 9, (int)a->cancel);
  } else {
    const int nulls[] = {2, 3, 7, 8, 9};
    for (size_t i = 0; i < sizeof nulls / sizeof *nulls; i++)
      sqlite3_bind_null(st, nulls[i]);
  }
  bind_text(st, 4, a != NULL ? a->error_json : NULL);
  bind_text(st, 5, a != NULL ? a->ref : NULL);
  bind_text(st, 6, a != NULL ? a->facts_json : NULL);
  return conn_step(&e->conn, st, err);
}

/* Removes the artifacts' rows and tells their bytes. */
static int drop_artifacts(struct engine *e, int64_t num, int64_t *bytes, struct err *err) {
  sqlite3_stmt *st = conn_stmt(&e->conn, SQL_ARTIFACTS_BYTES);
  sqlite3_bind_int64(st, 1, num);
  int code = conn_int(&e->conn, st, 0, bytes, err);
  if (code < 0)
    return code;
  st = conn_stmt(&e->conn, SQL_ARTIFACTS_DELETE);
  sqlite3_bind_int64(st, 1, num);
  return conn_step(&e->conn, st, err);
}

static int apply_requeue(struct engine *e, struct op *op, struct err *err) {
  struct job_row row = {0};
  int64_t bytes = 0;
  int code = look_at_job(e, op, &row, err);
  if (code < 0)
    return code;
  if ((code = rules_may_requeue(op, &row, err)) < 0 || (code = keep_attempt(e, op, err)) < 0 ||
      (code = ledger_put(e, op, err)) < 0 ||
      (row.artifacts > 0 && (code = drop_artifacts(e, op->num, &bytes, err)) < 0))
    return code;
  sqlite3_stmt *st = conn_stmt(&e->conn, SQL_JOB_REQUEUE);
  sqlite3_bind_int64(st, 1, op->num);
  sqlite3_bind_int64(st, 2, op->not_before_us);
  sqlite3_bind_int64(st, 3, bytes);
  if ((code = conn_step(&e->conn, st, err)) < 0)
    return code;
  totals_move(&e->now, row.state, JOB_QUEUED);
  totals_add_bytes(&e->now, -bytes);
  return op_put_events(e, op, err);
}

static int apply_event(struct engine *e, struct op *op, struct err *err) {
  struct job_row row = {0};
  int code = look_at_job(e, op, &row, err);
  if (code < 0)
    return code;
  if ((code = rules_may_tell(op, &row, err)) < 0)
    return code;
  bool progress = op->events[0].type == EVENT_PROGRESS;
  if (progress || !row.noisy) {
    sqlite3_stmt *st = conn_stmt(&e->conn, progress ? SQL_JOB_PROGRESS : SQL_JOB_NOISY);
    sqlite3_bind_int64(st, 1, op->num);
    if (progress)
      sqlite3_bind_text(st, 2, op->events[0].data, (int)op->events[0].len, SQLITE_STATIC);
    if ((code = conn_step(&e->conn, st, err)) < 0)
      return code;
  }
  return op_put_events(e, op, err);
}

static int apply_checkpoint(struct engine *e, struct op *op, struct err *err) {
  sqlite3_stmt *st = conn_stmt(&e->conn, SQL_JOB_REF);
  sqlite3_bind_int64(st, 1, op->num);
  sqlite3_bind_int(st, 2, op->attempt->number);
  bind_text(st, 3, op->ref);
  bind_text(st, 4, op->attempt->facts_json);
  bind_text(st, 5, op->attempt->note);
  int code = conn_step(&e->conn, st, err);
  if (code < 0 || sqlite3_changes(e->conn.db) > 0)
    return code;
  struct job_row row = {0};
  code = look_at_job(e, op, &row, err);
  return code < 0 ? code : rules_refuse_state(op, &row, "keep a reference of another attempt", err);
}

static int apply_cancel(struct engine *e, struct op *op, struct err *err) {
  sqlite3_stmt *st = conn_stmt(&e->conn, SQL_JOB_CANCEL);
  sqlite3_bind_int64(st, 1, op->num);
  int code = conn_step(&e->conn, st, err);
  if (code < 0 || sqlite3_changes(e->conn.db) > 0)
    return code;
  struct job_row row = {0};
  code = look_at_job(e, op, &row, err);
  return code < 0 ? code : rules_refuse_state(op, &row, "be cancelled", err);
}

static int (*const appliers[OP_TYPES])(struct engine *, struct op *, struct err *) = {
    [OP_SUBMIT] = apply_submit,    [OP_START] = apply_start,
    [OP_FINISH] = apply_finish,    [OP_REQUEUE] = apply_requeue,
    [OP_EVENT] = apply_event,      [OP_CHECKPOINT] = apply_checkpoint,
    [OP_DELETE] = op_apply_delete, [OP_PURGE] = op_apply_purge,
    [OP_UNUSED] = op_apply_unused, [OP_UNOWNED] = op_apply_unowned,
    [OP_CACHED] = op_apply_cached, [OP_BATCH] = op_apply_batch,
    [OP_CANCEL] = apply_cancel,    [OP_CHANGE] = op_apply_change,
    [OP_UNDO] = op_apply_undo,     [OP_KEEP] = op_apply_keep,
};

int op_apply(struct engine *e, struct op *op, struct err *err) {
  return appliers[op->type](e, op, err);
}
