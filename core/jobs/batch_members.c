/* SPDX-License-Identifier: MIT
 *
 * Which live jobs belong to a batch.  The batch itself lies in the store.
 */
#include "jobs/batch_members.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

void batch_join(struct job *job, const char *id) {
  struct jobs *j = job->j;
  struct batch *b = map_get(&j->batches, id);
  if (!b) {
    b = mem_alloc(sizeof *b);
    snprintf(b->id, sizeof b->id, "%.26s", id);
    list_init(&b->jobs);
    map_put(&j->batches, b->id, b);
  }
  b->open++;
  list_push_back(&b->jobs, &job->batch_link);
  job->batch = b;
}

void batch_quit(struct job *job) {
  struct jobs *j = job->j;
  struct batch *b = job->batch;
  list_remove(&job->batch_link);
  job->batch = NULL;
  if (--b->open > 0)
    return;
  map_remove(&j->batches, b->id);
  if (j->batch_ended && !j->closing)
    j->batch_ended(j->batch_ended_ctx, b->id);
  free(b);
}

int64_t jobs_batch_open(const struct jobs *j, const char *id) {
  const struct batch *b = map_get(&j->batches, id);
  return b ? b->open : 0;
}

void jobs_on_batch_ended(struct jobs *j, void (*ended)(void *ctx, const char *id), void *ctx) {
  j->batch_ended = ended;
  j->batch_ended_ctx = ctx;
}
