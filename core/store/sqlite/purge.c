/* SPDX-License-Identifier: MIT
 *
 * What retention takes (rules.h) leaves the tables: a bounded amount a call, so that no commit
 * waits long for it; on the writer thread.
 */
#include "store/sqlite/private.h"

#include <string.h>

#define VACUUM_PAGES 128 /* given back to the file system in one call (512 KiB) */
#define SPARE_PAGES  256 /* kept for the jobs to come */

struct doomed { /* a job that is removed */
  int64_t num, bytes;
  enum job_state state;
  int inputs, artifacts, earlier; /* rows of its own: earlier attempts */
  bool noisy;
  const char *id, *source, *batch;
};

struct purge {
  struct engine *e;
  struct op *op;
  struct retention left;
};

static int delete_of(struct engine *e, enum sql which, int64_t num, struct err *err) {
  sqlite3_stmt *st = conn_stmt(&e->conn, which);
  sqlite3_bind_int64(st, 1, num);
  return conn_step(&e->conn, st, err);
}

/* A reader that comes back with an older seq must learn that something is missing. */
static int remember_purged(struct engine *e, enum sql top, int64_t num, struct err *err) {
  int64_t seq;
  sqlite3_stmt *st = conn_stmt(&e->conn, top);
  sqlite3_bind_int64(st, 1, num);
  int code = conn_int(&e->conn, st, 0, &seq, err);
  if (seq > e->now.purged_seq)
    e->now.purged_seq = seq;
  return code;
}

/* The folder of its results joins op->folders if nobody needs it any more. */
static int delete_job(struct engine *e, struct op *op, const struct doomed *d, struct err *err) {
  bool folder_goes = false;
  int code;
  if ((code = remember_purged(e, SQL_EVENTS_MAX, d->num, err)) < 0 ||
      (code = delete_of(e, SQL_EVENTS_DELETE, d->num, err)) < 0 ||
      (d->earlier > 0 && (code = delete_of(e, SQL_ATTEMPTS_DELETE, d->num, err)) < 0) ||
      (d->inputs > 0 && (code = delete_of(e, SQL_INPUTS_DELETE, d->num, err)) < 0) ||
      (d->artifacts > 0 && (code = delete_of(e, SQL_ARTIFACTS_DELETE, d->num, err)) < 0) ||
      (code = delete_of(e, SQL_JOB_DELETE, d->num, err)) < 0)
    return code;
  e->now.jobs[d->state]--;
  totals_add_bytes(&e->now, -d->bytes);
  if (d->batch != NULL && (code = batch_leave(e, d->batch, err)) < 0)
    return code;
  code = cache_leave(e, d->num, d->id, d->source, &folder_goes, err);
  if (folder_goes)
    op->folders[op->folder_count++] = d->source != NULL ? d->source : d->id;
  return code;
}

int op_apply_delete(struct engine *e, struct op *op, struct err *err) {
  sqlite3_stmt *st = conn_stmt(&e->conn, SQL_JOB_STATE);
  sqlite3_bind_int64(st, 1, op->num);
  int code = conn_step(&e->conn, st, err);
  if (code < 0)
    return code;
  if (code == 0)
    return err_set(err, ERR_NOT_FOUND, "there is no job number %lld", (long long)op->num);
  struct doomed d = {.num = op->num,
                     .state = (enum job_state)sqlite3_column_int(st, 0),
                     .earlier = sqlite3_column_int(st, 1),
                     .bytes = sqlite3_column_int64(st, 2),
                     .inputs = sqlite3_column_int(st, 3),
                     .artifacts = sqlite3_column_int(st, 4)};
  op->id = d.id = arena_dup(&op->arena, (const char *)sqlite3_column_text(st, 6));
  d.source = arena_dup(&op->arena, (const char *)sqlite3_column_text(st, 7));
  d.batch = arena_dup(&op->arena, (const char *)sqlite3_column_text(st, 8));
  op->folders = arena_alloc(&op->arena, sizeof *op->folders);
  op->folder_count = 0;
  sqlite3_reset(st);
  code = rules_may_delete(op, d.state, err);
  return code < 0 ? code : delete_job(e, op, &d, err);
}

