/* SPDX-License-Identifier: MIT */
#ifndef JOBS_OUTPUT_H
#define JOBS_OUTPUT_H

#include "jobs/types.h"

void output_progress(struct job *job, int permille, const char *what, int64_t current,
                     int64_t total);
void output_log(struct job *job, const char *text, size_t len);
void output_later(struct job *job); /* output_flush() comes soon */
void output_flush(struct job *job);
void output_drop(struct job *job);
const char *progress_done(const struct job *job, struct buf *b); /* that of a completed job */
void progress_put(const struct output *o, struct buf *b);        /* the fields, without braces */

#endif
