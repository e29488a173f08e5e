/* SPDX-License-Identifier: MIT
 *
 * The writer thread: takes what has gathered, applies it in one transaction,
 * commits, gives the results back.
 *
 *   sleep -> take up to GROUP_MAX -> begin op op op commit (durable) -> group -> loop
 *                                      |  an operation is refused after it changed something
 *                                      |-> rollback, once more with a mark before each
 *                                      |  the disk fails
 *                                      '-> rollback, all of the group fail
 *
 * An operation is acknowledged after the engine's commit succeeded.  What an engine does about a
 * disk that fails is its own matter; here all operations of the group get the failure.
 */
#include "store/private.h"

#include "base/clock.h"
#include "base/mem.h"
#include "observe/log.h"

#define GROUP_MAX    512
#define WORK_POLL_US 100

/* ---- one group ---- */

/* An operation that changed something before it was refused makes the whole group go again. */
#define AGAIN 1

static int apply_group(struct store *s, struct op *ops, struct err *err) {
  const struct engine_ops *db = s->ops;
  int code = db->begin(s->engine, err);
  if (code < 0)
    return code;
  for (struct op *op = ops; op != NULL; op = op->next) {
    int64_t before = db->changes(s->engine);
    struct err why = {0};
    op->code = db->apply(s->engine, op, &why);
    if (engine_broken(op->code)) {
      *err = why;
      return op->code;
    }
    if (op->code < 0 && db->changes(s->engine) != before)
      return AGAIN;
    if (op->code < 0)
      op->text = arena_dup(&op->arena, why.text);
  }
  return db->commit(s->engine, err);
}

/* One operation behind a mark of its own. */
static int apply_apart(struct store *s, struct op *op, struct err *err) {
  const struct engine_ops *db = s->ops;
  struct err why = {0};
  int code = db->mark(s->engine, err);
  if (code < 0)
    return code;
  op->code = db->apply(s->engine, op, &why);
  if (engine_broken(op->code)) {
    *err = why;
    return op->code;
  }
  if (op->code < 0) {
    op->text = arena_dup(&op->arena, why.text);
    if ((code = db->undo(s->engine, err)) < 0)
      return code;
  }
  return db->release(s->engine, err);
}

static int apply_group_apart(struct store *s, struct op *ops, struct err *err) {
  int code = s->ops->begin(s->engine, err);
  for (struct op *op = ops; op != NULL && code == 0; op = op->next)
    code = apply_apart(s, op, err);
  return code < 0 ? code : s->ops->commit(s->engine, err);
}

static void fail_group(struct op *ops, int code, const struct err *err) {
  for (struct op *op = ops; op != NULL; op = op->next) {
    op->code = code;
    op->replayed = false;
    op->text = arena_dup(&op->arena, err->text);
  }
}

static int run_group(struct store *s, struct op *ops, struct err *err) {
  int code = s->ops->ready(s->engine, err);
  if (code < 0) {
    fail_group(ops, code, err);
    return code;
  }
  code = apply_group(s, ops, err);
  if (code == AGAIN) {
    s->ops->rollback(s->engine, 0);
    code = apply_group_apart(s, ops, err);
  }
  if (code == 0)
    return 0;
  s->ops->rollback(s->engine, code);
  fail_group(ops, code, err);
  return code;
}

/* ---- the thread ---- */

/* A group that wrote nothing touched no disk, so its success does not tell that writes work again.
 */
static void note_health(struct store *s, struct commit_group *b, int code, bool wrote,
                        const struct err *err) {
  if ((code < 0) == (s->health.code < 0) || (code == 0 && !wrote))
    return;
  s->health = (struct err){0};
  if (code < 0) {
    s->health = *err;
    log_error("store.failing", "no job is accepted: %s", err->text);
  } else {
    log_info("store.recovered", "writes work again");
  }
  b->health_changed = true;
  b->health = s->health;
}

/* Waits a little for work, without the lock: see store.c. */
static void poll_for_work(struct store *s) {
  int64_t begun = clock_mono_us();
  while (!atomic_load(&s->queued) && clock_mono_us() - begun < s->work_poll.budget_us)
    poll_time_relax();
}

static void sleep_for_work(struct store *s) {
  while (s->queue == NULL && !s->stop && !s->attention) {
    s->writer_sleeps = true;
    pthread_cond_wait(&s->work, &s->lock);
    s->writer_sleeps = false;
  }
}

/* With the lock held. */
static void wait_for_work(struct store *s) {
  if (s->queue != NULL)
    return;
  int64_t begun = clock_mono_us();
  atomic_store(&s->queued, false);
  if (s->work_poll.budget_us > 0) {
    pthread_mutex_unlock(&s->lock);
    poll_for_work(s);
    pthread_mutex_lock(&s->lock);
  }
  sleep_for_work(s);
  poll_time_learn(&s->work_poll, clock_mono_us() - begun);
}

void writer_wake_for_engine(void *arg) {
  struct store *s = arg;
  pthread_mutex_lock(&s->lock);
  s->attention = true;
  pthread_cond_signal(&s->work);
  pthread_mutex_unlock(&s->lock);
}

/* Takes the oldest pending operations.  False: the store closes.  NULL: the engine wants its
 * between(). */
static bool take_group(struct store *s, struct op **ops) {
  pthread_mutex_lock(&s->lock);
  wait_for_work(s);
  struct op *head = s->queue, *last = head;
  for (int n = 1; last != NULL && last->next != NULL && n < GROUP_MAX; n++)
    last = last->next;
  if (last != NULL) {
    s->queue = last->next;
    last->next = NULL;
    if (s->queue == NULL)
      s->queue_tail = &s->queue;
  }
  s->attention = false;
  bool goes_on = head != NULL || !s->stop;
  pthread_mutex_unlock(&s->lock);
  *ops = head;
  return goes_on;
}

static void give_group(struct store *s, struct commit_group *b) {
  pthread_mutex_lock(&s->lock);
  *s->groups_tail = b;
  s->groups_tail = &b->next;
  pthread_cond_signal(&s->idle);
  pthread_mutex_unlock(&s->lock);
  store_notify(s);
}

static void serve(struct store *s, struct op *ops) {
  struct commit_group *b = mem_alloc(sizeof *b);
  struct err err = {0};
  int64_t gen = s->ops->totals(s->engine)->gen;
  int code = run_group(s, ops, &err);
  b->totals = *s->ops->totals(s->engine);
  note_health(s, b, code, b->totals.gen != gen, &err);
  b->ops = ops;
  give_group(s, b);
}

void *writer_main(void *arg) {
  struct store *s = arg;
  struct op *ops;
  s->work_poll = poll_time_new(WORK_POLL_US);
  while (take_group(s, &ops)) {
    if (ops != NULL)
      serve(s, ops);
    s->ops->between(s->engine);
  }
  return NULL;
}
