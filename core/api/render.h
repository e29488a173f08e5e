/* SPDX-License-Identifier: MIT */
#ifndef API_RENDER_H
#define API_RENDER_H

#include "base/buf.h"
#include "store/record.h"

/* The list of a job's attempts. */
void render_attempts(struct buf *b, const struct record_job *job);
/* The job as clients see it (docs/api.md, "A job").  base: http_base of whom it is for. */
void render_job(struct buf *b, const struct record_job *job, const char *base);
/* What one who waits for it looks at: without the request, the attempts and the result. */
void render_job_brief(struct buf *b, const struct record_job *job);

#endif
