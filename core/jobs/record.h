/* SPDX-License-Identifier: MIT */
#ifndef JOBS_RECORD_H
#define JOBS_RECORD_H

#include "jobs/types.h"

struct job *job_new(struct jobs *j, const struct record_job *r, const struct kind *kind);
void job_draw(struct job *job); /* anew, as its route says now */
/* The job is in no queue and nobody else will call about it. */
void job_free(struct job *job);
const struct record_job *job_view(struct job *job);
/* The same with its outcome: how the store has it once its end is written. */
const struct record_job *job_view_ended(struct job *job);
struct attempt *job_last(const struct job *job); /* NULL: none */
struct attempt *job_add_attempt(struct job *job, struct backend_usage *usage, int64_t now_us);
void job_drop_attempt(struct job *job); /* the last one: it never was */
struct record_attempt job_attempt_record(const struct attempt *a);
void outcome_free(struct outcome *out);

/* The JSON of its events; each returns b->data. */
const char *event_queued(struct job *job, struct buf *b);
const char *event_started(struct job *job, const struct attempt *a, struct buf *b);
const char *event_ended(struct job *job, const struct outcome *out, struct buf *b);
const char *event_requeued(struct job *job, const struct outcome *out, struct buf *b);

#endif
