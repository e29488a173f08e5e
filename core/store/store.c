/* SPDX-License-Identifier: MIT
 *
 * The store's life, and the traffic between the loop and the threads.
 *
 *   store_open: the engine opens the database -> handles -> threads
 *
 *      calls -> gathered -(once per turn of the loop)-> queue -> [writer] -> groups
 *        callbacks <- deliver <- uv_async <-------------------------------------'
 *
 *   store_close: flush, deliver until nothing is due -> threads end -> handles close -> free
 *
 * What one turn of the loop asks for is handed over in one go, just before the
 * loop sleeps (prepare) and just after it read its sockets (check).  So the
 * requests that arrive together share a commit, instead of the first one going
 * alone and the others waiting for it.  Nobody waits for
 * progress and log, so they are held back for up to PATIENCE_MS and join the
 * next commit; for a short job that is the commit of its end.
 *
 * A request that is alone pays for being handed over: two threads wake each
 * other, which takes a third of the time that its commit takes.  So while one
 * operation is under way and nothing else is, the loop does not sleep but polls:
 * it serves its sockets and timers as ever, and looks for the end of the commit
 * between them.  The writer looks for the next operation likewise.  Both learn
 * from the waits before (base/poll_time.h): on a slow disk, and for a client that
 * is slow, they sleep at once.
 */
#include "store/private.h"

#include "base/clock.h"
#include "base/mem.h"
#include "observe/log.h"

#include <signal.h>
#include <stdlib.h>

enum { PATIENCE_MS = 50, COMMIT_POLL_US = 400 };

/* ---- from the loop to the threads ---- */

static void settled(struct store *s) {
  if (--s->outstanding == 0)
    uv_unref((uv_handle_t *)&s->async);
}

static void on_polling(uv_idle_t *idle) {
  (void)idle; /* that it is active keeps the loop from sleeping */
}

/* The operation that is about to be handed over is the only one under way. */
static void begin_polling(struct store *s) {
  s->lone_since_us = clock_mono_us();
  if (s->commit_poll.budget_us == 0)
    return;
  atomic_store(&s->news, false);
  atomic_store(&s->loop_polls, true);
  uv_idle_start(&s->polling, on_polling);
}

static void hand_over(struct store *s) {
  uv_timer_stop(&s->patience);
  if (s->outstanding == 1 && s->hurry)
    begin_polling(s);
  pthread_mutex_lock(&s->lock);
  *s->queue_tail = s->gathered;
  s->queue_tail = s->gathered_tail;
  if (s->writer_sleeps)
    pthread_cond_signal(&s->work);
  atomic_store(&s->queued, true);
  pthread_mutex_unlock(&s->lock);
  s->gathered = NULL;
  s->gathered_tail = &s->gathered;
  s->hurry = false;
}

static void on_patience(uv_timer_t *timer) {
  hand_over(timer->data);
}

static void flush(struct store *s) {
  if (s->hurry)
    hand_over(s);
  else if (s->gathered != NULL && !uv_is_active((uv_handle_t *)&s->patience))
    uv_timer_start(&s->patience, on_patience, PATIENCE_MS, 0);
}

/* ---- from the threads to the loop ---- */

static void publish(struct store *s, const struct op *op) {
  if (op->code != 0 || op->replayed)
    return;
  for (const struct op *job = op->jobs; job != NULL; job = job->next)
    publish(s, job);
  for (int i = 0; i < op->event_count; i++) {
    const struct op_event *e = &op->events[i];
    s->options.on_event(s->options.ctx, &(struct record_event){.seq = e->seq,
                                                               .job_num = op->num,
                                                               .job_id = op->id,
                                                               .type = e->type,
                                                               .at_us = e->at_us,
                                                               .data_json = e->data,
                                                               .data_len = e->len});
  }
}

static void end_op(struct op *op) {
  bool ok = op->code == 0;
  if (op->purged != NULL) {
    struct store_purged p = {.job_ids = ok ? op->names : NULL,
                             .job_count = ok ? op->name_count : 0,
                             .folders = ok ? op->folders : NULL,
                             .folder_count = ok ? op->folder_count : 0,
                             .more = ok && op->more};
    op->purged(op->arg, op->code, &p);
  } else if (op->unused != NULL) {
    op->unused(op->arg, op->code, ok ? op->names : NULL, ok ? op->name_count : 0);
  } else if (op->changed != NULL) {
    changes_tell(op);
  } else if (op->done != NULL) {
    struct store_receipt r = {.job_num = op->num,
                              .job_id = op->id,
                              .replayed = op->replayed,
                              .folder = ok && op->folder_count > 0 ? op->folders[0] : NULL,
                              .text = op->text,
                              .spent = op->spent};
    op->done(op->arg, op->code, &r);
  }
}

