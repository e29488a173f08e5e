/* SPDX-License-Identifier: MIT
 *
 * The steps of a remote job as requests to the command.
 */
#include "remote.h"

#include <stdio.h>
#include <string.h>

enum {
  SUBMISSIONS_MOST = 3, /* of one submit(), where commands die of it */
  AGAIN_MS = 1000,      /* after a submission for which there was no command */
};

/* ---- lines ---- */

static json_t *reference(const struct lathe_poll *item) {
  return item->ref ? json_stringn(item->ref, item->len) : NULL;
}

static json_t *note_of(const struct lathe_request *r) {
  return LATHE_CAN(r, note) ? json_stringn(r->note, r->note_len) : NULL;
}

/* Of a step that works with the job: it has everything. */
static char *long_line(const struct call *k) {
  const struct lathe_poll *item = k->items[0];
  const struct lathe_request *r = item->request;
  return request_line(r, k->word, json_pack("{s:I}", "request", (json_int_t)k->number),
                      json_pack("{s:o*, s:o*, s:o, s:o}", "ref", reference(item), "note",
                                note_of(r), "deadline", request_time(k->end_ms), "job_deadline",
                                request_time(r->deadline_ms)));
}

/* What poll and cancel need of a job. */
static json_t *short_item(const struct lathe_poll *item) {
  const struct lathe_request *r = item->request;
  return json_pack("{s:s, s:s, s:s, s:o*, s:o*}", "id", r->id, "kind", r->kind, "idem_key",
                   r->idem_key, "ref", reference(item), "note", note_of(r));
}

static char *cancel_line(const struct call *k) {
  json_t *m = json_pack("{s:s, s:I}", "type", k->word, "request", (json_int_t)k->number);
  json_t *item = short_item(k->items[0]);
  json_object_update(m, item);
  json_decref(item);
  json_object_set_new(m, "deadline", request_time(k->end_ms));
  return line_of(m);
}

static char *poll_line(const struct call *k) {
  json_t *polls = json_array();
  for (size_t i = 0; i < k->count; i++)
    json_array_append_new(polls, short_item(k->items[i]));
  return line_of(json_pack("{s:s, s:I, s:o, s:o}", "type", k->word, "request",
                           (json_int_t)k->number, "polls", polls, "deadline",
                           request_time(k->end_ms)));
}

/* ---- what is said of a request without an answer ---- */

static void say(const struct call *k, enum outcome how, char *text, size_t size) {
  struct remote *c = k->remote;
  pthread_mutex_lock(&c->lock);
  if (how == CALL_DIED)
    snprintf(text, size, "%s", c->why);
  else if (how == CALL_DOWN)
    snprintf(text, size, "the command is being started again: %s", c->why);
  else
    snprintf(text, size, "the command \"%s\" did not answer %s in time (%s)", c->x->label, k->word,
             k->lane == LANE_CANCEL || strcmp(k->word, "poll") == 0 || strcmp(k->word, "find") == 0
                 ? "request_timeout"
                 : "transfer_timeout");
  pthread_mutex_unlock(&c->lock);
}

/* The results of those that have none: `result`, with a message. */
static void fill(struct call *k, enum outcome how, int32_t result) {
  char text[950];
  say(k, how, text, sizeof text);
  for (size_t i = 0; i < k->count; i++)
    if (k->items[i]->result == RESULT_OPEN) {
      k->remote->x->host->error(k->items[i]->job, text);
      k->items[i]->result = result;
    }
}

/* How a step that may be repeated ends when it had no answer. */
static int32_t repeatable(enum outcome how) {
  static const int32_t results[] = {[CALL_OVER] = LATHE_OK,
                                    [CALL_DIED] = LATHE_RETRY_CRASH,
                                    [CALL_DOWN] = LATHE_RETRY_DOWN,
                                    [CALL_LATE] = LATHE_RETRY,
                                    [CALL_STOPPED] = LATHE_CANCELLED};
  return results[how];
}

/* ---- steps ---- */

static int64_t sooner(int64_t deadline_ms, int64_t wait_ms) {
  int64_t end_ms = exec_now_ms() + wait_ms;
  return deadline_ms && deadline_ms < end_ms ? deadline_ms : end_ms;
}

static int32_t step(struct remote *c, const char *word, enum lane lane, struct lathe_poll *item,
                    int64_t wait_ms) {
  struct call k = {
      .remote = c,
      .word = word,
      .lane = lane,
      .patient = true, /* or it would pay for a command that another job stopped */
      .items = &item,
      .count = 1,
      .end_ms = sooner(item->request->deadline_ms, wait_ms),
  };
  enum outcome how = call_make(&k, lane == LANE_CANCEL ? cancel_line : long_line);
  if (how != CALL_OVER)
    fill(&k, how, repeatable(how));
  return item->result;
}

static struct lathe_poll item_for(struct lathe_job *job, const struct lathe_request *r,
                                  const void *ref, size_t len) {
  return (struct lathe_poll){.struct_size = sizeof(struct lathe_poll),
                             .result = RESULT_OPEN,
                             .job = job,
                             .request = r,
                             .ref = ref,
                             .len = len};
}

static int32_t find(void *self, struct lathe_job *job, const struct lathe_request *r,
                    const void *ref, size_t len) {
  struct remote *c = self;
  struct lathe_poll item = item_for(job, r, ref, len);
  return step(c, "find", LANE_START, &item, c->request_ms);
}

static int32_t fetch(void *self, struct lathe_job *job, const struct lathe_request *r,
                     const void *ref, size_t len) {
  struct remote *c = self;
  struct lathe_poll item = item_for(job, r, ref, len);
  return step(c, "fetch", LANE_REST, &item, c->transfer_ms);
}

