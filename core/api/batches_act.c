/* SPDX-License-Identifier: MIT
 *
 * POST /api/batches/{id}/cancel, DELETE /api/batches/{id}.
 */
#include "api/batch_render.h"
#include "api/fields.h"
#include "api/internal.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { DELETES_A_TURN = 200 };

struct batch_act {
  struct call call;
  char *actor; /* whose own the batch has to be, NULL: anybody's */
  char id[ID_SIZE];
  int64_t from, to; /* of those that are deleted */
  size_t asked;
  int code; /* the first failure */
};

static struct batch_act *act_new(struct api *a, struct http_request *r, const char *id) {
  struct batch_act *x = mem_alloc(sizeof *x);
  call_init(&x->call, a, r);
  x->actor = api_actor(r);
  memcpy(x->id, id, sizeof x->id);
  return x;
}

static void act_free(struct batch_act *x) {
  free(x->actor);
  free(x);
}

/* Answers a failure; true when there was one. */
static bool failed(struct batch_act *x, int code) {
  if (code == 0)
    return false;
  if (x->call.r && code == ERR_NOT_FOUND)
    api_unknown_batch(x->call.r, x->id);
  else if (x->call.r)
    api_refuse(x->call.r, code, NULL);
  act_free(x);
  return true;
}

/* Is there such a batch, and may it be acted on?  If not, that was answered. */
static bool may_go_on(struct batch_act *x, int code, const struct record_batch *batch) {
  if (failed(x, code))
    return false;
  if (api_may_act(x->call.r, x->actor, "batch", batch->client))
    return true;
  act_free(x);
  return false;
}

/* ---- cancel ---- */

static void on_after_cancel(void *arg, int code, const struct record_batch *batch, size_t count,
                            bool more) {
  struct batch_act *x = arg;
  struct buf b = {0};
  (void)count, (void)more;
  if (failed(x, code))
    return;
  if (x->call.r) {
    batch_render(&b, batch, http_base(x->call.r));
    buf_putc(&b, '}');
    api_reply_json(x->call.r, 200, &b);
  }
  act_free(x);
}

static void on_cancelled(void *arg, int code, const struct jobs_answer *answer) {
  struct batch_act *x = arg;
  if (code < 0) {
    if (x->call.r)
      api_refuse(x->call.r, code, answer);
    act_free(x);
    return;
  }
  store_batch_get(x->call.api->at.store, x->id, on_after_cancel, x);
}

static void on_before_cancel(void *arg, int code, const struct record_batch *batch, size_t count,
                             bool more) {
  struct batch_act *x = arg;
  (void)count, (void)more;
  if (may_go_on(x, code, batch))
    jobs_cancel_batch(x->call.api->at.jobs, x->id, on_cancelled, x);
}

void batches_cancel(void *ctx, struct http_request *r) {
  struct api *a = ctx;
  const char *id = api_batch_id(r);
  if (!id || !fields_none(r))
    return;
  struct batch_act *x = act_new(a, r, id);
  api_log_asked(r, "batch.cancel", "batch", x->id);
  store_batch_get(a->at.store, x->id, on_before_cancel, x);
}

/* ---- delete: its jobs one by one, and with the last the batch ---- */

static void delete_some(struct batch_act *x);

static void one_answered(struct batch_act *x) {
  if (--x->asked > 0)
    return;
  if (x->code < 0)
    failed(x, x->code);
  else
    delete_some(x);
}

static void on_deleted(void *arg, int code, const struct jobs_answer *answer) {
  struct batch_act *x = arg;
  (void)answer;
  if (code < 0 && code != ERR_NOT_FOUND && x->code == 0)
    x->code = code;
  one_answered(x);
}

static void on_doomed(void *arg, int code, const struct record_batch_job *items, size_t count,
                      bool more) {
  struct batch_act *x = arg;
  (void)more;
  if (failed(x, code))
    return;
  x->from = count > 0 ? items[count - 1].job.num + 1 : x->to;
  x->asked = 1;
  for (size_t i = 0; i < count; i++)
    if (items[i].there) {
      x->asked++;
      jobs_delete(x->call.api->at.jobs, items[i].id, on_deleted, x);
    }
  one_answered(x);
}

static void delete_some(struct batch_act *x) {
  if (x->from < x->to) {
    store_batch_jobs(x->call.api->at.store, x->from, x->to, DELETES_A_TURN, false, on_doomed, x);
    return;
  }
  if (x->call.r)
    http_reply(x->call.r, 204, NULL, NULL);
  act_free(x);
}

static void on_before_delete(void *arg, int code, const struct record_batch *batch, size_t count,
                             bool more) {
  struct batch_act *x = arg;
  (void)count, (void)more;
  if (!may_go_on(x, code, batch))
    return;
  int64_t open = jobs_batch_open(x->call.api->at.jobs, x->id);
  if (open > 0) {
    if (x->call.r)
      http_problem(x->call.r, 0, "wrong-state", 0,
                   "%lld %s queued or running; cancel the batch first.", (long long)open,
                   open == 1 ? "job of the batch is" : "jobs of the batch are");
    act_free(x);
    return;
  }
  x->from = batch->num;
  x->to = batch->num + batch->count;
  delete_some(x);
}

void batches_delete(void *ctx, struct http_request *r) {
  struct api *a = ctx;
  const char *id = api_batch_id(r);
  if (!id)
    return;
  struct batch_act *x = act_new(a, r, id);
  api_log_asked(r, "batch.delete", "batch", x->id);
  store_batch_get(a->at.store, x->id, on_before_delete, x);
}
