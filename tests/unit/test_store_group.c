/* SPDX-License-Identifier: MIT
 *
 * The store over an engine that only notes how it is called: group commit, refusals, a failing
 * disk, reads in pieces.  None of it knows SQLite.
 */
#include "store_help.h"

#include "store/engine.h"

#include <pthread.h>

/* ---- the engine ---- */

struct engine {
  struct engine_options options;
  struct totals totals;
  int64_t changes;
  pthread_mutex_t lock;
  struct buf calls; /* under the lock: "begin a1 a2 commit between " */
  int commit_code;  /* under the lock: what the next commits return */
  pthread_cond_t noted;
  bool reads_wait; /* under the lock */
};

static struct engine fake = {.lock = PTHREAD_MUTEX_INITIALIZER, .noted = PTHREAD_COND_INITIALIZER};

static int note(const char *what, int64_t num) {
  pthread_mutex_lock(&fake.lock);
  buf_puts(&fake.calls, what);
  if (num != 0)
    buf_printf(&fake.calls, "%lld", (long long)num);
  buf_putc(&fake.calls, ' ');
  pthread_cond_broadcast(&fake.noted);
  pthread_mutex_unlock(&fake.lock);
  return 0;
}

static int fake_open(struct engine **out, const struct engine_options *o, struct err *err) {
  (void)err;
  fake.options = *o;
  fake.totals = (struct totals){0};
  fake.commit_code = 0;
  *out = &fake;
  return 0;
}

static void fake_close(struct engine *e) {
  buf_free(&e->calls);
}

static const struct totals *fake_totals(const struct engine *e) {
  return &e->totals;
}

static int fake_ready(struct engine *e, struct err *err) {
  (void)e;
  (void)err;
  return 0;
}

static int fake_begin(struct engine *e, struct err *err) {
  (void)e;
  (void)err;
  return note("begin", 0);
}

/* A job of the kind "late" is refused after it changed something, one of "early" before. */
static int fake_apply(struct engine *e, struct op *op, struct err *err) {
  note("a", op->num);
  if (strcmp(op->job->kind, "early") == 0)
    return err_set(err, ERR_CONFLICT, "not this one");
  e->changes++;
  return strcmp(op->job->kind, "late") == 0 ? err_set(err, ERR_CONFLICT, "not this one") : 0;
}

static int64_t fake_changes(const struct engine *e) {
  return e->changes;
}

static int fake_mark(struct engine *e, struct err *err) {
  (void)e;
  (void)err;
  return note("mark", 0);
}

static int fake_undo(struct engine *e, struct err *err) {
  (void)e;
  (void)err;
  return note("undo", 0);
}

static int fake_release(struct engine *e, struct err *err) {
  (void)e;
  (void)err;
  return 0;
}

static int fake_commit(struct engine *e, struct err *err) {
  note("commit", 0);
  pthread_mutex_lock(&e->lock);
  int code = e->commit_code;
  pthread_mutex_unlock(&e->lock);
  if (code < 0)
    return err_set(err, code, "the disk is gone");
  e->totals.gen++;
  return 0;
}

static void fake_rollback(struct engine *e, int code) {
  (void)e;
  note(code < 0 ? "rollback!" : "rollback", 0);
}

static void fake_between(struct engine *e) {
  (void)e;
  note("between", 0);
}

static void hold_reads(bool wait) {
  pthread_mutex_lock(&fake.lock);
  fake.reads_wait = wait;
  pthread_cond_broadcast(&fake.noted);
  pthread_mutex_unlock(&fake.lock);
}

/* "slow" takes three pieces. */
static int fake_read(struct engine *e, struct read *r, struct err *err) {
  pthread_mutex_lock(&e->lock);
  while (e->reads_wait)
    pthread_cond_wait(&e->noted, &e->lock);
  pthread_mutex_unlock(&e->lock);
  bool slow = strcmp(r->id, "slow") == 0;
  note(slow ? "slow" : "quick", 0);
  if (slow && ++r->floor < 3)
    return ENGINE_AGAIN;
  return err_set(err, ERR_NOT_FOUND, "there is no such job");
}

static const struct engine_ops fake_ops = {
    .name = "fake",
    .open = fake_open,
    .close = fake_close,
    .totals = fake_totals,
    .ready = fake_ready,
    .begin = fake_begin,
    .apply = fake_apply,
    .changes = fake_changes,
    .mark = fake_mark,
    .undo = fake_undo,
    .release = fake_release,
    .commit = fake_commit,
    .rollback = fake_rollback,
    .between = fake_between,
    .read = fake_read,
};

