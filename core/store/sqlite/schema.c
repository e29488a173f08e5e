/* SPDX-License-Identifier: MIT
 *
 * The schema and how an older file gets there.  A migration, once released, is
 * never changed: a new one is added at the end.
 *
 * What the trees are for, and why there are no more of them: each one costs a
 * page in every commit.  All of them grow at their right edge, so that the pages
 * a new job touches are in the cache, however many old ones there are.
 *   jobs          by num; the id is found through the UNIQUE index
 *   jobs_open     the unfinished ones: recovery, and lists by queued or running
 *   jobs_bad      lists by failed or cancelled
 *   jobs_noisy    finished ones whose progress and log events retention has not removed
 *   jobs_source   those that were answered with another job's result, by that job
 *   cache         results that answer later jobs, by the digest of all that they depend on
 *   batches       by the number of their first job; the jobs of one follow each other
 *   batch_jobs    by the job's number: what a batch remembers of a job that was deleted
 *   ledger        what attempts cost, by the job's number; at: the start of the attempt
 *   settings      by name: what was set while the daemon ran; a few rows
 *   audit         by num: what changed how the server works; audit_hand: what may be undone
 *   kept          by name: what the daemon found out of its backends; a few rows
 *   events        by seq, the order of all; events_job: those of one job
 */
#include "store/sqlite/private.h"

#include "base/mem.h"
#include "observe/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char schema_1[] =
    "CREATE TABLE meta(one INTEGER PRIMARY KEY CHECK(one=1), gen, last_num, last_seq, purged_seq,"
    " bytes, queued, running, completed, failed, cancelled);"
    "INSERT INTO meta VALUES(1,0,0,0,0,0,0,0,0,0,0);"
    "CREATE TABLE jobs(num INTEGER PRIMARY KEY, id TEXT UNIQUE, state INTEGER, kind TEXT,"
    " backend TEXT, client TEXT, created INTEGER, ended INTEGER DEFAULT 0, bytes INTEGER,"
    " started INTEGER, not_before INTEGER, priority INTEGER, timeout INTEGER, cached INTEGER,"
    " inputs INTEGER, artifacts INTEGER DEFAULT 0, noisy INTEGER DEFAULT 0,"
    " gap_seq INTEGER DEFAULT 0, tries INTEGER, att_state INTEGER, att_started INTEGER,"
    " att_ended INTEGER DEFAULT 0, att_ref TEXT, att_error TEXT, pin TEXT, params TEXT,"
    " progress TEXT, result TEXT, error TEXT);"
    "CREATE INDEX jobs_open ON jobs(state) WHERE state<2;"
    "CREATE INDEX jobs_bad ON jobs(state) WHERE state>2;"
    "CREATE INDEX jobs_noisy ON jobs(noisy) WHERE noisy=1 AND state>=2;"
    "CREATE TABLE events(seq INTEGER PRIMARY KEY, job INTEGER, type INTEGER, at INTEGER,"
    " data TEXT);"
    "CREATE INDEX events_job ON events(job);"
    "CREATE TABLE attempts(job INTEGER, number INTEGER, state INTEGER, backend TEXT,"
    " started INTEGER, ended INTEGER, ref TEXT, error TEXT, PRIMARY KEY(job,number))"
    " WITHOUT ROWID;"
    "CREATE TABLE inputs(job INTEGER, pos INTEGER, name TEXT, sha256 TEXT, bytes INTEGER,"
    " PRIMARY KEY(job,pos)) WITHOUT ROWID;"
    "CREATE INDEX inputs_sha256 ON inputs(sha256);"
    "CREATE TABLE artifacts(job INTEGER, pos INTEGER, name TEXT, media_type TEXT, sha256 TEXT,"
    " bytes INTEGER, PRIMARY KEY(job,pos)) WITHOUT ROWID;"
    "CREATE TABLE keys(client TEXT, key TEXT, fingerprint TEXT, job INTEGER, id TEXT,"
    " expires INTEGER, PRIMARY KEY(client,key)) WITHOUT ROWID;"
    "CREATE INDEX keys_expires ON keys(expires);";

static const char schema_2[] =
    "ALTER TABLE jobs ADD COLUMN source TEXT;"
    "CREATE INDEX jobs_source ON jobs(source) WHERE source IS NOT NULL;"
    "CREATE TABLE cache(key TEXT PRIMARY KEY, job INTEGER, made INTEGER) WITHOUT ROWID;"
    "CREATE INDEX cache_job ON cache(job);"
    "CREATE INDEX cache_made ON cache(made);";

