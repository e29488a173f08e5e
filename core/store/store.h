/* SPDX-License-Identifier: MIT
 *
 * The durable state: jobs, attempts, events, inputs, artifacts, idempotency keys, settings and the
 * audit log.
 *
 * One writer thread owns the writing connection.  The loop hands it operations;
 * whatever has gathered while the last commit was under way goes into the next
 * transaction (group commit), so one fsync serves all that wait for it.
 *
 *   loop:    store_submit/start/...  ->  pending  ~wake~>  writer: BEGIN op op op COMMIT (fsync)
 *   loop:    on_event, done callbacks  <-  finished  <~uv_async~
 *
 * Order: operations are applied in the order of the calls.  After a commit, on
 * the loop thread, the committed events are published through `on_event` in the
 * order of their seq, then the `done` callbacks run in order.  An operation that
 * failed publishes nothing and its `done` gets a negative code: ERR_IO or
 * ERR_NO_SPACE when the disk failed (then nothing of the operation is on disk).
 *
 * Reads run on a reader thread with a connection of its own, and call back on
 * the loop.  They see every operation whose `done` ran before the read was asked.
 *
 * Every function below is for the loop thread unless it says otherwise.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/err.h"
#include "store/record.h"

#include <uv.h>

struct store;
struct engine_ops;

struct store_options {
  const struct engine_ops *engine; /* engine.h; NULL: SQLite */
  const char *path;                /* of the database file; its folder exists */
  bool files_lie_there;            /* in the data folder: then a database that is new is refused */
  bool accept_empty;   /* takes a database that is not the one that was here, and says so */
  int64_t cache_bytes; /* page cache of the writer, 0: 4 MiB; the reader takes a quarter */
  void (*on_event)(void *ctx, const struct record_event *event);
  /* The store went bad (code < 0: writes fail) or works again (0); told on change only. */
  void (*on_health)(void *ctx, int code, const char *text);
  void *ctx;
};

/* Opens or makes the database, migrates the schema (a copy of the old one stays beside it), takes
 * the lock that keeps a second daemon out (ERR_CONFLICT names the other's pid), starts the threads.
 * ERR_CONFLICT also where the database is gone, empty, older than it was, or another's. */
int store_open(struct store **out, uv_loop_t *loop, const struct store_options *options,
               struct err *err);

/* Names this daemon among others: 16 hexadecimal digits that stay while the data folder lies where it
 * does.  A copy of the folder, on this machine or another, has its own. */
const char *store_instance(const struct store *s);

/* Was a database accepted that does not name all files?  Then orphans are moved, not removed, until
 * the second call says that all were looked at.  Survives a restart. */
bool store_sets_aside(const struct store *s);
void store_set_aside_over(struct store *s);

/* Commits what is pending, stops the threads, frees.  Callbacks still due run
 * from here (on the loop thread, inside this call), and what they ask for is served
 * too.  The loop must run once more before uv_loop_close, for the handles to end. */
void store_close(struct store *s);

/* Blocking; before the loop runs.  Gives every job that is queued or running, by
 * num, whole (inputs and attempts included).  Must be fast with millions of
 * finished jobs in the file.  A callback that returns non-zero stops. */
int store_recover(struct store *s, int (*each)(void *ctx, const struct record_job *job), void *ctx,
                  struct err *err);

/* Blocking; before the loop runs: every setting. */
typedef void store_setting_seen(void *ctx, const struct record_setting *setting);
int store_settings(struct store *s, store_setting_seen *seen, void *ctx, struct err *err);

/* Blocking; before the loop runs.  All that store_keep() wrote, by name. */
typedef void store_kept_seen(void *ctx, const char *name, const char *value);
int store_kept(struct store *s, store_kept_seen *seen, void *ctx, struct err *err);

/* ---- writes ---- */

struct store_receipt {
  int64_t job_num;
  const char *job_id; /* store_submit with a key already known: the job that has it */
  bool replayed;      /* the idempotency key was known, with the same fingerprint */
  const char *folder; /* of store_delete: the job whose files nobody needs any more, or NULL */
  const char *text;   /* of a failure */
  int64_t spent;      /* of record_attempt.month, with this operation; MONEY_UNKNOWN: not asked */
};
typedef void store_done(void *arg, int code, const struct store_receipt *receipt);

struct store_event_in { /* an event to be written with an operation */
  enum event_type type;
  const char *data_json;
};

