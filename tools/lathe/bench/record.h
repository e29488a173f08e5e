/* SPDX-License-Identifier: MIT
 *
 * What a job's record says of its time, cost and quality.
 */
#ifndef BENCH_RECORD_H
#define BENCH_RECORD_H

#include "bench/bench.h"

/* Adds the ended job.  values: the names of the numbers of its result that are kept. */
void record_job(struct bench *b, size_t which, size_t backend, int round, int order,
                const json_t *job, const json_t *values);
/* The server refused it; a failure whose reason is the problem's. */
void record_refusal(struct bench *b, size_t which, size_t backend, int round, int order,
                    const json_t *problem);
/* It did not end in that time, and was cancelled. */
void record_lost(struct bench *b, size_t which, size_t backend, int round, int order,
                 const char *id, int64_t patience_ms);

#endif