static const char schema_3[] =
    "ALTER TABLE jobs ADD COLUMN batch TEXT;"
    "CREATE TABLE batches(num INTEGER PRIMARY KEY, id TEXT UNIQUE, kind TEXT, client TEXT,"
    " name TEXT, sets TEXT, created INTEGER, count INTEGER);"
    "CREATE TABLE batch_jobs(job INTEGER PRIMARY KEY, id TEXT, file TEXT, label TEXT,"
    " folder TEXT);";

static const char schema_4[] = "ALTER TABLE meta ADD COLUMN id TEXT;";

static const char schema_5[] = "ALTER TABLE jobs ADD COLUMN cancel INTEGER DEFAULT 0;"
                               "ALTER TABLE jobs ADD COLUMN peer TEXT;"
                               "ALTER TABLE jobs ADD COLUMN trace TEXT;";

static const char schema_6[] = "ALTER TABLE jobs ADD COLUMN att_facts TEXT;"
                               "ALTER TABLE attempts ADD COLUMN facts TEXT;";

static const char schema_7[] = "ALTER TABLE inputs ADD COLUMN role TEXT;";

/* What an attempt's problem object said about it in words, as columns (enum attempt_fault). */
#define FAULT_OF(state, error)                                                                     \
  "CASE WHEN NOT json_valid(" error ") THEN 0"                                                     \
  " WHEN " state "=3 AND json_extract(" error ",'$.type')='/problems/job-crashed' THEN 3"          \
  " WHEN " state "=3 AND json_extract(" error ",'$.retryable')=0 THEN 2"                           \
  " WHEN " state "=0 AND json_extract(" error ",'$.type')='/problems/job-interrupted' THEN 1"      \
  " ELSE 0 END"
#define OPEN_OF(ref, error)                                                                        \
  "iif(" ref " IS NOT NULL AND json_valid(" error "),ifnull(json_extract(" error                   \
  ",'$.submission')='unknown',0),0)"

#define JOB_FAULT     FAULT_OF("att_state", "att_error")
#define JOB_OPEN      OPEN_OF("att_ref", "att_error")
#define ATTEMPT_FAULT FAULT_OF("state", "error")
#define ATTEMPT_OPEN  OPEN_OF("ref", "error")

static const char schema_8[] = "ALTER TABLE jobs ADD COLUMN att_fault INTEGER DEFAULT 0;"
                               "ALTER TABLE jobs ADD COLUMN att_open INTEGER DEFAULT 0;"
                               "ALTER TABLE jobs ADD COLUMN att_plugin TEXT;"
                               "ALTER TABLE jobs ADD COLUMN att_decision TEXT;"
                               "ALTER TABLE attempts ADD COLUMN fault INTEGER DEFAULT 0;"
                               "ALTER TABLE attempts ADD COLUMN open INTEGER DEFAULT 0;"
                               "ALTER TABLE attempts ADD COLUMN plugin TEXT;"
                               "ALTER TABLE attempts ADD COLUMN decision TEXT;"
                               "UPDATE jobs SET att_fault=" JOB_FAULT ",att_open=" JOB_OPEN
                               " WHERE att_error IS NOT NULL;"
                               "UPDATE attempts SET fault=" ATTEMPT_FAULT ",open=" ATTEMPT_OPEN
                               " WHERE error IS NOT NULL;";

static const char schema_9[] = "ALTER TABLE jobs ADD COLUMN att_note TEXT;"
                               "ALTER TABLE jobs ADD COLUMN att_cancel INTEGER DEFAULT 0;"
                               "ALTER TABLE attempts ADD COLUMN note TEXT;"
                               "ALTER TABLE attempts ADD COLUMN cancel INTEGER DEFAULT 0;";

static const char schema_10[] = "ALTER TABLE artifacts ADD COLUMN url TEXT;"
                                "ALTER TABLE artifacts ADD COLUMN expires INTEGER;";

static const char schema_11[] = "ALTER TABLE jobs ADD COLUMN via TEXT;";

/* What attempts cost.  That of older ones is what they reported. */
/* clang-format off */
#define AMOUNT_OF(facts, key)                                                                      \
  "(SELECT iif(v BETWEEN 0 AND 1e9,CAST(round(v*1e9) AS INTEGER),NULL) FROM "                      \
  "(SELECT json_extract(" facts ",'$.\"cost." key "\"') v))"
