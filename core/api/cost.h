/* SPDX-License-Identifier: MIT
 *
 * What a job and its attempts cost, as JSON.
 */
#ifndef API_COST_H
#define API_COST_H

#include "base/buf.h"
#include "store/record.h"

/* null: nothing is known of a cost; else {"estimated", "actual", "currency", "source"}, sums over the attempts, each
 * of which may be null.  Amounts in different currencies are not added: then all of these are null. */
void render_cost(struct buf *b, const struct record_job *job);
/* The same of one attempt, with {"priced"}: what the price of its backend makes of it. */
void render_attempt_cost(struct buf *b, const struct record_attempt *attempt);
/* "EUR", or null for none. */
void render_currency(struct buf *b, const char *currency);

#endif
