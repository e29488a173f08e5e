/* SPDX-License-Identifier: MIT
 *
 * The state machine of a job and the queue: what runs next, where, and what becomes of it.
 * Everything here is for the loop thread.
 *
 *            submit                slot free                result
 *   (client) -----> queued (disk) ----------> running (disk) -----> completed, failed, cancelled
 *                    ^   ^                        |                            |
 *                    |   +--- retry, back-off ----+                            |
 *                    +--------------------- a client's retry ------------------+
 *
 * Jobs that are queued or running live in memory as well as in the store; a final job lives in
 * the store alone.  Nothing is said to a client before the store has it on disk.
 */
#ifndef JOBS_JOBS_H
#define JOBS_JOBS_H

#include "base/err.h"
#include "base/zone.h"
#include "kinds/kinds.h"
#include "observe/metrics.h"
#include "routing/cost.h"
#include "routing/routing.h"
#include "storage/storage.h"
#include "store/store.h"
#include "workers/workers.h"

struct jobs;

struct jobs_backend_budget { /* of one backend; 0: no limit of that sort */
  const char *backend;
  int64_t memory;
  int threads;
  struct step_limits limits; /* 0 fields: the defaults of jobs_options.limits */
  struct cost_price price;
  int64_t budget_month, budget_job; /* MONEY_UNKNOWN: no limit of that sort */
};

struct jobs_options { /* copied; jobs_reconfigure takes new ones while jobs run */
  int queue_max, queue_max_per_client;
  int attempts; /* default for kinds that do not say */
  int64_t backoff_base_ms, backoff_max_ms;
  int64_t away_ms;     /* a remote backend gets so long to come back at least; 0: a minute */
  int64_t max_wait_ms; /* a job waits so long for a backend that may come back; 0: for ever */
  int64_t ageing_ms;   /* a waiting job gains one step of priority per so long */
  int64_t idempotency_ttl_ms;
  bool cache;           /* repeats are answered with earlier results */
  int64_t cache_age_us; /* not with older ones; 0: no limit */
  struct step_limits limits;
  int64_t memory; /* of the machine, for all local backends together */
  int cpus;
  const struct jobs_backend_budget *budgets;
  size_t budget_count;
  const char *time_zone;                /* of days and months of money; NULL: UTC */
  struct store_retention retention_age; /* fields *_before_us hold ages in microseconds here */
  int64_t blobs_age_us;
  int64_t retention_interval_ms;
};

int jobs_new(struct jobs **out, uv_loop_t *loop, struct store *store, struct storage *storage,
             const struct kinds *kinds, struct routing *routing, struct metrics *metrics,
             const struct jobs_options *options, struct err *err);
/* After the workers have stopped, before store_close and storage_close: the callbacks that those
 * still run find what they need, and whoever waits for an answer gets it there at the latest.  The
 * memory is given back once the loop has turned. */
void jobs_free(struct jobs *j);
void jobs_set_workers(struct jobs *j, struct workers *w);
/* Kinds are there that were not: jobs of them that wait since before (an earlier life of the daemon)
 * get what the kinds say of memory, threads, attempts and time. */
void jobs_kinds_declared(struct jobs *j);
/* The table of callbacks for workers_options.events (ctx = the jobs). */
struct workers_events jobs_worker_events(struct jobs *j);
/* For store_options.on_health. */
void jobs_store_health(struct jobs *j, int code, const char *text);
/* Loads what an earlier life left: queued jobs as they are; running local ones are queued again
 * with their attempts kept. Blocking, before the loop runs. */
int jobs_recover(struct jobs *j, struct err *err);
/* Keeps jobs from a backend, for every kind or one, or lets them go there again (false: nothing did).
 * Not kept over a restart: whoever decides it says it again before the loop runs. */
void jobs_bar(struct jobs *j, const char *backend, const struct bar *bar);
bool jobs_unbar(struct jobs *j, const char *backend, enum admission reason, const char *kind);
void jobs_reconfigure(struct jobs *j, const struct jobs_options *options);
/* Folders of results that no row needs are moved to set-aside/ in the data folder, not removed,
 * until all were looked at; then `done` is called.  Before the loop runs. */
void jobs_set_aside(struct jobs *j, void (*done)(void *ctx), void *ctx);

/* Drain: submits are refused; after grace_ms running steps are cancelled and their jobs queued
 * again (the attempt does not count); then drained() is called. */
void jobs_drain(struct jobs *j, int64_t grace_ms, void (*drained)(void *arg), void *arg);

/* ---- what clients ask ---- */
struct jobs_request { /* copied */
  const struct kind *kind;
  const char *client;                /* "" for none */
  const char *peer, *trace;          /* the request's address and traceparent, or NULL */
  const char *via;                   /* its Lathe-Via, checked; or NULL */
  const char *pin;                   /* backend, or NULL */
  int priority;                      /* -100..100 */
  int64_t timeout_ms;                /* 0: default */
  const char *params_json;           /* checked */
  const struct record_input *inputs; /* blobs that exist */
  size_t input_count;
  const char *idem_key, *fingerprint; /* or NULL */
  bool anew;                          /* runs also where there is a result of the same job */
};
struct jobs_answer {
  const char *job_id;
  enum job_state state;
  bool replayed;
  const struct record_job *job; /* the whole, of one that was answered with an earlier result */
  const char *slug;             /* of a refusal: of http/problem.h */
  const char *text;             /* of a refusal: what, where, what to do */
  int retry_after_s;
};
/* code 0, or negative.  Valid during the callback, which may run before the function returns only
 * for refusals. */
