/* SPDX-License-Identifier: MIT
 *
 * Retention: what goes, oldest first, a bounded amount a call so that no commit
 * waits long for it.  Only final jobs go.  Blobs that several jobs name count
 * once for each of them towards bytes_max.
 *
 * Oldest means the smallest number.  A job that began after a limit of age cannot
 * have ended before it, so a walk by number ends at the first one created later.
 */
#include "store/private.h"

#include <string.h>

#define EVENTS_A_CALL 5000 /* removed progress and log events */
#define KEYS_A_CALL   2000
#define VACUUM_PAGES  128 /* given back to the file system in one call (512 KiB) */
#define SPARE_PAGES   256 /* kept for the jobs to come */

struct doomed { /* a job that is removed */
  int64_t num, bytes;
  enum job_state state;
  int inputs, artifacts, earlier; /* rows of its own: earlier attempts */
  bool noisy;
  const char *id, *source, *batch;
};

struct purge {
  struct store *s;
  struct op *op;
  const struct store_retention *r;
  int64_t finals, bytes; /* what is left of final jobs */
  int64_t events;        /* may still be removed */
  int jobs;              /* may still be removed */
};

static int delete_of(struct store *s, enum sql which, int64_t num, struct err *err) {
  sqlite3_stmt *st = conn_stmt(&s->conn, which);
  sqlite3_bind_int64(st, 1, num);
  return conn_step(&s->conn, st, err);
}

/* A reader that comes back with an older seq must learn that something is missing. */
static int remember_purged(struct store *s, enum sql top, int64_t num, struct err *err) {
  int64_t seq;
  sqlite3_stmt *st = conn_stmt(&s->conn, top);
  sqlite3_bind_int64(st, 1, num);
  int code = conn_int(&s->conn, st, 0, &seq, err);
  if (seq > s->now.purged_seq)
    s->now.purged_seq = seq;
  return code;
}

/* The folder of its results joins op->folders if nobody needs it any more. */
static int delete_job(struct store *s, struct op *op, const struct doomed *d, struct err *err) {
  bool folder_goes = false;
  int code;
  if ((code = remember_purged(s, SQL_EVENTS_MAX, d->num, err)) < 0 ||
      (code = delete_of(s, SQL_EVENTS_DELETE, d->num, err)) < 0 ||
      (d->earlier > 0 && (code = delete_of(s, SQL_ATTEMPTS_DELETE, d->num, err)) < 0) ||
      (d->inputs > 0 && (code = delete_of(s, SQL_INPUTS_DELETE, d->num, err)) < 0) ||
      (d->artifacts > 0 && (code = delete_of(s, SQL_ARTIFACTS_DELETE, d->num, err)) < 0) ||
      (code = delete_of(s, SQL_JOB_DELETE, d->num, err)) < 0)
    return code;
  s->now.jobs[d->state]--;
  totals_add_bytes(&s->now, -d->bytes);
  if (d->batch != NULL && (code = batch_leave(s, d->batch, err)) < 0)
    return code;
  code = cache_leave(s, d->num, d->id, d->source, &folder_goes, err);
  if (folder_goes)
    op->folders[op->folder_count++] = d->source != NULL ? d->source : d->id;
  return code;
}

int op_apply_delete(struct store *s, struct op *op, struct err *err) {
  sqlite3_stmt *st = conn_stmt(&s->conn, SQL_JOB_STATE);
  sqlite3_bind_int64(st, 1, op->num);
  int code = conn_step(&s->conn, st, err);
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
  if (!job_state_is_final(d.state))
    return err_set(err, ERR_CONFLICT, "job %s is %s; cancel it before it is removed", op->id,
                   job_state_word(d.state));
  return delete_job(s, op, &d, err);
}

/* Removes progress and log events of a final job, as many as this call still may. */
static int quieten(struct purge *p, int64_t num, struct err *err) {
  struct store *s = p->s;
  sqlite3_stmt *st = conn_stmt(&s->conn, SQL_NOISE_TOP);
  sqlite3_bind_int64(st, 1, num);
  sqlite3_bind_int64(st, 2, p->events);
  int code = conn_step(&s->conn, st, err);
  if (code < 0)
    return code;
  int64_t count = sqlite3_column_int64(st, 0), top = sqlite3_column_int64(st, 1);
  sqlite3_reset(st);
  bool rest = count == p->events;
  p->events -= count;
  p->op->more |= rest;
  if (top > s->now.purged_seq)
    s->now.purged_seq = top;
  st = conn_stmt(&s->conn, SQL_NOISE_DELETE);
  sqlite3_bind_int64(st, 1, num);
  sqlite3_bind_int64(st, 2, top);
  if ((code = conn_step(&s->conn, st, err)) < 0)
    return code;
  st = conn_stmt(&s->conn, SQL_NOISE_DONE);
  sqlite3_bind_int64(st, 1, num);
  sqlite3_bind_int64(st, 2, top);
  sqlite3_bind_int(st, 3, rest);
  return conn_step(&s->conn, st, err);
}

/* ---- retention of jobs ---- */

static bool must_go(const struct purge *p, int64_t ended_us) {
  const struct store_retention *r = p->r;
  return ended_us < r->jobs_before_us || (r->jobs_max > 0 && p->finals > r->jobs_max) ||
         (r->bytes_max > 0 && p->bytes > r->bytes_max);
}