struct store_idempotency {
  const char *client, *key; /* unique together */
  const char *fingerprint;  /* of the payload; another one under the same key gives ERR_MISMATCH */
  int64_t expires_us;
};

/* The next free job number; handed out once, in memory. */
int64_t store_next_num(struct store *s);

/* Writes a new job with its `queued` event.  With `start` (may be NULL) also its
 * first attempt with its `started` event, and the state is running: one commit
 * for a job whose worker is free already.  `key` may be NULL. */
void store_submit(struct store *s, const struct record_job *job,
                  const struct store_event_in *queued, const struct record_attempt *start,
                  const struct store_event_in *started, const struct store_idempotency *key,
                  store_done *done, void *arg);

/* A queued job begins an attempt; its first one gives the job its started_us.  ERR_CONFLICT where
 * the job is not queued; ERR_LIMIT where what is reserved for the attempt (record_cost.counted) does
 * not fit into its month, which the receipt tells.  store_submit does not look at that. */
void store_start(struct store *s, int64_t num, const char *id, const struct record_attempt *attempt,
                 const struct store_event_in *started, store_done *done, void *arg);

/* The attempt `attempt->number` (NULL: the job never started) ends, and the job with it, in
 * job->state with job->result_json, error_json, progress_json, artifacts,
 * ended_us, cache_key; only those fields, num, id and backend of `job` are read.  ERR_CONFLICT
 * where the job is final already, or in another attempt. */
void store_finish(struct store *s, const struct record_job *job,
                  const struct record_attempt *attempt, const struct store_event_in *event,
                  store_done *done, void *arg);

/* The attempt ends (attempt->state, error_json; NULL: none) and the job is queued again, not before
 * not_before_us.  Used for retries, for jobs given back at drain, and, with `event` queued, by
 * a client's retry of a final job (which clears result, error, artifacts and ended_us).  Clears the
 * progress. */
void store_requeue(struct store *s, int64_t num, const char *id,
                   const struct record_attempt *attempt, int64_t not_before_us,
                   const struct store_event_in *event, store_done *done, void *arg);

/* One more event (progress, log).  For progress, data_json also becomes the
 * job's progress_json.  done may be NULL: then it may wait some time for a commit.  ERR_CONFLICT
 * once the job is final: nothing follows the last event. */
void store_event(struct store *s, int64_t num, const char *id, const struct store_event_in *event,
                 store_done *done, void *arg);

/* The durable reference of a remote attempt. */
void store_checkpoint(struct store *s, int64_t num, int attempt, const char *ref, store_done *done,
                      void *arg);

/* Facts of an attempt that goes on; those of one that ends come with its end.  They may wait some time for a
 * commit. */
void store_facts(struct store *s, int64_t num, int attempt, const char *facts_json);

/* What a remote attempt keeps beside its reference; likewise. */
void store_note(struct store *s, int64_t num, int attempt, const char *note);

/* What the daemon found out and would have to find out again, by name: the state of a breaker, what
 * is known of a kind's times.  NULL: it is forgotten.  It may wait some time for a commit. */
void store_keep(struct store *s, const char *name, const char *value);

/* A client wants the job to end.  It stays queued or running until an operation ends it; from here
 * on store_recover() says so, and only a client's retry of the ended job takes it back.
 * ERR_CONFLICT where the job is final. */
void store_cancel(struct store *s, int64_t num, const char *id, store_done *done, void *arg);

/* Removes a final job with all that belongs to it. */
void store_delete(struct store *s, int64_t num, store_done *done, void *arg);

/* ---- results that answer later jobs ---- */

/* The newest completed job under one of the keys (the first that has one), not from before
 * since_us; or NULL with ERR_NOT_FOUND. */
void store_cached(struct store *s, const char *const *keys, size_t count, int64_t since_us,
                  void (*done)(void *arg, int code, const struct record_job *job), void *arg);

/* As store_submit, of a job that is completed with the result, artifacts and files of job->source,
 * whose number is source_num.  ERR_NOT_FOUND where that job is gone meanwhile. */
void store_submit_cached(struct store *s, const struct record_job *job, int64_t source_num,
                         const struct store_event_in *queued,
                         const struct store_event_in *completed,
                         const struct store_idempotency *key, store_done *done, void *arg);

/* ---- batches: jobs that are accepted together, all or none ---- */