typedef void jobs_answered(void *arg, int code, const struct jobs_answer *answer);

void jobs_submit(struct jobs *j, const struct jobs_request *request, jobs_answered *answered,
                 void *arg);

/* Jobs that are accepted together, all or none. */
struct jobs_batch {
  const char *name;                /* for people, "" for none */
  const char *peer, *trace, *via;  /* of all its jobs, as in jobs_request */
  const char *sets_json;           /* array, kept for people */
  const struct jobs_request *jobs; /* same kind and client; idem_key and fingerprint are not read */
  const struct record_batch_item *items; /* of each job */
  size_t count;                          /* at least 1 */
  const char *idem_key, *fingerprint;    /* of the whole, or NULL */
};
/* The answer's job_id is the batch's.  The request stays valid until then. */
void jobs_submit_batch(struct jobs *j, const struct jobs_batch *batch, jobs_answered *answered,
                       void *arg);
/* Cancels those that are queued or running; answers when each was asked (code 0), or tells the
 * first failure. */
void jobs_cancel_batch(struct jobs *j, const char *id, jobs_answered *answered, void *arg);
/* How many jobs of the batch are queued or running. */
int64_t jobs_batch_open(const struct jobs *j, const char *id);
/* Told when no job of a batch is queued or running any more, after their ends were told. */
void jobs_on_batch_ended(struct jobs *j, void (*ended)(void *ctx, const char *id), void *ctx);

/* Queued: at once.  Running: asks the worker at once, and answers when the wish is on disk: from
 * then on the job ends as cancelled and without outputs, also where its result was on its way, and
 * after a crash of the daemon.  Final: ERR_CONFLICT with slug wrong-state (but 0 for one already
 * cancelled). */
void jobs_cancel(struct jobs *j, const char *id, jobs_answered *answered, void *arg);
/* A failed or cancelled job is queued again; ERR_CONFLICT otherwise. */
void jobs_retry(struct jobs *j, const char *id, jobs_answered *answered, void *arg);
/* A final job and its files go; ERR_CONFLICT while it is queued or running. */
void jobs_delete(struct jobs *j, const char *id, jobs_answered *answered, void *arg);

/* The record of a queued or running job from memory, valid until the next call; NULL when it is not
 * live (look in the store then). */
const struct record_job *jobs_live(struct jobs *j, const char *id);

/* The bytes of a provisional artifact, valid until the next call; NULL: there is none of that name, or it is at
 * a URL. */
const char *jobs_preview(struct jobs *j, const char *id, const char *name, size_t *len);

/* Any job, live or not; calls back at once or later. job is NULL with ERR_NOT_FOUND. */
void jobs_get(struct jobs *j, const char *id,
              void (*done)(void *arg, int code, const struct record_job *job), void *arg);

/* Told of every job whose end is on disk, with the whole record, before it leaves memory: whoever
 * waits for an end need not read the store.  The record is valid during the call. */
void jobs_on_ended(struct jobs *j, void (*ended)(void *ctx, const struct record_job *job),
                   void *ctx);

/* Where a job of a kind would go now, as JSON (docs/api.md, "Routes"). */
struct jobs_route_question {
  const char *kind;
  const char *pin;            /* only this backend, or NULL */
  const char *client, *input; /* as of draw_keys */
  int64_t bytes;              /* of its inputs */
};
void jobs_put_route(struct jobs *j, const struct jobs_route_question *q, struct buf *b);
bool jobs_has_route(const struct jobs *j, const char *kind); /* in the configuration */
/* Walks their kinds: start with *pos = 0; NULL at the end. */
const char *jobs_next_route(const struct jobs *j, size_t *pos);
/* Members "backend", "decision" and "queued" of a job that waits: what would be decided now.  False,
 * and nothing is written: it does not wait. */
bool jobs_put_waiting(struct jobs *j, const char *id, struct buf *b);

/* The month of the budgets in which a moment lies, in microseconds. */
void jobs_month(const struct jobs *j, int64_t at_us, int64_t *from_us, int64_t *to_us);
/* What the budgets of the configuration say, and the zone of its days and months; both until the
 * next jobs_reconfigure. */
const struct jobs_backend_budget *jobs_budgets(const struct jobs *j, size_t *count);
const struct zone *jobs_zone(const struct jobs *j);

/* ---- breakers ---- */
/* How a backend is configured, as a word that changes with it; before it has jobs.  What is known of
 * a backend that is another one now is forgotten. */
void jobs_backend_is(struct jobs *j, const char *name, const char *identity);
void jobs_backend_gone(struct jobs *j, const char *name); /* out of the configuration */
/* Valid until jobs_free; NULL: there is no backend of that name. */
const struct breaker *jobs_breaker(const struct jobs *j, const char *name);
/* By a person, until a time of the wall clock, or BREAKER_FOR_EVER.  The backend is configured. */
void jobs_breaker_force(struct jobs *j, const char *name, enum breaker_hand hand, int64_t until_us);
/* Closed, as new.  False: it was so. */
bool jobs_breaker_reset(struct jobs *j, const char *name);

struct jobs_stats {
  int64_t queued, running, queue_max;
  bool draining;
  int store_code; /* 0, or why writes fail */
};
void jobs_stats(const struct jobs *j, struct jobs_stats *out);
/* How it is with a kind, as routing_outlook tells: for health and readiness. */
enum route_outlook jobs_outlook(const struct jobs *j, const char *kind, struct buf *why);
int64_t jobs_queued_for(const struct jobs *j,
                        const char *backend_or_kind); /* waiting jobs of a kind */

#endif
