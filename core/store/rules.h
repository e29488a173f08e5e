/* SPDX-License-Identifier: MIT
 *
 * What holds for every engine: when an operation is refused and in which words, what an idempotency
 * key answers, how the totals move, and which jobs retention takes.  Pure; any thread.
 */
#ifndef STORE_RULES_H
#define STORE_RULES_H

#include "store/op.h"

/* ---- totals ---- */

void totals_move(struct totals *t, enum job_state from, enum job_state to);
/* `bytes` may be negative.  The sum stays between 0 and INT64_MAX. */
void totals_add_bytes(struct totals *t, int64_t bytes);
/* A job that is new to the store, in `state`, with inputs of so many bytes. */
void totals_add_job(struct totals *t, int64_t num, enum job_state state, int64_t bytes);

int64_t rules_input_bytes(const struct record_job *job);
int64_t rules_artifact_bytes(const struct record_job *job);

/* ---- refusals: set err, return its code ---- */

struct job_row { /* what an operation needs to know of the job it changes */
  enum job_state state;
  int tries, inputs, artifacts;
  bool noisy; /* it has events of progress or log */
  int64_t bytes;
};

int rules_refuse_absent(const struct op *op, struct err *err);
/* wish: "start", "be cancelled". */
int rules_refuse_state(const struct op *op, const struct job_row *row, const char *wish,
                       struct err *err);
/* May the job end, be queued again, have one more event, be removed?  0 or ERR_CONFLICT. */
int rules_may_finish(const struct op *op, const struct job_row *row, struct err *err);
int rules_may_requeue(const struct op *op, const struct job_row *row, struct err *err);
int rules_may_tell(const struct op *op, const struct job_row *row, struct err *err);
int rules_may_delete(const struct op *op, enum job_state state, struct err *err);

/* Does what is reserved for the attempt fit into its month?  0 or ERR_LIMIT. */
int rules_may_spend(const struct op *op, int64_t spent, struct err *err);

/* ---- idempotency keys ---- */

struct key_row { /* what is known under the key of an operation */
  const char *fingerprint, *job_id;
  int64_t job_num, expires_us;
  bool job_is_there;
};

/* 1: known with this payload; the operation tells the job that has it.  0: the key is free (again).
 * ERR_MISMATCH: it was used for another request. */
int rules_key(struct op *op, const struct key_row *row, struct err *err);

/* ---- retention ----
 *
 * Oldest means the smallest number.  A job that began after a limit of age cannot have ended before
 * it, so a walk by number ends at the first one created later. */

enum { RETENTION_EVENTS_A_CALL = 5000, RETENTION_KEYS_A_CALL = 2000 };

struct retention { /* what one call may still do */
  const struct store_retention *r;
  int64_t finals, bytes; /* what is left of final jobs */
  int64_t events;        /* progress and log events that may still be removed */
  int jobs;              /* and jobs */
};

/* open_bytes: of the jobs that are not final; needed where r->bytes_max is set. */
struct retention retention_begin(const struct store_retention *r, const struct totals *t,
                                 int64_t open_bytes);
enum retention_verdict {
  RETENTION_KEEP,
  RETENTION_TAKE, /* and it was counted */
  RETENTION_END,  /* this one and all after it stay */
  RETENTION_MORE, /* the call has taken enough: more is to be done */
};
/* The next job in the walk. */
enum retention_verdict retention_of_job(struct retention *p, enum job_state state,
                                        int64_t created_us, int64_t ended_us, int64_t bytes);
/* The next final job with events of progress or log. */
enum retention_verdict retention_of_events(const struct retention *p, int64_t created_us,
                                           int64_t ended_us);

#endif