#define REPORTED_OF(facts)                                                                         \
  "ifnull(json_extract(" facts ",'$.\"cost.currency\"'),''),1," AMOUNT_OF(facts, "estimated")      \
  ",NULL," AMOUNT_OF(facts, "actual") ",ifnull(" AMOUNT_OF(facts, "actual") ",0)"

static const char schema_12[] =
    "ALTER TABLE jobs ADD COLUMN paid INTEGER DEFAULT 0;"
    "CREATE TABLE ledger(job INTEGER, attempt INTEGER, at INTEGER, ended INTEGER, kind TEXT,"
    " backend TEXT, client TEXT, state INTEGER, currency TEXT, source INTEGER,"
    " estimated INTEGER, priced INTEGER, actual INTEGER, counted INTEGER,"
    " PRIMARY KEY(job,attempt)) WITHOUT ROWID;"
    "CREATE INDEX ledger_at ON ledger(at);"
    "CREATE INDEX ledger_backend ON ledger(backend,at,counted);"
    "INSERT INTO ledger SELECT num,tries,att_started,att_ended,kind,backend,client,att_state,"
    REPORTED_OF("att_facts") " FROM jobs WHERE state>=2 AND json_valid(att_facts)"
    " AND att_facts LIKE '%\"cost.%' AND att_state IS NOT NULL;"
    "INSERT INTO ledger SELECT a.job,a.number,a.started,a.ended,j.kind,a.backend,j.client,a.state,"
    REPORTED_OF("a.facts") " FROM attempts a JOIN jobs j ON j.num=a.job"
    " WHERE json_valid(a.facts) AND a.facts LIKE '%\"cost.%';"
    "UPDATE jobs SET paid=1 WHERE num IN (SELECT job FROM ledger);";
/* clang-format on */

static const char schema_13[] =
    "CREATE TABLE settings(name TEXT PRIMARY KEY, value TEXT, at INTEGER, who TEXT, why TEXT)"
    " WITHOUT ROWID;"
    "CREATE TABLE audit(num INTEGER PRIMARY KEY, at INTEGER, who TEXT, what TEXT, about TEXT,"
    " was TEXT, now TEXT, why TEXT, setting TEXT, hand INTEGER, undone INTEGER DEFAULT 0);"
    "CREATE INDEX audit_hand ON audit(num) WHERE hand=1 AND undone=0;";

static const char schema_14[] =
    "CREATE TABLE kept(name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;";

static const char schema_15[] = "ALTER TABLE jobs ADD COLUMN anew INTEGER DEFAULT 0;";

/* [n] brings version n to n + 1 */
static const char *const migrations[] = {schema_1,  schema_2,  schema_3,  schema_4,  schema_5,
                                         schema_6,  schema_7,  schema_8,  schema_9,  schema_10,
                                         schema_11, schema_12, schema_13, schema_14, schema_15};
#define LATEST ((int64_t)(sizeof migrations / sizeof *migrations))

#define APPLICATION_ID 0x4c617468 /* "Lath": tells our files from other SQLite databases */

static int pragma_int(struct conn *c, const char *sql, int64_t *value, struct err *err) {
  sqlite3_stmt *st = NULL;
  int rc = sqlite3_prepare_v2(c->db, sql, -1, &st, NULL);
  int code = rc == SQLITE_OK ? conn_int(c, st, 0, value, err) : conn_fail(c, rc, err);
  sqlite3_finalize(st);
  return code;
}

static int migrate_one(struct conn *c, int64_t from, struct err *err) {
  char tail[120];
  sqlite3_snprintf(sizeof tail, tail, "PRAGMA user_version=%lld; PRAGMA application_id=%d",
                   (long long)from + 1, APPLICATION_ID);
  int code = conn_run(c, SQL_BEGIN, err);
  if (code < 0)
    return code;
  if ((code = conn_exec(c, migrations[from], err)) < 0 || (code = conn_exec(c, tail, err)) < 0 ||
      (code = conn_run(c, SQL_COMMIT, err)) < 0)
    conn_run(c, SQL_ROLLBACK, NULL);
  return code;
}

/* The file as the older version left it stays beside: whoever goes back to that version needs it.
 */
static int keep_copy(struct conn *c, const char *path, int64_t version, struct err *err) {
  char *copy = mem_printf("%s.schema-%lld", path, (long long)version);
  struct err why = {0};
  int code = copy_database(c, copy, &why);
  if (code < 0)
    err_set(err, code,
            "%s is of an older version (schema %lld), and no copy of it can be kept before it is "
            "brought to schema %lld: %s; make room or mend that, then start again",
            path, (long long)version, (long long)LATEST, why.text);
  else
    log_warn("store.migrate",
             "%s is brought from schema %lld to %lld; the old one is kept as %s, for going back to "
             "the version of lathed that wrote it; remove it when you will not",
             path, (long long)version, (long long)LATEST, copy);
  free(copy);
  return code;
}

