/* SPDX-License-Identifier: MIT
 *
 * The price of a backend, and what of a job's budget there is left.
 */
#ifndef JOBS_PRICE_H
#define JOBS_PRICE_H

#include "jobs/types.h"

struct cost_meter { /* of one kind on one backend */
  struct cost_meter *next;
  char *kind;
  struct cost_history history;
  char currency[MONEY_CURRENCY_SIZE]; /* of the amounts in it */
  struct metric *total;
  bool reported; /* the last of them: by the plugin */
  bool barred;   /* its jobs are kept from the backend, and `why` says why */
  char why[300];
};

const struct cost_price *price_of(const struct backend_usage *usage); /* NULL: it has none */
/* Of the kind on the backend, in the currency of its price; NULL: nothing is known. */
const struct cost_history *price_history(const struct backend_usage *usage, const char *kind);
struct cost_meter *price_meter(struct backend_usage *usage, const char *kind); /* made if new */

/* How much of `budget_job` a job has left there, apart from its last attempt if that runs;
 * MONEY_UNKNOWN: there is no such limit. */
int64_t price_left(const struct job *job, const struct backend_usage *usage);
/* So long may an attempt take there for that money; 0: no limit. */
int64_t price_time_ms(const struct backend_usage *usage, int64_t left);
bool price_is_used_up(const struct job *job, const struct backend_usage *usage);

#endif