/* Removes progress and log events of a final job, as many as this call still may. */
static int quieten(struct purge *p, int64_t num, struct err *err) {
  struct engine *e = p->e;
  sqlite3_stmt *st = conn_stmt(&e->conn, SQL_NOISE_TOP);
  sqlite3_bind_int64(st, 1, num);
  sqlite3_bind_int64(st, 2, p->left.events);
  int code = conn_step(&e->conn, st, err);
  if (code < 0)
    return code;
  int64_t count = sqlite3_column_int64(st, 0), top = sqlite3_column_int64(st, 1);
  sqlite3_reset(st);
  bool rest = count == p->left.events;
  p->left.events -= count;
  p->op->more |= rest;
  if (top > e->now.purged_seq)
    e->now.purged_seq = top;
  st = conn_stmt(&e->conn, SQL_NOISE_DELETE);
  sqlite3_bind_int64(st, 1, num);
  sqlite3_bind_int64(st, 2, top);
  if ((code = conn_step(&e->conn, st, err)) < 0)
    return code;
  st = conn_stmt(&e->conn, SQL_NOISE_DONE);
  sqlite3_bind_int64(st, 1, num);
  sqlite3_bind_int64(st, 2, top);
  sqlite3_bind_int(st, 3, rest);
  return conn_step(&e->conn, st, err);
}

/* ---- retention of jobs ---- */

/* Collects the oldest jobs that go; they are removed once the walk is over. */
static int find_doomed(struct purge *p, struct doomed *found, int *count, struct err *err) {
  struct conn *c = &p->e->conn;
  sqlite3_stmt *st = conn_stmt(c, SQL_JOBS_OLDEST);
  int code;
  sqlite3_bind_int64(st, 1, 0);
  while ((code = conn_step(c, st, err)) > 0) {
    enum job_state state = (enum job_state)sqlite3_column_int(st, 1);
    int64_t bytes = sqlite3_column_int64(st, 4);
    enum retention_verdict verdict = retention_of_job(&p->left, state, sqlite3_column_int64(st, 3),
                                                      sqlite3_column_int64(st, 2), bytes);
    p->op->more |= verdict == RETENTION_MORE;
    if (verdict == RETENTION_END || verdict == RETENTION_MORE)
      break;
    if (verdict == RETENTION_KEEP)
      continue;
    struct doomed *d = &found[(*count)++];
    *d = (struct doomed){
        .num = sqlite3_column_int64(st, 0),
        .state = state,
        .bytes = bytes,
        .inputs = sqlite3_column_int(st, 5),
        .artifacts = sqlite3_column_int(st, 6),
        .earlier = sqlite3_column_int(st, 7),
        .noisy = sqlite3_column_int(st, 8) != 0,
        .id = arena_dup(&p->op->arena, (const char *)sqlite3_column_text(st, 9)),
        .source = arena_dup(&p->op->arena, (const char *)sqlite3_column_text(st, 10)),
        .batch = arena_dup(&p->op->arena, (const char *)sqlite3_column_text(st, 11)),
    };
  }
  sqlite3_reset(st);
  return code < 0 ? code : 0;
}

static int purge_jobs(struct purge *p, struct err *err) {
  struct op *op = p->op;
  struct doomed *found = arena_alloc(&op->arena, (size_t)op->retention->batch * sizeof *found);
  int count = 0;
  int code = find_doomed(p, found, &count, err);
  op->names = arena_alloc(&op->arena, (size_t)(count + 1) * sizeof *op->names);
  op->name_count = 0;
  op->folders = arena_alloc(&op->arena, (size_t)(count + 1) * sizeof *op->folders);
  op->folder_count = 0;
  for (int i = 0; i < count && code == 0; i++) {
    /* A job with many events goes in pieces, its row with the last of them. */
    if (found[i].noisy)
      code = quieten(p, found[i].num, err);
    if (p->left.events <= 0)
      break;
    if (code == 0)
      code = delete_job(p->e, op, &found[i], err);
    op->names[op->name_count++] = found[i].id;
  }
  return code;
}

/* ---- retention of progress and log events ---- */

