/* SPDX-License-Identifier: MIT
 *
 * What is kept of a job: the vocabulary that the store, the queue and the API
 * share.  Times are microseconds since the epoch, 0 for "not yet".  Strings are
 * UTF-8; those named *_json hold one JSON value.  A record that the store hands
 * out is valid only during the callback; one handed in is copied before the call
 * returns.
 */
#ifndef STORE_RECORD_H
#define STORE_RECORD_H

#include "base/id.h"
#include "base/money.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JOB_STATE_TABLE(X)                                                                         \
  X(JOB_QUEUED, 0, "queued")                                                                       \
  X(JOB_RUNNING, 1, "running")                                                                     \
  X(JOB_COMPLETED, 2, "completed")                                                                 \
  X(JOB_FAILED, 3, "failed")                                                                       \
  X(JOB_CANCELLED, 4, "cancelled")

enum job_state {
#define X(name, value, word) name = (value),
  JOB_STATE_TABLE(X)
#undef X
};

static inline bool job_state_is_final(enum job_state s) {
  return s >= JOB_COMPLETED;
}
const char *job_state_word(enum job_state s);
/* JOB_QUEUED.. or -1 for an unknown word. */
int job_state_parse(const char *word);

/* The SSE event names are the words. */
#define EVENT_TABLE(X)                                                                             \
  X(EVENT_QUEUED, 0, "queued")                                                                     \
  X(EVENT_STARTED, 1, "started")                                                                   \
  X(EVENT_PROGRESS, 2, "progress")                                                                 \
  X(EVENT_LOG, 3, "log")                                                                           \
  X(EVENT_COMPLETED, 4, "completed")                                                               \
  X(EVENT_FAILED, 5, "failed")                                                                     \
  X(EVENT_CANCELLED, 6, "cancelled")                                                               \
  X(EVENT_ARTIFACT, 7, "artifact") /* a provisional one */

enum event_type {
#define X(name, value, word) name = (value),
  EVENT_TABLE(X)
#undef X
};
enum {
#define X(name, value, word) | 1 << (value)
  EVENT_ALL = 0 EVENT_TABLE(X) /* bit mask of 1 << enum event_type */
#undef X
};
const char *event_word(enum event_type t);
static inline bool event_is_final(enum event_type t) {
  return t >= EVENT_COMPLETED && t <= EVENT_CANCELLED;
}

struct record_input {
  const char *name; /* a plain file name */
  const char *sha256;
  int64_t bytes;
  const char *role; /* in its kind; NULL: it has none */
};

struct record_artifact {
  const char *name; /* a plain file name */
  const char *media_type;
  const char *sha256; /* NULL: not known, of one at a URL or a provisional one */
  int64_t bytes;      /* -1: not known, of one at a URL */
  const char *url;    /* NULL: it is a file here */
  int64_t expires_us; /* of a URL; 0: never */
  bool provisional;   /* of a running job, in no store */
};

/* Why an attempt is over without a result, as far as later attempts depend on it.  On disk: never
 * renumber. */
enum attempt_fault {
  ATTEMPT_NO_FAULT = 0,    /* none, or one that another try on the same backend may mend */
  ATTEMPT_INTERRUPTED = 1, /* nobody's: it never began, or our disk failed */
  ATTEMPT_REFUSED = 2,     /* for good: not on this backend again */
  ATTEMPT_CRASHED = 3,     /* its worker died of it */
};

/* What became of the work elsewhere of a remote attempt that was cancelled.  On disk: never
 * renumber. */
#define ATTEMPT_CANCEL_TABLE(X)                                                                    \
  X(ATTEMPT_CANCEL_NONE, 0, NULL) /* it was not, or nothing was there */                           \
  X(ATTEMPT_CANCEL_STOPPED, 1, "stopped")                                                          \
  X(ATTEMPT_CANCEL_TOO_LATE, 2, "too_late")                                                        \
  X(ATTEMPT_CANCEL_CHARGED, 3, "charged")                                                          \
  X(ATTEMPT_CANCEL_UNKNOWN, 4, "unknown")

enum attempt_cancel {
#define X(name, value, word) name = (value),
  ATTEMPT_CANCEL_TABLE(X)
#undef X
};
const char *attempt_cancel_word(enum attempt_cancel c); /* NULL: none */

/* Where an attempt's cost comes from.  On disk: never renumber. */
#define COST_SOURCE_TABLE(X)                                                                       \
  X(COST_OPEN, 0, NULL)           /* it has not ended */                                           \
  X(COST_REPORTED, 1, "reported") /* the plugin said so */                                         \
  X(COST_PRICED, 2, "price")      /* its time, by the price of the backend */                      \
  X(COST_RESERVED, 3, "reserved") /* how long it ran, or whether it did, is not known */

enum cost_source {
#define X(name, value, word) name = (value),
  COST_SOURCE_TABLE(X)
#undef X
};
const char *cost_source_word(enum cost_source s); /* NULL: it has not ended */

struct record_cost { /* of an attempt: a row of the ledger; amounts may be MONEY_UNKNOWN */
  char currency[MONEY_CURRENCY_SIZE];
  enum cost_source source;
  int64_t estimated; /* as the plugin said, else what was reserved */
  int64_t priced;    /* by its time; also where the plugin said what it cost */
  int64_t actual;
  int64_t counted; /* in the currency of the backend: what is reserved, then what it cost */
};

