/* SPDX-License-Identifier: MIT
 *
 * Results that answer later jobs, and the files that jobs share by it.
 *
 *   job A runs ----------> output/A/, cache[key] -> A
 *   job B, the same -----> completed at once: B.source = A, B's artifacts are those of output/A/
 *
 * The folder output/A/ goes with the last job whose files it holds, be it A or one with source = A;
 * rows are the count.  Its bytes count once: for A, and when A is gone for the oldest of the
 * others. An entry of the cache goes with A.  On the writer thread.
 */
#include "store/sqlite/private.h"

#define ENTRIES_A_CALL 2000

int cache_put(struct engine *e, const struct op *op, struct err *err) {
  sqlite3_stmt *st = conn_stmt(&e->conn, SQL_CACHE_PUT);
  bind_text(st, 1, op->job->cache_key);
  sqlite3_bind_int64(st, 2, op->num);
  sqlite3_bind_int64(st, 3, op->job->ended_us);
  return conn_step(&e->conn, st, err);
}

static int put_row(struct engine *e, const struct op *op, int64_t bytes, struct err *err) {
  const struct record_job *job = op->job;
  sqlite3_stmt *st = conn_stmt(&e->conn, SQL_JOB_CACHED);
  sqlite3_bind_int64(st, 1, job->num);
  bind_text(st, 2, job->id);
  bind_text(st, 3, job->kind);
  bind_text(st, 4, job->backend);
  bind_text(st, 5, job->client);
  sqlite3_bind_int64(st, 6, job->created_us);
  sqlite3_bind_int64(st, 7, job->ended_us);
  sqlite3_bind_int64(st, 8, bytes);
  sqlite3_bind_int(st, 9, job->priority);
  sqlite3_bind_int64(st, 10, job->timeout_ms);
  sqlite3_bind_int64(st, 11, (int64_t)job->input_count);
  sqlite3_bind_int64(st, 12, (int64_t)job->artifact_count);
  bind_text(st, 13, job->pin);
  bind_text(st, 14, job->params_json);
  bind_text(st, 15, job->progress_json);
  bind_text(st, 16, job->result_json);
  bind_text(st, 17, job->source);
  bind_text(st, 18, job->batch);
  return conn_step(&e->conn, st, err);
}

static int check_source(struct engine *e, const struct op *op, struct err *err) {
  sqlite3_stmt *st = conn_stmt(&e->conn, SQL_CACHE_SOURCE);
  sqlite3_bind_int64(st, 1, op->source_num);
  bind_text(st, 2, op->job->source);
  int code = conn_step(&e->conn, st, err);
  sqlite3_reset(st);
  if (code == 0)
    return err_set(err, ERR_NOT_FOUND, "the result of job %s was removed", op->job->source);
  return code < 0 ? code : 0;
}

static int put_cached(struct engine *e, const struct op *op, int64_t bytes, struct err *err) {
  int code = check_source(e, op, err);
  if (code < 0 || (code = put_row(e, op, bytes, err)) < 0)
    return code;
  return op_put_artifacts(e, op->job, err);
}

int op_apply_cached(struct engine *e, struct op *op, struct err *err) {
  return op_put_new(e, op, JOB_COMPLETED, put_cached, err);
}

/* ---- the end ---- */

static int int_for(struct engine *e, enum sql which, const char *id, int64_t *value,
                   struct err *err) {
  sqlite3_stmt *st = conn_stmt(&e->conn, which);
  bind_text(st, 1, id);
  return conn_int(&e->conn, st, 0, value, err);
}

static int hand_bytes_to(struct engine *e, int64_t heir, struct err *err) {
  int64_t bytes;
  sqlite3_stmt *st = conn_stmt(&e->conn, SQL_ARTIFACTS_BYTES);
  sqlite3_bind_int64(st, 1, heir);
  int code = conn_int(&e->conn, st, 0, &bytes, err);
  if (code < 0)
    return code;
  st = conn_stmt(&e->conn, SQL_JOB_BEARS);
  sqlite3_bind_int64(st, 1, heir);
  sqlite3_bind_int64(st, 2, bytes);
  totals_add_bytes(&e->now, bytes);
  return conn_step(&e->conn, st, err);
}

int cache_leave(struct engine *e, int64_t num, const char *id, const char *source,
                bool *folder_goes, struct err *err) {
  const char *folder = source != NULL ? source : id;
  int64_t owner = 0, first = 0;
  sqlite3_stmt *st = conn_stmt(&e->conn, SQL_CACHE_FORGET);
  sqlite3_bind_int64(st, 1, num);
  int code = conn_step(&e->conn, st, err);
  if (code == 0 && source != NULL)
    code = int_for(e, SQL_FILES_OWNER, folder, &owner, err);
  if (code == 0)
    code = int_for(e, SQL_FILES_FIRST, folder, &first, err);
  if (code < 0)
    return code;
  *folder_goes = owner == 0 && first == 0;
  bool bore = source == NULL || (owner == 0 && num < first);
  return bore && first != 0 ? hand_bytes_to(e, first, err) : 0;
}

int cache_purge(struct engine *e, struct op *op, struct err *err) {
  const struct store_retention *r = op->retention;
  const struct {
    enum sql which;
    int64_t limit;
  } rules[] = {{SQL_CACHE_OLD, r->cache_before_us}, {SQL_CACHE_MANY, r->cache_max}};
  for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
    if (rules[i].limit <= 0)
      continue;
    sqlite3_stmt *st = conn_stmt(&e->conn, rules[i].which);
    sqlite3_bind_int64(st, 1, rules[i].limit);
    sqlite3_bind_int(st, 2, ENTRIES_A_CALL);
    int code = conn_step(&e->conn, st, err);
    if (code < 0)
      return code;
    op->more |= sqlite3_changes(e->conn.db) == ENTRIES_A_CALL;
  }
  return 0;
}
