/* SPDX-License-Identifier: MIT
 *
 * Batches: jobs that are written together, all or none, and remembered together.
 *
 *   begin -> add* -> submit -> one operation: the batch, then each job as if it came alone
 *
 * The first job's number is the batch's, and the others follow it, so a batch is a range of
 * numbers. A job that is deleted leaves what the batch remembers of it; with the last one the batch
 * goes.  Here are the calls, on the loop.
 */
#include "store/private.h"

/* ---- writes ---- */

struct store_group {
  struct op op;
};

struct store_group *store_group_begin(void) {
  return (struct store_group *)op_new(OP_BATCH, 0, NULL, NULL);
}

void store_group_add(struct store_group *g, const struct record_job *job,
                     const struct record_batch_item *item, const struct store_event_in *queued,
                     const struct store_event_in *completed, int64_t source_num) {
  struct op *op = completed != NULL ? op_of_cached(job, source_num, queued, completed, NULL, NULL)
                                    : op_of_job(OP_SUBMIT, job, queued, NULL, NULL);
  struct record_batch_item *copy = arena_alloc(&op->arena, sizeof *copy);
  copy->file = arena_dup(&op->arena, item->file);
  copy->set = arena_dup(&op->arena, item->set);
  copy->folder = arena_dup(&op->arena, item->folder);
  op->item = copy;
  if (g->op.last_job != NULL)
    g->op.last_job->next = op;
  else
    g->op.jobs = op;
  g->op.last_job = op;
}

void store_group_submit(struct store *s, struct store_group *g, const struct record_batch *batch,
                        const struct store_idempotency *key, store_done *done, void *arg) {
  struct op *op = &g->op;
  struct arena *a = &op->arena;
  struct record_batch *copy = arena_alloc(a, sizeof *copy);
  *copy = *batch;
  copy->id = arena_dup(a, batch->id);
  copy->kind = arena_dup(a, batch->kind);
  copy->client = arena_dup(a, batch->client);
  copy->name = arena_dup(a, batch->name);
  copy->sets_json = arena_dup(a, batch->sets_json);
  op->batch = copy;
  op_copy_key(op, key);
  op->done = done;
  op->arg = arg;
  store_push(s, op);
}

/* ---- reads ---- */

void store_batch_get(struct store *s, const char *id,
                     void (*done)(void *arg, int code, const struct record_batch *batches,
                                  size_t count, bool more),
                     void *arg) {
  struct read *r = read_new(READ_BATCH, arg);
  r->id = arena_dup(&r->arena, id);
  r->done.batches = done;
  read_push(s, r);
}

void store_batch_list(struct store *s, const char *client, const char *id_prefix,
                      int64_t before_num, int limit,
                      void (*done)(void *arg, int code, const struct record_batch *batches,
                                   size_t count, bool more),
                      void *arg) {
  struct read *r = read_new(READ_BATCHES, arg);
  r->client = arena_dup(&r->arena, client);
  r->filter.id_prefix = arena_dup(&r->arena, id_prefix);
  r->from = before_num;
  r->filter.limit = limit < 1 ? 1 : limit;
  r->done.batches = done;
  read_push(s, r);
}

void store_batch_jobs(struct store *s, int64_t from, int64_t to, int limit, bool artifacts,
                      void (*done)(void *arg, int code, const struct record_batch_job *items,
                                   size_t count, bool more),
                      void *arg) {
  struct read *r = read_new(READ_ITEMS, arg);
  r->from = from;
  r->to = to;
  r->filter.limit = limit < 1 ? 1 : limit;
  r->artifacts = artifacts;
  r->done.items = done;
  read_push(s, r);
}

/* ---- their answers ---- */

void deliver_batches(struct read *r) {
  bool ok = r->code == 0;
  r->done.batches(r->arg, r->code, ok ? r->batches : NULL, ok ? r->count : 0, ok && r->more);
}

void deliver_items(struct read *r) {
  bool ok = r->code == 0;
  r->done.items(r->arg, r->code, ok ? r->items : NULL, ok ? r->count : 0, ok && r->more);
}