static int find_noisy(struct purge *p, int64_t *nums, int max, int *count, struct err *err) {
  struct conn *c = &p->e->conn;
  sqlite3_stmt *st = conn_stmt(c, SQL_JOBS_NOISY);
  int code;
  sqlite3_bind_int64(st, 1, 0);
  while ((code = conn_step(c, st, err)) > 0) {
    enum retention_verdict verdict = retention_of_events(&p->left, sqlite3_column_int64(st, 2),
                                                         sqlite3_column_int64(st, 1));
    if (verdict == RETENTION_END)
      break;
    if (verdict == RETENTION_KEEP)
      continue;
    if (*count == max) {
      p->op->more = true;
      break;
    }
    nums[(*count)++] = sqlite3_column_int64(st, 0);
  }
  sqlite3_reset(st);
  return code < 0 ? code : 0;
}

static int purge_events(struct purge *p, struct err *err) {
  int max = p->op->retention->batch, count = 0;
  int64_t *nums = arena_alloc(&p->op->arena, (size_t)max * sizeof *nums);
  int code = find_noisy(p, nums, max, &count, err);
  for (int i = 0; i < count && code == 0; i++) {
    if (p->left.events <= 0)
      break; /* more was set with the last of them */
    code = quieten(p, nums[i], err);
  }
  return code;
}

/* ---- the rest ---- */

static int purge_keys(struct purge *p, struct err *err) {
  sqlite3_stmt *st = conn_stmt(&p->e->conn, SQL_KEYS_PURGE);
  sqlite3_bind_int64(st, 1, p->op->retention->keys_before_us);
  sqlite3_bind_int(st, 2, RETENTION_KEYS_A_CALL);
  int code = conn_step(&p->e->conn, st, err);
  p->op->more |= code == 0 && sqlite3_changes(p->e->conn.db) == RETENTION_KEYS_A_CALL;
  return code;
}

static int give_back_pages(struct purge *p, struct err *err) {
  struct conn *c = &p->e->conn;
  int64_t unused;
  int code = conn_int(c, conn_stmt(c, SQL_FREE_PAGES), 0, &unused, err);
  if (code < 0 || unused <= SPARE_PAGES)
    return code;
  int64_t pages = unused - SPARE_PAGES;
  p->op->more |= pages > VACUUM_PAGES;
  char sql[60];
  sqlite3_snprintf(sizeof sql, sql, "PRAGMA incremental_vacuum(%lld)",
                   (long long)(pages < VACUUM_PAGES ? pages : VACUUM_PAGES));
  return conn_exec(c, sql, err);
}

int op_apply_purge(struct engine *e, struct op *op, struct err *err) {
  const struct store_retention *r = op->retention;
  struct purge p = {.e = e, .op = op};
  int64_t open_bytes = 0;
  int code = 0;
  if (r->bytes_max > 0)
    code = conn_int(&e->conn, conn_stmt(&e->conn, SQL_BYTES_OPEN), 0, &open_bytes, err);
  if (code < 0)
    return code;
  p.left = retention_begin(r, &e->now, open_bytes);
  op->more = false;
  op->name_count = 0;
  if ((code = purge_jobs(&p, err)) < 0 ||
      (r->events_before_us > 0 && (code = purge_events(&p, err)) < 0) ||
      (r->keys_before_us > 0 && (code = purge_keys(&p, err)) < 0) ||
      (r->ledger_before_us > 0 && (code = ledger_purge(e, op, err)) < 0) ||
      (code = cache_purge(e, op, err)) < 0 || (code = changes_purge(e, op, err)) < 0)
    return code;
  return give_back_pages(&p, err);
}

/* Keeps those names for which `which` finds nothing. */
static int keep_unknown(struct engine *e, struct op *op, enum sql which, struct err *err) {
  size_t kept = 0;
  for (size_t i = 0; i < op->name_count; i++) {
    sqlite3_stmt *st = conn_stmt(&e->conn, which);
    bind_text(st, 1, op->names[i]);
    int code = conn_step(&e->conn, st, err);
    if (code < 0)
      return code;
    sqlite3_reset(st);
    if (code == 0)
      op->names[kept++] = op->names[i];
  }
  op->name_count = kept;
  return 0;
}

int op_apply_unused(struct engine *e, struct op *op, struct err *err) {
  return keep_unknown(e, op, SQL_INPUT_USED, err);
}

int op_apply_unowned(struct engine *e, struct op *op, struct err *err) {
  return keep_unknown(e, op, SQL_FILES_NEEDED, err);
}
