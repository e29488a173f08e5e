/* SPDX-License-Identifier: MIT */
#ifndef JOBS_COST_H
#define JOBS_COST_H

#include "jobs/types.h"

void cost_begin(struct job *job, struct attempt *a); /* reserves, where its backend has a price */
void cost_reported(struct attempt *a);               /* it reported something of a cost */
/* The attempt ends as the outcome says: what it cost.  May be called again. */
void cost_settle(struct job *job, const struct outcome *out);
void cost_count(struct job *job, const struct outcome *out);     /* that is on disk: once */
void cost_reprice(struct jobs *j, const struct jobs_options *o); /* before they are copied */
void cost_recall(struct jobs *j); /* learns from what the ledger has of an earlier life */

#endif