static int32_t cancel(void *self, struct lathe_job *job, const struct lathe_request *r,
                      const void *ref, size_t len) {
  struct remote *c = self;
  struct lathe_poll item = item_for(job, r, ref, len);
  return step(c, "cancel", LANE_CANCEL, &item, c->request_ms);
}

/* ---- submit ---- */

/* The command died while it had this submission and others' requests: was anything begun?  One such
 * job at a time, so that the one whose fault it is is found. */
static int32_t submit_again(struct call *k, struct lathe_poll *item) {
  struct remote *c = k->remote;
  struct call f = *k;
  enum outcome how = CALL_DIED;
  pthread_mutex_lock(&c->suspects);
  for (int tries = 1; how == CALL_DIED && tries < SUBMISSIONS_MOST; tries++) {
    f.word = "find";
    how = call_make(&f, long_line);
    if (how != CALL_OVER || item->result != LATHE_NOT_FOUND)
      continue;
    item->result = RESULT_OPEN;
    how = call_make(k, long_line);
  }
  pthread_mutex_unlock(&c->suspects);
  if (how != CALL_OVER)
    fill(k, how, repeatable(how));
  return item->result;
}

static int32_t submit(void *self, struct lathe_job *job, const struct lathe_request *r,
                      const void *ref, size_t len) {
  struct remote *c = self;
  struct lathe_poll item = item_for(job, r, ref, len), *one = &item;
  struct call k = {
      .remote = c,
      .word = "submit",
      .lane = LANE_START,
      .patient = true,
      .items = &one,
      .count = 1,
      .end_ms = sooner(r->deadline_ms, c->transfer_ms),
  };
  enum outcome how = call_make(&k, long_line);
  if (how == CALL_OVER)
    return item.result;
  if (how == CALL_DIED && !k.alone)
    return submit_again(&k, &item);
  /* Nothing was sent, so that nothing is there and it costs no attempt. */
  if (how == CALL_DOWN)
    c->x->host->retry_after(job, AGAIN_MS);
  fill(&k, how,
       how == CALL_DOWN      ? LATHE_RETRY_RATE
       : how == CALL_STOPPED ? LATHE_RETRY_ANEW
                             : repeatable(how));
  return item.result;
}

/* ---- poll ---- */

/* A job that nobody asked after, as it waited behind one that hung, is as well as before: it is asked
 * after soon, and no doubling pause holds it. */
static void put_off(struct remote *c, struct lathe_poll *const *items, size_t count) {
  const struct lathe_host *h = c->x->host;
  for (size_t i = 0; i < count; i++) {
    if (items[i]->result != RESULT_OPEN || h->cancelled(items[i]->job))
      continue;
    h->retry_after(items[i]->job, AGAIN_MS);
    items[i]->result = LATHE_PENDING;
  }
}

/* Does the command start, if it is not up? */
static bool comes_up(struct remote *c) {
  pthread_mutex_lock(&c->lock);
  bool yes = c->failed_starts == 0;
  pthread_mutex_unlock(&c->lock);
  return yes;
}

/* Polls of as many as the command takes at a time. */
static enum outcome poll_some(struct remote *c, struct lathe_poll *const *items, size_t count,
                              int64_t end_ms) {
  struct call k = {.remote = c,
                   .word = "poll",
                   .lane = LANE_REST,
                   .items = items,
                   .count = count,
                   .end_ms = end_ms};
  enum outcome how = call_make(&k, poll_line);
  if (how == CALL_STOPPED && count > 1) { /* the others' turn comes again */
    for (size_t i = 0; i < count; i++)
      if (items[i]->result == RESULT_OPEN && !c->x->host->cancelled(items[i]->job))
        items[i]->result = LATHE_PENDING;
  }
  if (!k.sent && (how == CALL_LATE || how == CALL_DOWN) && comes_up(c))
    put_off(c, items, count);
  if (how != CALL_OVER)
    fill(&k, how, repeatable(how));
  return how;
}

static int32_t poll_many(void *self, struct lathe_poll *const *items, size_t count) {
  struct remote *c = self;
  int64_t end_ms = exec_now_ms() + c->request_ms;
  pthread_mutex_lock(&c->lock);
  size_t most = c->poll_many, n;
  pthread_mutex_unlock(&c->lock);
  enum outcome how = CALL_OVER;
  for (size_t i = 0; i < count; i++)
    items[i]->result = RESULT_OPEN;
  for (size_t i = 0; i < count && how == CALL_OVER; i += n) {
    n = count - i < most ? count - i : most;
    how = poll_some(c, items + i, n, end_ms);
  }
  put_off(c, items, count); /* whose turn it was not */
  for (size_t i = 0; i < count; i++)
    if (items[i]->result == RESULT_OPEN)
      items[i]->result = LATHE_PENDING; /* cancelled: the host ends it */
  return LATHE_OK;
}

static int32_t poll_one(void *self, struct lathe_job *job, const struct lathe_request *r,
                        const void *ref, size_t len) {
  struct remote *c = self;
  struct lathe_poll item = item_for(job, r, ref, len), *one = &item;
  poll_some(c, &one, 1, sooner(r->deadline_ms, c->request_ms));
  return item.result;
}

const struct lathe_remote steps = {
    .struct_size = sizeof steps,
    .poll_many_max = POLLS_MOST,
    .submit = submit,
    .find = find,
    .poll = poll_one,
    .fetch = fetch,
    .cancel = cancel,
    .poll_many = poll_many,
};
