/* SPDX-License-Identifier: MIT
 *
 * What a job costs: the sums of what its attempts reported.
 */
#ifndef API_COST_H
#define API_COST_H

#include "base/buf.h"
#include "store/record.h"

/* null: no attempt reported a cost; else {"estimated", "actual", "currency"}, each of which may be null.  Amounts
 * in different currencies are not added: then all three are null. */
void render_cost(struct buf *b, const struct record_job *job);

#endif
