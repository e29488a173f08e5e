/* SPDX-License-Identifier: MIT
 *
 * From rows to records.  Everything lies in the arena of the read.
 */
#include "store/sqlite/private.h"

#include "base/mem.h"

#include <stdlib.h>

enum col { /* the order of JOB_COLUMNS */
           COL_NUM,
           COL_ID,
           COL_STATE,
           COL_KIND,
           COL_BACKEND,
           COL_CLIENT,
           COL_CREATED,
           COL_ENDED,
           COL_STARTED,
           COL_NOT_BEFORE,
           COL_PRIORITY,
           COL_TIMEOUT,
           COL_CACHED,
           COL_INPUTS,
           COL_ARTIFACTS,
           COL_TRIES,
           COL_ATT_STATE,
           COL_ATT_STARTED,
           COL_ATT_ENDED,
           COL_ATT_REF,
           COL_ATT_ERROR,
           COL_PIN,
           COL_PARAMS,
           COL_PROGRESS,
           COL_RESULT,
           COL_ERROR,
           COL_SOURCE,
           COL_BATCH,
           COL_CANCEL,
           COL_PEER,
           COL_TRACE,
           COL_ATT_FACTS,
           COL_ATT_FAULT,
           COL_ATT_OPEN,
           COL_ATT_PLUGIN,
           COL_ATT_DECISION,
           COL_ATT_NOTE,
           COL_ATT_CANCEL,
           COL_VIA,
           COL_PAID,
           COL_ANEW,
};

const char *row_text(sqlite3_stmt *st, int col, struct arena *a) {
  const char *text = (const char *)sqlite3_column_text(st, col);
  return text != NULL ? arena_dup_n(a, text, (size_t)sqlite3_column_bytes(st, col)) : NULL;
}

/* Runs `which` for the job and gives each row to `take`, at most `max` of them; *count tells how
 * many there were. */
static int each_row(struct conn *c, enum sql which, int64_t num, size_t max, size_t *count,
                    void (*take)(sqlite3_stmt *st, struct arena *a, void *array, size_t i),
                    struct arena *a, void *array, struct err *err) {
  sqlite3_stmt *st = conn_stmt(c, which);
  int code = 0;
  sqlite3_bind_int64(st, 1, num);
  for (*count = 0; *count < max && (code = conn_step(c, st, err)) > 0; (*count)++)
    take(st, a, array, *count);
  sqlite3_reset(st);
  return code < 0 ? code : 0;
}

static void take_input(sqlite3_stmt *st, struct arena *a, void *array, size_t i) {
  ((struct record_input *)array)[i] = (struct record_input){
      .name = row_text(st, 0, a),
      .sha256 = row_text(st, 1, a),
      .bytes = sqlite3_column_int64(st, 2),
      .role = row_text(st, 3, a),
  };
}

static void take_artifact(sqlite3_stmt *st, struct arena *a, void *array, size_t i) {
  ((struct record_artifact *)array)[i] = (struct record_artifact){
      .name = row_text(st, 0, a),
      .media_type = row_text(st, 1, a),
      .sha256 = row_text(st, 2, a),
      .bytes = sqlite3_column_int64(st, 3),
      .url = row_text(st, 4, a),
      .expires_us = sqlite3_column_int64(st, 5),
  };
}

static void take_attempt(sqlite3_stmt *st, struct arena *a, void *array, size_t i) {
  ((struct record_attempt *)array)[i] = (struct record_attempt){
      .number = sqlite3_column_int(st, 0),
      .state = (enum job_state)sqlite3_column_int(st, 1),
      .backend = row_text(st, 2, a),
      .started_us = sqlite3_column_int64(st, 3),
      .ended_us = sqlite3_column_int64(st, 4),
      .ref = row_text(st, 5, a),
      .error_json = row_text(st, 6, a),
      .facts_json = row_text(st, 7, a),
      .fault = (enum attempt_fault)sqlite3_column_int(st, 8),
      .open = sqlite3_column_int(st, 9),
      .plugin_version = row_text(st, 10, a),
      .decision_json = row_text(st, 11, a),
      .note = row_text(st, 12, a),
      .cancel = (enum attempt_cancel)sqlite3_column_int(st, 13),
  };
}