struct store_group; /* being put together */
struct store_group *store_group_begin(void);
/* The next job; jobs' numbers must follow each other.  completed: NULL, or the job is answered with
 * the result of another as in store_submit_cached. */
void store_group_add(struct store_group *g, const struct record_job *job,
                     const struct record_batch_item *item, const struct store_event_in *queued,
                     const struct store_event_in *completed, int64_t source_num);
/* Writes the batch and its jobs in one transaction; takes the group.  The receipt has the batch's
 * id.  ERR_NOT_FOUND where a result that answers one of the jobs is gone. */
void store_group_submit(struct store *s, struct store_group *g, const struct record_batch *batch,
                        const struct store_idempotency *key, store_done *done, void *arg);

/* One batch, or ERR_NOT_FOUND. */
void store_batch_get(struct store *s, const char *id,
                     void (*done)(void *arg, int code, const struct record_batch *batches,
                                  size_t count, bool more),
                     void *arg);
/* Newest first.  id_prefix as in struct store_filter. */
void store_batch_list(struct store *s, const char *client, const char *id_prefix,
                      int64_t before_num, int limit,
                      void (*done)(void *arg, int code, const struct record_batch *batches,
                                   size_t count, bool more),
                      void *arg);
/* Jobs of a batch by number, from <= num < to, at most `limit`; also those that were deleted. */
void store_batch_jobs(struct store *s, int64_t from, int64_t to, int limit, bool artifacts,
                      void (*done)(void *arg, int code, const struct record_batch_job *items,
                                   size_t count, bool more),
                      void *arg);

/* ---- what attempts cost ----
 *
 * The ledger has a row for each attempt that has a cost (record_attempt.cost): written with its
 * start, and again with its end.  It outlives the job. */

enum { COSTS_BY_KIND = 1, COSTS_BY_BACKEND = 2, COSTS_BY_CLIENT = 4 };
struct store_costs_query {
  const int64_t *edges; /* microseconds, ascending: each piece between two is summed up apart */
  size_t edge_count;
  int by;                              /* bit mask of COSTS_BY_*: sums for each apart */
  const char *kind, *backend, *client; /* NULL: any */
  int limit;                           /* sums that are told at most: 1..10000 */
};
/* In order of time, then of kind, backend, client and currency. */
void store_costs(struct store *s, const struct store_costs_query *q,
                 void (*done)(void *arg, int code, const struct record_cost_sum *sums, size_t count,
                              bool more),
                 void *arg);
/* The latest attempts that completed at a known cost, the latest first, each as a sum of one. */
void store_costs_latest(struct store *s, int limit,
                        void (*done)(void *arg, int code, const struct record_cost_sum *sums,
                                     size_t count, bool more),
                        void *arg);

/* ---- settings and the audit log ---- */

/* A line of the audit log, and with it in one commit what it tells of. */
struct store_change {
  struct record_audit line; /* num is the store's; at_us 0: now */
  const char *setting;      /* that changes, by its name; NULL: none does */
  const char *value_json;   /* its new value; NULL: it goes */
};
struct store_changed {
  const struct record_audit *line; /* as it was written; num 0: the setting has that value already,
                                      and nothing was written */
  const char *setting;             /* NULL: none */
  const char *value_json;          /* what it is now; NULL: nothing */
  const char *text;                /* of a failure */
};
typedef void store_change_done(void *arg, int code, const struct store_changed *c);
/* A line of a setting that says neither from nor to gets both: the value before and after.  A
 * change that is not by hand ends what store_undo() may undo of its setting. */
void store_change(struct store *s, const struct store_change *change, store_change_done *done,
                  void *arg);
/* Undoes the last change by hand that was not undone, and is a line itself: `what` of it, who, why
 * and at_us are read.  ERR_NOT_FOUND where there is none. */
void store_undo(struct store *s, const struct record_audit *line, store_change_done *done,
                void *arg);

struct store_audit_filter {
  const char *who, *what; /* NULL: any; what: also its beginning up to a '.' */
  int64_t since_us;       /* 0: any */
  int64_t before_num;     /* page; 0: from the newest */
  int limit;              /* 1..1000 */
};
/* Newest first. */
void store_audit(struct store *s, const struct store_audit_filter *filter,
                 void (*done)(void *arg, int code, const struct record_audit *lines, size_t count,
                              bool more),
                 void *arg);

/* ---- retention ---- */