struct record_month { /* of the budget of an attempt's backend */
  int64_t from_us, to_us;
  int64_t limit; /* of what attempts cost that begin between these */
};

struct record_attempt {
  int number;           /* 1, 2, ... */
  enum job_state state; /* JOB_RUNNING, then its end; JOB_QUEUED: given back, to be tried again */
  const char *backend;
  int64_t started_us, ended_us;
  const char *ref;        /* reference of a remote attempt, or NULL */
  const char *error_json; /* problem object, or NULL */
  const char *facts_json; /* object: what the attempt reported of itself, or NULL */
  enum attempt_fault fault;
  bool open;                  /* it is over, but what it submitted may not be */
  const char *plugin_version; /* of the backend when it began, or NULL: not known */
  const char *decision_json;  /* why on this backend, where there was a choice; else NULL */
  const char *note;           /* what a remote attempt keeps beside its reference, or NULL */
  enum attempt_cancel cancel;
  const struct record_cost *cost;   /* NULL: its backend has no price, and it reported none */
  const struct record_month *month; /* handed in only; NULL: there is no budget */
};

struct record_job {
  int64_t num;    /* dense key inside this store, 1, 2, ...; follows the order of acceptance */
  const char *id; /* ULID */
  const char *kind;
  const char *client; /* name of the token or the `client` field; "" for none */
  const char *pin;    /* backend that the client asked for, or NULL */
  enum job_state state;
  int priority;              /* -100..100, higher first */
  int64_t timeout_ms;        /* wall time of one attempt, 0: the kind's */
  const char *params_json;   /* object: validated, defaults filled in */
  const char *progress_json; /* last progress object, or NULL */
  const char *result_json;   /* object, or NULL */
  const char *error_json;    /* problem object, or NULL */
  const char *backend;       /* of the last attempt, or NULL */
  int64_t created_us, started_us, ended_us;
  int64_t not_before_us; /* of a retry that waits */
  bool cached;
  const char *cache_key; /* for store_finish: under which the result answers later jobs, or NULL */
  const char *source;    /* of a cached one: the job that computed the result; the files are its */

  const char *batch; /* id of the batch that it is in, or NULL */

  bool cancel;       /* a client's cancellation was accepted; read only, see store_cancel */
  const char *peer;  /* address of who submitted it, or NULL: not known */
  const char *trace; /* the request's traceparent, or NULL */
  const char *via;   /* the daemons that it passed, as in a Lathe-Via header; or NULL */
  bool anew;         /* its client wants no earlier result */

  const struct record_input *inputs;
  size_t input_count;
  const struct record_attempt *attempts;
  size_t attempt_count;
  const struct record_artifact *artifacts;
  size_t artifact_count;
};

/* Jobs that were accepted together.  Their numbers follow each other, the first is the batch's. */
struct record_batch {
  int64_t num;
  const char *id; /* ULID */
  const char *kind, *client;
  const char *name;      /* for people; "" for none */
  const char *sets_json; /* array: the sets of parameters, as they were given */
  int64_t created_us;
  int64_t count;     /* of jobs, when it was accepted */
  int64_t states[5]; /* of those that are still there, by enum job_state; read only */
  double percent;    /* of the whole; read only */
};

struct record_batch_item { /* a job of a batch, as the batch remembers it */
  const char *file;        /* the input's name as the client gave it; "" for none */
  const char *set;         /* name of the set of parameters; "" where there is only one */
  const char *folder;      /* of the archive: "12-part-fine" */
};

struct record_batch_job {
  struct record_batch_item item;
  const char *id;           /* also of a job that was deleted */
  bool there;               /* not deleted; else nothing below is set */
  struct record_job job;    /* without inputs, attempts, result; artifacts only if asked for */
  const char *summary_json; /* object: the result's plain values, two levels deep */
};

/* What attempts that began in a piece of time cost, of one currency: sums over the ledger. */
struct record_cost_sum {
  int64_t from_us;                     /* when the piece began */
  const char *kind, *backend, *client; /* NULL: of all */
  const char *currency;                /* "" for none */
  int64_t attempts;
  int64_t states[5]; /* of those, by enum job_state; JOB_QUEUED: given back */
  int64_t unknown;   /* that ended at a cost that nobody knows */
  int64_t amount;    /* of those that ended */
  int64_t reported;  /* of that, as plugins said */
  int64_t reserved;  /* for those that run */
  int64_t counted;   /* of the budgets of their backends, in whatever currency */
};

struct record_event {
  int64_t seq; /* the durable sequence over all jobs; grows, never reused */
  int64_t job_num;
  const char *job_id;
  enum event_type type;
  int64_t at_us;
  const char *data_json; /* object */
  size_t data_len;
};

/* One line of the audit log: what changed how the server works. */
struct record_audit {
  int64_t num, at_us;
  const char *who;   /* the name of a token, or who it was without one: "signal", "start" ... */
  const char *what;  /* "config.reload", "backend.drain" */
  const char *about; /* what it is about: a backend, a kind; "" for none */
  const char *from_json, *to_json; /* any JSON, or NULL for nothing */
  const char *why;                 /* for people; "" for none */
  bool by_hand;                    /* it changed a setting, and may be undone (store_undo) */
  bool undone;                     /* it was; read only */
};

/* What was set while the daemon ran, and goes over the configuration's file. */
struct record_setting {
  const char *name, *value_json;
  int64_t at_us;
  const char *who, *why;
};

#endif