int schema_is_ours(struct conn *c, struct err *err) {
  int64_t version = 0, owner = 0;
  int code;
  if ((code = pragma_int(c, "PRAGMA user_version", &version, err)) < 0 ||
      (code = pragma_int(c, "PRAGMA application_id", &owner, err)) < 0)
    return code;
  if (owner == APPLICATION_ID && version == LATEST)
    return 0;
  return err_set(err, ERR_UNSUPPORTED,
                 "%s is %s; this lathed knows schema %lld: use the version that wrote it, or start "
                 "this one on it once",
                 sqlite3_db_filename(c->db, "main"),
                 owner == APPLICATION_ID ? "of another version" : "not a database of lathe",
                 (long long)LATEST);
}

int schema_migrate(struct conn *c, struct err *err) {
  const char *path = sqlite3_db_filename(c->db, "main");
  int64_t version = 0, owner = 0, tables = 0;
  int code;
  if ((code = pragma_int(c, "PRAGMA user_version", &version, err)) < 0 ||
      (code = pragma_int(c, "PRAGMA application_id", &owner, err)) < 0 ||
      (code = pragma_int(c, "SELECT count(*) FROM sqlite_schema", &tables, err)) < 0)
    return code;
  if (tables > 0 && owner != APPLICATION_ID)
    return err_set(err, ERR_UNSUPPORTED,
                   "%s is an SQLite database, but not one of lathe; move it away or choose another "
                   "data folder",
                   path);
  if (version > LATEST)
    return err_set(err, ERR_UNSUPPORTED,
                   "%s was written by a newer lathed (schema %lld, this one knows up to %lld); run "
                   "the newer version, or start with another data folder",
                   path, (long long)version, (long long)LATEST);
  if (version > 0 && version < LATEST && (code = keep_copy(c, path, version, err)) < 0)
    return code;
  for (; version < LATEST; version++)
    if ((code = migrate_one(c, version, err)) < 0)
      return code;
  return 0;
}

int totals_load(struct conn *c, struct totals *t, struct err *err) {
  *t = (struct totals){0};
  sqlite3_stmt *st = conn_stmt(c, SQL_META_GET);
  int code = conn_step(c, st, err);
  if (code == 0)
    code = err_set(err, ERR_IO, "%s has lost its meta row; restore it from a backup",
                   sqlite3_db_filename(c->db, "main"));
  if (code < 0)
    return code;
  int64_t *const into[] = {&t->gen,     &t->last_num, &t->last_seq, &t->purged_seq, &t->bytes,
                           &t->jobs[0], &t->jobs[1],  &t->jobs[2],  &t->jobs[3],    &t->jobs[4]};
  for (int i = 0; i < (int)(sizeof into / sizeof *into); i++)
    *into[i] = sqlite3_column_int64(st, i);
  const char *id = (const char *)sqlite3_column_text(st, 10);
  snprintf(t->id, sizeof t->id, "%s", id != NULL ? id : "");
  sqlite3_reset(st);
  /* The row is written with every change; the greatest keys are looked at to be on the safe side.
   */
  int64_t num, seq;
  if ((code = conn_int(c, conn_stmt(c, SQL_MAX_NUM), 0, &num, err)) < 0 ||
      (code = conn_int(c, conn_stmt(c, SQL_MAX_SEQ), 0, &seq, err)) < 0)
    return code;
  t->last_num = num > t->last_num ? num : t->last_num;
  t->last_seq = seq > t->last_seq ? seq : t->last_seq;
  return 0;
}

int totals_save(struct conn *c, const struct totals *t, struct err *err) {
  sqlite3_stmt *st = conn_stmt(c, SQL_META_PUT);
  const int64_t values[] = {t->gen,     t->last_num, t->last_seq, t->purged_seq, t->bytes,
                            t->jobs[0], t->jobs[1],  t->jobs[2],  t->jobs[3],    t->jobs[4]};
  for (int i = 0; i < (int)(sizeof values / sizeof *values); i++)
    sqlite3_bind_int64(st, i + 1, values[i]);
  sqlite3_bind_text(st, 11, t->id, -1, SQLITE_STATIC);
  return conn_step(c, st, err);
}