static int attempts_of(struct conn *c, sqlite3_stmt *st, struct arena *a, struct record_job *job,
                       struct err *err) {
  bool last = sqlite3_column_type(st, COL_ATT_STATE) != SQLITE_NULL;
  size_t tries = (size_t)sqlite3_column_int64(st, COL_TRIES);
  size_t earlier = tries - (last && tries > 0 ? 1 : 0);
  if (!last && earlier == 0)
    return 0;
  struct record_attempt *attempts = arena_alloc(a, (earlier + 1) * sizeof *attempts);
  job->attempts = attempts;
  int code = earlier == 0 ? 0
                          : each_row(c, SQL_ATTEMPTS, job->num, earlier, &job->attempt_count,
                                     take_attempt, a, attempts, err);
  if (code < 0 || !last)
    return code;
  attempts[job->attempt_count++] = (struct record_attempt){
      .number = (int)tries,
      .state = (enum job_state)sqlite3_column_int(st, COL_ATT_STATE),
      .backend = job->backend,
      .started_us = sqlite3_column_int64(st, COL_ATT_STARTED),
      .ended_us = sqlite3_column_int64(st, COL_ATT_ENDED),
      .ref = row_text(st, COL_ATT_REF, a),
      .error_json = row_text(st, COL_ATT_ERROR, a),
      .facts_json = row_text(st, COL_ATT_FACTS, a),
      .fault = (enum attempt_fault)sqlite3_column_int(st, COL_ATT_FAULT),
      .open = sqlite3_column_int(st, COL_ATT_OPEN),
      .plugin_version = row_text(st, COL_ATT_PLUGIN, a),
      .decision_json = row_text(st, COL_ATT_DECISION, a),
      .note = row_text(st, COL_ATT_NOTE, a),
      .cancel = (enum attempt_cancel)sqlite3_column_int(st, COL_ATT_CANCEL),
  };
  return 0;
}

static void columns_of(sqlite3_stmt *st, struct arena *a, struct record_job *job) {
  *job = (struct record_job){
      .num = sqlite3_column_int64(st, COL_NUM),
      .id = row_text(st, COL_ID, a),
      .kind = row_text(st, COL_KIND, a),
      .client = row_text(st, COL_CLIENT, a),
      .pin = row_text(st, COL_PIN, a),
      .state = (enum job_state)sqlite3_column_int(st, COL_STATE),
      .priority = sqlite3_column_int(st, COL_PRIORITY),
      .timeout_ms = sqlite3_column_int64(st, COL_TIMEOUT),
      .params_json = row_text(st, COL_PARAMS, a),
      .progress_json = row_text(st, COL_PROGRESS, a),
      .result_json = row_text(st, COL_RESULT, a),
      .error_json = row_text(st, COL_ERROR, a),
      .backend = row_text(st, COL_BACKEND, a),
      .created_us = sqlite3_column_int64(st, COL_CREATED),
      .started_us = sqlite3_column_int64(st, COL_STARTED),
      .ended_us = sqlite3_column_int64(st, COL_ENDED),
      .not_before_us = sqlite3_column_int64(st, COL_NOT_BEFORE),
      .cached = sqlite3_column_int(st, COL_CACHED) != 0,
      .source = row_text(st, COL_SOURCE, a),
      .batch = row_text(st, COL_BATCH, a),
      .cancel = sqlite3_column_int(st, COL_CANCEL) != 0,
      .peer = row_text(st, COL_PEER, a),
      .trace = row_text(st, COL_TRACE, a),
      .via = row_text(st, COL_VIA, a),
      .anew = sqlite3_column_int(st, COL_ANEW) != 0,
  };
}