static int fake_set_up(void **state) {
  struct world *w = world_dir();
  struct store_options options = {.engine = &fake_ops,
                                  .path = w->path,
                                  .on_event = help_on_event,
                                  .on_health = help_on_health,
                                  .ctx = w};
  assert_int_equal(store_open(&w->store, &w->loop, &options, NULL), 0);
  *state = w;
  return 0;
}

/* What was called, once the writer is between two groups again. */
static const char *calls(void) {
  static char text[2000];
  static const char last[] = "between ";
  pthread_mutex_lock(&fake.lock);
  while (fake.calls.len < sizeof last - 1 ||
         strcmp(fake.calls.data + fake.calls.len - (sizeof last - 1), last) != 0)
    pthread_cond_wait(&fake.noted, &fake.lock);
  snprintf(text, sizeof text, "%s", fake.calls.data);
  buf_clear(&fake.calls);
  pthread_mutex_unlock(&fake.lock);
  return text;
}

static void set_commit(int code) {
  pthread_mutex_lock(&fake.lock);
  fake.commit_code = code;
  pthread_mutex_unlock(&fake.lock);
}

/* One job of each kind, in one turn of the loop. */
static void send_all(struct world *w, const char *const *kinds, size_t count, struct answer *a) {
  for (size_t i = 0; i < count; i++) {
    struct record_job job = new_job(w, kinds[i]);
    a[i].w = w;
    send_submit(w, &job, false, NULL, &a[i]);
  }
  settle(w);
}

/* ---- tests ---- */

static void test_one_turn_is_one_commit(void **state) {
  struct world *w = *state;
  const char *const kinds[] = {"good", "early", "good"};
  struct answer a[3] = {0};
  send_all(w, kinds, 3, a);
  assert_string_equal(calls(), "begin a1 a2 a3 commit between ");
  assert_int_equal(a[0].code, 0);
  assert_int_equal(a[1].code, ERR_CONFLICT);
  assert_string_equal(a[1].text, "not this one");
  assert_int_equal(a[2].code, 0);
  assert_string_equal(trace(w), "e0:queued e0:queued d1:0 d2:-3 d3:0 ");
}

static void test_a_late_refusal_runs_the_group_apart(void **state) {
  struct world *w = *state;
  const char *const kinds[] = {"good", "late", "good"};
  struct answer a[3] = {0};
  send_all(w, kinds, 3, a);
  assert_string_equal(calls(), "begin a1 a2 rollback begin mark a1 mark a2 undo mark a3 commit "
                               "between ");
  assert_int_equal(a[0].code, 0);
  assert_int_equal(a[1].code, ERR_CONFLICT);
  assert_int_equal(a[2].code, 0);
}

static void test_a_failing_commit_fails_all(void **state) {
  struct world *w = *state;
  const char *const kinds[] = {"good", "early", "good"};
  struct answer a[3] = {0};
  set_commit(ERR_NO_SPACE);
  send_all(w, kinds, 3, a);
  assert_string_equal(calls(), "begin a1 a2 a3 commit rollback! between ");
  for (int i = 0; i < 3; i++) {
    assert_int_equal(a[i].code, ERR_NO_SPACE);
    assert_string_equal(a[i].text, "the disk is gone");
  }
  assert_null(strstr(trace(w), "queued"));
  assert_int_equal(w->health, ERR_NO_SPACE);
  assert_int_equal(w->health_calls, 1);
  set_commit(0);
  struct answer good[3] = {0};
  send_all(w, kinds, 1, good);
  assert_int_equal(good[0].code, 0);
  assert_int_equal(w->health, 0);
  assert_int_equal(w->health_calls, 2);
}

static void test_a_long_read_lets_others_through(void **state) {
  struct world *w = *state;
  struct get slow = {0}, quick = {0};
  hold_reads(true); /* until both are in line */
  store_get(w->store, "slow", help_got, &slow);
  store_get(w->store, "quick", help_got, &quick);
  hold_reads(false);
  settle(w);
  assert_int_equal(slow.code, ERR_NOT_FOUND);
  assert_int_equal(quick.code, ERR_NOT_FOUND);
  note("between", 0); /* what `calls` waits for */
  assert_string_equal(calls(), "slow quick slow slow between ");
}

static void test_the_engine_gets_its_turn(void **state) {
  struct world *w = *state;
  (void)w;
  fake.options.attention(fake.options.ctx);
  assert_string_equal(calls(), "between ");
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, fake_set_up, world_tear_down)
  const struct CMUnitTest tests[] = {
      T(test_one_turn_is_one_commit),     T(test_a_late_refusal_runs_the_group_apart),
      T(test_a_failing_commit_fails_all), T(test_a_long_read_lets_others_through),
      T(test_the_engine_gets_its_turn),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