struct store_retention {  /* 0: no limit of that sort */
  int64_t jobs_before_us; /* final jobs that ended earlier go */
  int64_t jobs_max;       /* and the oldest past this count */
  int64_t bytes_max;      /* and the oldest while artifacts and inputs of final jobs exceed this */
  int64_t events_before_us; /* progress and log events of final jobs go earlier than the jobs */
  int64_t keys_before_us;   /* expired idempotency keys */
  int64_t cache_before_us;  /* older results answer no later job */
  int64_t cache_max;        /* and the oldest past this count */
  int64_t ledger_before_us; /* older rows of the ledger, of attempts that ended */
  int64_t audit_before_us;  /* lines of the audit log from before it go */
  int64_t audit_max;        /* and the oldest past this count */
  int batch;                /* at most so many jobs a call: 1..1000, 0: 100 */
};
struct store_purged {
  const char *const *job_ids;
  size_t job_count;
  const char *const *folders; /* jobs whose files nobody needs any more */
  size_t folder_count;
  bool more; /* call again */
};
/* Removes in one transaction what retention says; then gives freed pages back to
 * the file system bit by bit (auto_vacuum=INCREMENTAL). */
void store_purge(struct store *s, const struct store_retention *r,
                 void (*done)(void *arg, int code, const struct store_purged *p), void *arg);

/* Of `sha256s` (hex digests), which does no job name as an input any more?  `unused` is valid
 * during the call.  Takes its turn among the writes: a submit called before this counts. */
void store_unused_blobs(struct store *s, const char *const *sha256s, size_t count,
                        void (*done)(void *arg, int code, const char *const *unused, size_t n),
                        void *arg);

/* Of `job_ids`, whose folder of results does no row need: neither its own nor one that was answered
 * with its result?  Takes its turn among the writes: a submit called before this counts.  What is
 * not needed then is of no use for ever, as no row comes to need it once its own is gone. */
void store_unowned(struct store *s, const char *const *job_ids, size_t count,
                   void (*done)(void *arg, int code, const char *const *unowned, size_t n),
                   void *arg);

/* ---- reads ---- */

/* job is NULL with code ERR_NOT_FOUND. */
void store_get(struct store *s, const char *id,
               void (*done)(void *arg, int code, const struct record_job *job), void *arg);

/* The same, of the job that was submitted under an idempotency key; also under one that has expired and
 * was not forgotten yet. */
void store_get_by_key(struct store *s, const char *client, const char *key,
                      void (*done)(void *arg, int code, const struct record_job *job), void *arg);

struct store_filter {
  int state;                           /* enum job_state, or -1 */
  const char *kind, *backend, *client; /* NULL: any */
  const char *id_prefix; /* NULL: any; else those whose id begins so, and no other field counts but
                            the limit; not continued on a page after it */
  int64_t before_num;    /* page: only jobs with a smaller num; 0: from the newest */
  int limit;             /* 1..1000 */
};
/* Newest first, whole records. */
void store_list(struct store *s, const struct store_filter *filter,
                void (*done)(void *arg, int code, const struct record_job *jobs, size_t count,
                             bool more),
                void *arg);

struct store_event_query {
  int64_t job_num;   /* 0: all jobs */
  int64_t job_count; /* of a batch that begins with job_num; 0: that job alone */
  int64_t after_seq; /* events with a greater seq */
  int types;         /* bit mask of 1 << enum event_type, 0: all */
  int limit;         /* 1..1000 */
};
struct store_events {
  const struct record_event *events;
  size_t count;
  bool more; /* the limit was met */
  bool gap;  /* events after after_seq were removed by retention: tell the client to resync */
};
void store_events(struct store *s, const struct store_event_query *q,
                  void (*done)(void *arg, int code, const struct store_events *e), void *arg);

struct store_stats {
  int64_t jobs_by_state[5];
  int64_t commits, operations; /* since the start */
  int64_t last_seq;            /* greatest committed seq */
  int64_t kept_bytes;          /* of the inputs and artifacts of all jobs, as bytes_max counts */
};
/* Cheap: counters kept in memory (also across restarts: kept in the file). */
void store_stats(const struct store *s, struct store_stats *out);
/* Bytes on the disk: of the database, of its write-ahead log.  Asks the file system: any thread but
 * the loop's, while the store is open. */
void store_sizes(const struct store *s, int64_t *file_bytes, int64_t *log_bytes);

#endif