static void op_free(struct op *op) {
  for (struct op *job = op->jobs, *next; job != NULL; job = next) {
    next = job->next;
    arena_free(&job->arena);
  }
  arena_free(&op->arena);
}

static void deliver_group(struct store *s, struct commit_group *b) {
  struct op *next;
  if (s->lone_since_us > 0)
    poll_time_learn(&s->commit_poll, clock_mono_us() - s->lone_since_us);
  s->lone_since_us = 0;
  s->totals = b->totals;
  s->commits++;
  if (b->health_changed && s->options.on_health != NULL)
    s->options.on_health(s->options.ctx, b->health.code, b->health.text);
  if (s->options.on_event != NULL)
    for (struct op *op = b->ops; op != NULL; op = op->next)
      publish(s, op);
  for (struct op *op = b->ops; op != NULL; op = next) {
    next = op->next;
    s->operations++;
    settled(s);
    end_op(op);
    op_free(op);
  }
  free(b);
}

static void deliver(struct store *s) {
  pthread_mutex_lock(&s->lock);
  struct commit_group *b = s->groups, *next_group;
  struct read *r = s->reads_done, *next_read;
  s->groups = NULL;
  s->groups_tail = &s->groups;
  s->reads_done = NULL;
  s->reads_done_tail = &s->reads_done;
  pthread_mutex_unlock(&s->lock);
  for (; b != NULL; b = next_group) {
    next_group = b->next;
    deliver_group(s, b);
  }
  for (; r != NULL; r = next_read) {
    next_read = r->next;
    settled(s);
    read_deliver(r);
  }
}

static void on_async(uv_async_t *handle) {
  deliver(handle->data);
}

/* Only in `check`: what a callback leaves for the `prepare` of other rooms must not wait there for
 * the loop's sleep. */
static void poll_once(struct store *s) {
  if (!uv_is_active((uv_handle_t *)&s->polling))
    return;
  if (!atomic_load(&s->news) && clock_mono_us() - s->lone_since_us < s->commit_poll.budget_us)
    return;
  uv_idle_stop(&s->polling);
  atomic_store(&s->loop_polls, false);
  deliver(s);
}

static void on_prepare(uv_prepare_t *handle) {
  flush(handle->data);
}

static void on_check(uv_check_t *handle) {
  poll_once(handle->data);
  flush(handle->data);
}

/* ---- life ---- */

static int open_engine(struct store *s, struct err *err) {
  struct engine_options options = {.path = s->path,
                                   .files_lie_there = s->options.files_lie_there,
                                   .accept_empty = s->options.accept_empty,
                                   .cache_bytes = s->options.cache_bytes,
                                   .attention = writer_wake_for_engine,
                                   .ctx = s};
  int code = s->ops->open(&s->engine, &options, err);
  if (code < 0)
    return code;
  s->totals = *s->ops->totals(s->engine);
  s->next_num = s->totals.last_num + 1;
  instance_make(s->totals.id, s->path, s->instance);
  return 0;
}

static void set_up(struct store *s, const struct store_options *options) {
  s->options = *options;
  s->options.cache_bytes = options->cache_bytes > 0 ? options->cache_bytes : 4 << 20;
  s->path = mem_dup(options->path);
  s->options.path = s->path;
  s->ops = options->engine != NULL ? options->engine : &engine_sqlite;
  s->commit_poll = poll_time_new(COMMIT_POLL_US);
  s->gathered_tail = &s->gathered;
  s->queue_tail = &s->queue;
  s->reads_tail = &s->reads;
  s->groups_tail = &s->groups;
  s->reads_done_tail = &s->reads_done;
  pthread_mutex_init(&s->lock, NULL);
  pthread_cond_init(&s->work, NULL);
  pthread_cond_init(&s->read_work, NULL);
  pthread_cond_init(&s->idle, NULL);
}

static void tear_down(struct store *s) {
  if (s->engine != NULL)
    s->ops->close(s->engine);
  pthread_cond_destroy(&s->idle);
  pthread_cond_destroy(&s->read_work);
  pthread_cond_destroy(&s->work);
  pthread_mutex_destroy(&s->lock);
  free(s->path);
}

static void on_closed(uv_handle_t *handle) {
  struct store *s = handle->data;
  if (--s->handles == 0)
    free(s);
}

