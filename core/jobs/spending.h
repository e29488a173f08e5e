/* SPDX-License-Identifier: MIT */
#ifndef JOBS_SPENDING_H
#define JOBS_SPENDING_H

#include "jobs/types.h"

/* Tells routing what is expected of costs (expect.h), bars the backends that have no money left for a kind, and lifts the bars of those that have again:
 * after backends_tell, before the scheduler is asked. */
void spending_tell(struct jobs *j);
/* Is there a budget for a month?  Then an attempt begins only once the store has said yes. */
bool spending_is_limited(struct jobs *j, const struct backend_facts *b);
/* For the record of an attempt; NULL: its backend has no such budget. */
const struct record_month *spending_month(struct jobs *j, const struct attempt *a,
                                          struct record_month *month);
void spending_begin(struct attempt *a); /* its start is on its way to the disk */
/* The start came back, with a yes or a no. */
void spending_started(struct job *job, const struct store_receipt *receipt);
void spending_settled(struct job *job, const struct store_receipt *receipt);
/* What the ledger has of this month; told once, at the start. */
void spending_recall(struct jobs *j);

#endif
