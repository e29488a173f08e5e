/* SPDX-License-Identifier: MIT
 *
 * A batch and its jobs as JSON, and the table of its results.  Any thread.
 */
#ifndef API_BATCH_RENDER_H
#define API_BATCH_RENDER_H

#include "base/buf.h"
#include "store/record.h"

/* The members of a batch, without the closing brace.  base: http_base of whom it is for. */
void batch_render(struct buf *b, const struct record_batch *batch, const char *base);
void batch_render_job(struct buf *b, const struct record_batch *batch,
                      const struct record_batch_job *x, const char *base);

/* Rows as batch_render_job wrote them, one after the other with a NUL behind each. */
void batch_table_json(struct buf *out, const char *batch_json, const struct buf *rows);
/* Columns: what is known of each job, the parameters that a set gave, the plain values of the
 * results.  RFC 4180, UTF-8. */
void batch_table_csv(struct buf *out, const char *batch_json, const struct buf *rows);

#endif