static void close_handles(struct store *s) {
  uv_close((uv_handle_t *)&s->async, on_closed);
  uv_close((uv_handle_t *)&s->prepare, on_closed);
  uv_close((uv_handle_t *)&s->check, on_closed);
  uv_close((uv_handle_t *)&s->patience, on_closed);
  uv_close((uv_handle_t *)&s->polling, on_closed);
}

/* None of them keeps the loop alive by itself; the async does while a callback is due. */
static int open_handles(struct store *s, uv_loop_t *loop, struct err *err) {
  int rc = uv_async_init(loop, &s->async, on_async);
  if (rc < 0)
    return err_set(err, ERR_SYSTEM, "cannot make the store's loop handle: %s", uv_strerror(rc));
  uv_prepare_init(loop, &s->prepare);
  uv_check_init(loop, &s->check);
  uv_prepare_start(&s->prepare, on_prepare);
  uv_check_start(&s->check, on_check);
  uv_timer_init(loop, &s->patience);
  uv_idle_init(loop, &s->polling);
  s->async.data = s->prepare.data = s->check.data = s->patience.data = s->polling.data = s;
  uv_unref((uv_handle_t *)&s->async);
  uv_unref((uv_handle_t *)&s->prepare);
  uv_unref((uv_handle_t *)&s->check);
  s->handles = 5;
  return 0;
}

static void stop_threads(struct store *s, int started) {
  pthread_t *const threads[] = {&s->writer, &s->reader};
  pthread_mutex_lock(&s->lock);
  s->stop = true;
  pthread_cond_broadcast(&s->work);
  pthread_cond_broadcast(&s->read_work);
  pthread_mutex_unlock(&s->lock);
  for (int i = 0; i < started; i++)
    pthread_join(*threads[i], NULL);
}

/* Signals are the loop's. */
static int start_threads(struct store *s, struct err *err) {
  static const struct {
    void *(*run)(void *);
    const char *name;
  } kinds[] = {{writer_main, "store-write"}, {reader_main, "store-read"}};
  pthread_t *const threads[] = {&s->writer, &s->reader};
  sigset_t all, before;
  int rc = 0, started = 0;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  for (; started < 2 && rc == 0; started += rc == 0) {
    rc = pthread_create(threads[started], NULL, kinds[started].run, s);
    if (rc == 0)
      pthread_setname_np(*threads[started], kinds[started].name);
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (rc == 0)
    return 0;
  stop_threads(s, started);
  return err_sys(err, rc, "cannot start the store's threads");
}

int store_open(struct store **out, uv_loop_t *loop, const struct store_options *options,
               struct err *err) {
  struct store *s = mem_alloc(sizeof *s);
  set_up(s, options);
  int code;
  if ((code = open_engine(s, err)) < 0 || (code = open_handles(s, loop, err)) < 0)
    goto fail;
  if ((code = start_threads(s, err)) < 0) {
    tear_down(s);
    close_handles(s);
    return code;
  }
  *out = s;
  return 0;
fail:
  tear_down(s);
  free(s);
  return code;
}

/* Callbacks may ask for more; that is served too. */
static void drain(struct store *s) {
  while (s->outstanding > 0) {
    if (s->gathered != NULL)
      hand_over(s);
    pthread_mutex_lock(&s->lock);
    while (s->groups == NULL && s->reads_done == NULL)
      pthread_cond_wait(&s->idle, &s->lock);
    pthread_mutex_unlock(&s->lock);
    deliver(s);
  }
}

void store_close(struct store *s) {
  drain(s);
  stop_threads(s, 2);
  tear_down(s);
  close_handles(s);
}

int store_kept(struct store *s, store_kept_seen *seen, void *ctx, struct err *err) {
  return s->ops->kept(s->engine, seen, ctx, err);
}

int store_recover(struct store *s, int (*each)(void *ctx, const struct record_job *job), void *ctx,
                  struct err *err) {
  return s->ops->recover(s->engine, each, ctx, err);
}

const char *store_instance(const struct store *s) {
  return s->instance;
}

bool store_sets_aside(const struct store *s) {
  return s->ops->sets_aside(s->engine);
}

void store_set_aside_over(struct store *s) {
  s->ops->set_aside_over(s->engine);
}

/* ---- figures ---- */

void store_stats(const struct store *s, struct store_stats *out) {
  *out = (struct store_stats){.commits = s->commits,
                              .operations = s->operations,
                              .last_seq = s->totals.last_seq,
                              .kept_bytes = s->totals.bytes};
  for (int i = 0; i < 5; i++)
    out->jobs_by_state[i] = s->totals.jobs[i];
}

void store_sizes(const struct store *s, int64_t *file_bytes, int64_t *log_bytes) {
  s->ops->sizes(s->engine, file_bytes, log_bytes);
}