/* Collects the oldest jobs that go; they are removed once the walk is over. */
static int find_doomed(struct purge *p, struct doomed *found, int *count, struct err *err) {
  struct conn *c = &p->s->conn;
  sqlite3_stmt *st = conn_stmt(c, SQL_JOBS_OLDEST);
  int code;
  sqlite3_bind_int64(st, 1, 0);
  while ((code = conn_step(c, st, err)) > 0) {
    enum job_state state = (enum job_state)sqlite3_column_int(st, 1);
    bool by_number = (p->r->jobs_max > 0 && p->finals > p->r->jobs_max) ||
                     (p->r->bytes_max > 0 && p->bytes > p->r->bytes_max);
    if (!by_number && sqlite3_column_int64(st, 3) >= p->r->jobs_before_us)
      break;
    if (!job_state_is_final(state) || !must_go(p, sqlite3_column_int64(st, 2)))
      continue;
    if (*count == p->jobs) {
      p->op->more = true;
      break;
    }
    struct doomed *d = &found[(*count)++];
    *d = (struct doomed){
        .num = sqlite3_column_int64(st, 0),
        .state = state,
        .bytes = sqlite3_column_int64(st, 4),
        .inputs = sqlite3_column_int(st, 5),
        .artifacts = sqlite3_column_int(st, 6),
        .earlier = sqlite3_column_int(st, 7),
        .noisy = sqlite3_column_int(st, 8) != 0,
        .id = arena_dup(&p->op->arena, (const char *)sqlite3_column_text(st, 9)),
        .source = arena_dup(&p->op->arena, (const char *)sqlite3_column_text(st, 10)),
        .batch = arena_dup(&p->op->arena, (const char *)sqlite3_column_text(st, 11)),
    };
    p->finals--;
    p->bytes = p->bytes > d->bytes ? p->bytes - d->bytes : 0;
  }
  sqlite3_reset(st);
  return code < 0 ? code : 0;
}

static int purge_jobs(struct purge *p, struct err *err) {
  struct op *op = p->op;
  struct doomed *found = arena_alloc(&op->arena, (size_t)p->jobs * sizeof *found);
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
    if (p->events <= 0)
      break;
    if (code == 0)
      code = delete_job(p->s, op, &found[i], err);
    op->names[op->name_count++] = found[i].id;
  }
  return code;
}

/* ---- retention of progress and log events ---- */

static int find_noisy(struct purge *p, int64_t *nums, int max, int *count, struct err *err) {
  struct conn *c = &p->s->conn;
  sqlite3_stmt *st = conn_stmt(c, SQL_JOBS_NOISY);
  int code;
  sqlite3_bind_int64(st, 1, 0);
  while ((code = conn_step(c, st, err)) > 0) {
    if (sqlite3_column_int64(st, 2) >= p->r->events_before_us)
      break;
    if (sqlite3_column_int64(st, 1) >= p->r->events_before_us)
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
  int max = p->r->batch, count = 0;
  int64_t *nums = arena_alloc(&p->op->arena, (size_t)max * sizeof *nums);
  int code = find_noisy(p, nums, max, &count, err);
  for (int i = 0; i < count && code == 0; i++) {
    if (p->events <= 0)
      break; /* more was set with the last of them */
    code = quieten(p, nums[i], err);
  }
  return code;
}

/* ---- the rest ---- */

static int purge_keys(struct purge *p, struct err *err) {
  sqlite3_stmt *st = conn_stmt(&p->s->conn, SQL_KEYS_PURGE);
  sqlite3_bind_int64(st, 1, p->r->keys_before_us);
  sqlite3_bind_int(st, 2, KEYS_A_CALL);
  int code = conn_step(&p->s->conn, st, err);
  p->op->more |= code == 0 && sqlite3_changes(p->s->conn.db) == KEYS_A_CALL;
  return code;
}

static int give_back_pages(struct purge *p, struct err *err) {
  struct conn *c = &p->s->conn;
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

int op_apply_purge(struct store *s, struct op *op, struct err *err) {
  struct purge p = {.s = s,
                    .op = op,
                    .r = op->retention,
                    .events = EVENTS_A_CALL,
                    .jobs = op->retention->batch,
                    .finals = s->now.jobs[JOB_COMPLETED] + s->now.jobs[JOB_FAILED] +
                              s->now.jobs[JOB_CANCELLED]};
  int64_t open_bytes = 0;
  int code = 0;
  if (p.r->bytes_max > 0)
    code = conn_int(&s->conn, conn_stmt(&s->conn, SQL_BYTES_OPEN), 0, &open_bytes, err);
  if (code < 0)
    return code;
  p.bytes = s->now.bytes > open_bytes ? s->now.bytes - open_bytes : 0;
  op->more = false;
  op->name_count = 0;
  if ((code = purge_jobs(&p, err)) < 0 ||
      (p.r->events_before_us > 0 && (code = purge_events(&p, err)) < 0) ||
      (p.r->keys_before_us > 0 && (code = purge_keys(&p, err)) < 0) ||
      (code = cache_purge(s, op, err)) < 0)
    return code;
  return give_back_pages(&p, err);
}

/* Keeps those names for which `which` finds nothing. */
static int keep_unknown(struct store *s, struct op *op, enum sql which, struct err *err) {
  size_t kept = 0;
  for (size_t i = 0; i < op->name_count; i++) {
    sqlite3_stmt *st = conn_stmt(&s->conn, which);
    bind_text(st, 1, op->names[i]);
    int code = conn_step(&s->conn, st, err);
    if (code < 0)
      return code;
    sqlite3_reset(st);
    if (code == 0)
      op->names[kept++] = op->names[i];
  }
  op->name_count = kept;
  return 0;
}

int op_apply_unused(struct store *s, struct op *op, struct err *err) {
  return keep_unknown(s, op, SQL_INPUT_USED, err);
}

int op_apply_unowned(struct store *s, struct op *op, struct err *err) {
  return keep_unknown(s, op, SQL_FILES_NEEDED, err);
}