int row_artifacts(struct conn *c, int64_t num, size_t max, struct arena *a, struct record_job *job,
                  struct err *err) {
  if (max == 0)
    return 0;
  struct record_artifact *array = arena_alloc(a, max * sizeof *array);
  job->artifacts = array;
  return each_row(c, SQL_ARTIFACTS, num, max, &job->artifact_count, take_artifact, a, array, err);
}

int row_job(struct conn *c, sqlite3_stmt *st, struct arena *a, struct record_job *job,
            struct err *err) {
  columns_of(st, a, job);
  size_t inputs = (size_t)sqlite3_column_int64(st, COL_INPUTS);
  size_t artifacts = (size_t)sqlite3_column_int64(st, COL_ARTIFACTS);
  int code = 0;
  if (inputs > 0) {
    struct record_input *array = arena_alloc(a, inputs * sizeof *array);
    job->inputs = array;
    code = each_row(c, SQL_INPUTS, job->num, inputs, &job->input_count, take_input, a, array, err);
  }
  if (code == 0)
    code = row_artifacts(c, job->num, artifacts, a, job, err);
  if (code == 0)
    code = attempts_of(c, st, a, job, err);
  if (code == 0 && sqlite3_column_int(st, COL_PAID) != 0)
    code = row_costs(c, job->num, (struct record_attempt *)job->attempts, job->attempt_count, a,
                     err);
  return code;
}

void row_event(sqlite3_stmt *st, struct arena *a, struct record_event *event) {
  *event = (struct record_event){
      .seq = sqlite3_column_int64(st, 0),
      .job_num = sqlite3_column_int64(st, 1),
      .job_id = row_text(st, 2, a),
      .type = (enum event_type)sqlite3_column_int(st, 3),
      .at_us = sqlite3_column_int64(st, 4),
      .data_json = row_text(st, 5, a),
      .data_len = (size_t)sqlite3_column_bytes(st, 5),
  };
}

/* ---- recovery ---- */

/* Numbers first: a walk over the small index of unfinished jobs alone, in order of state. */
static int open_jobs(struct conn *c, int64_t **nums, size_t *count, struct err *err) {
  sqlite3_stmt *st = conn_stmt(c, SQL_JOBS_OPEN);
  size_t cap = 0;
  int code;
  while ((code = conn_step(c, st, err)) > 0) {
    if (*count == cap) {
      cap = cap > 0 ? cap * 2 : 256;
      *nums = mem_grow(*nums, cap * sizeof **nums);
    }
    (*nums)[(*count)++] = sqlite3_column_int64(st, 0);
  }
  return code;
}

static int compare_nums(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

static int recover_one(struct conn *c, int64_t num,
                       int (*each)(void *ctx, const struct record_job *job), void *ctx,
                       struct err *err) {
  struct arena a = {0};
  struct record_job job;
  sqlite3_stmt *st = conn_stmt(c, SQL_JOB_BY_NUM);
  sqlite3_bind_int64(st, 1, num);
  int code = conn_step(c, st, err);
  if (code > 0 && (code = row_job(c, st, &a, &job, err)) == 0)
    code = each(ctx, &job) != 0;
  sqlite3_reset(st);
  arena_free(&a);
  return code;
}

int recover_jobs(struct engine *e, int (*each)(void *ctx, const struct record_job *job), void *ctx,
                 struct err *err) {
  struct conn c;
  int64_t *nums = NULL;
  size_t count = 0;
  int code = conn_open(&c, e->path, e->options.cache_bytes / 4, false, err);
  if (code < 0)
    return code;
  code = open_jobs(&c, &nums, &count, err);
  if (count > 1)
    qsort(nums, count, sizeof *nums, compare_nums);
  for (size_t i = 0; i < count && code == 0; i++)
    code = recover_one(&c, nums[i], each, ctx, err);
  free(nums);
  conn_close(&c);
  return code < 0 ? code : 0;
}
