/* SPDX-License-Identifier: MIT
 *
 * What core/store/engine.h promises, held against each engine through its table of functions alone.
 * A second engine is a line in `engines` and passes the same tests.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/path.h"
#include "store/engine.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- a disk that fails, for SQLite: its way to write a file is replaced ---- */

static int disk_errno; /* of each write; 0: it works */

static ssize_t failing_pwrite(int fd, const void *data, size_t len, off_t at) {
  if (disk_errno != 0) {
    errno = disk_errno;
    return -1;
  }
  return pwrite(fd, data, len, at);
}

static void break_sqlite(int errnum) {
  sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
  disk_errno = errnum;
  assert_int_equal(vfs->xSetSystemCall(vfs, "pwrite", (sqlite3_syscall_ptr)failing_pwrite), 0);
  assert_int_equal(vfs->xSetSystemCall(vfs, "pwrite64", (sqlite3_syscall_ptr)failing_pwrite), 0);
}

static const struct candidate {
  const struct engine_ops *ops;
  void (*break_disk)(int errnum); /* from now on writes fail so; 0: they work again */
} engines[] = {{&engine_sqlite, break_sqlite}};

/* ---- one open engine ---- */

struct world {
  const struct candidate *c;
  const struct engine_ops *ops;
  struct engine *e;
  char dir[64], path[96];
  struct id_maker ids;
  char id[20][ID_SIZE]; /* by number */
  struct err err;
};

static void on_attention(void *ctx) {
  (void)ctx;
}

static int try_open(struct world *w, struct engine **out) {
  struct engine_options o = {
      .path = w->path, .cache_bytes = 1 << 20, .attention = on_attention, .ctx = w};
  w->err = (struct err){0};
  return w->ops->open(out, &o, &w->err);
}

static void must(struct world *w, int code) {
  if (code != 0)
    fail_msg("%s: %d %s", w->ops->name, code, w->err.text);
}

static void reopen(struct world *w) {
  w->ops->close(w->e);
  must(w, try_open(w, &w->e));
}

static int set_up(void **state) {
  struct world *w = mem_alloc(sizeof *w);
  w->c = *state;
  w->ops = w->c->ops;
  strcpy(w->dir, "/tmp/lathe-engine-XXXXXX");
  assert_non_null(mkdtemp(w->dir));
  snprintf(w->path, sizeof w->path, "%s/lathe.db", w->dir);
  for (size_t i = 0; i < sizeof w->id / sizeof *w->id; i++)
    id_make(&w->ids, w->id[i]);
  must(w, try_open(w, &w->e));
  *state = w;
  return 0;
}

static int tear_down(void **state) {
  struct world *w = *state;
  w->c->break_disk(0);
  if (w->e != NULL)
    w->ops->close(w->e);
  path_remove_tree(w->dir, NULL);
  free(w);
  return 0;
}

/* ---- operations ---- */

static struct op op_of(struct world *w, enum op_type type, int num) {
  return (struct op){.type = type, .num = num, .id = w->id[num]};
}

static void add_event(struct op *op, enum event_type type) {
  op->events[op->event_count++] =
      (struct op_event){.type = type, .at_us = clock_wall_us(), .data = "{}", .len = 2};
}

static struct record_job job_of(struct world *w, int num) {
  return (struct record_job){.num = num,
                             .id = w->id[num],
                             .kind = "echo",
                             .client = "",
                             .params_json = "{}",
                             .created_us = clock_wall_us()};
}

/* Applies one and frees what the engine added to it; returns its code. */
static int apply(struct world *w, struct op *op) {
  w->err = (struct err){0};
  op->code = w->ops->apply(w->e, op, &w->err);
  return op->code;
}

static int submit(struct world *w, int num) {
  struct record_job job = job_of(w, num);
  struct op op = op_of(w, OP_SUBMIT, num);
  op.job = &job;
  add_event(&op, EVENT_QUEUED);
  int code = apply(w, &op);
  arena_free(&op.arena);
  return code;
}

static void begin(struct world *w) {
  must(w, w->ops->ready(w->e, &w->err));
  must(w, w->ops->begin(w->e, &w->err));
}

static void commit(struct world *w) {
  must(w, w->ops->commit(w->e, &w->err));
  w->ops->between(w->e);
}

/* One operation in a transaction of its own. */
static int alone(struct world *w, struct op *op) {
  begin(w);
  int code = apply(w, op);
  commit(w);
  return code;
}

static void put(struct world *w, int num) {
  begin(w);
  must(w, submit(w, num));
  commit(w);
}

/* ---- reads ---- */

/* To the end, however many pieces it takes. */
static int answer(struct world *w, struct read *r) {
  w->err = (struct err){0};
  do
    r->code = w->ops->read(w->e, r, &w->err);
  while (r->code == ENGINE_AGAIN);
  return r->code;
}

/* The state of a job, or a negative code. */
static int state_of(struct world *w, int num) {
  struct read r = {.type = READ_GET, .id = w->id[num]};
  int code = answer(w, &r);
  if (code == 0) {
    assert_int_equal(r.jobs->num, num);
    code = (int)r.jobs->state;
  }
  arena_free(&r.arena);
  return code;
}

static int count_one(void *ctx, const struct record_job *job) {
  (void)job;
  ++*(int *)ctx;
  return 0;
}

static int unfinished(struct world *w) {
  int n = 0;
  must(w, w->ops->recover(w->e, count_one, &n, &w->err));
  return n;
}

static struct totals totals(struct world *w) {
  return *w->ops->totals(w->e);
}

/* ---- the contract ---- */

static void test_a_new_database_is_empty(void **state) {
  struct world *w = *state;
  assert_int_equal(unfinished(w), 0);
  assert_int_equal(totals(w).last_num, 0);
  assert_int_equal(totals(w).jobs[JOB_QUEUED], 0);
  assert_int_equal(state_of(w, 1), ERR_NOT_FOUND);
}

static void test_a_commit_makes_it_durable_and_visible(void **state) {
  struct world *w = *state;
  int64_t gen = totals(w).gen;
  begin(w);
  must(w, submit(w, 1));
  assert_int_equal(state_of(w, 1), ERR_NOT_FOUND);
  assert_int_equal(totals(w).jobs[JOB_QUEUED], 0);
  commit(w);
  assert_int_equal(state_of(w, 1), JOB_QUEUED);
  assert_int_equal(totals(w).jobs[JOB_QUEUED], 1);
  assert_int_equal(totals(w).last_num, 1);
  assert_int_equal(totals(w).last_seq, 1);
  assert_true(totals(w).gen > gen);
  reopen(w);
  assert_int_equal(unfinished(w), 1);
  assert_int_equal(totals(w).last_seq, 1);
}

static void test_an_empty_transaction_is_no_generation(void **state) {
  struct world *w = *state;
  put(w, 1);
  int64_t gen = totals(w).gen;
  struct op op = op_of(w, OP_FINISH, 2);
  struct record_job job = {.num = 2, .id = w->id[2], .state = JOB_FAILED};
  op.job = &job;
  assert_int_equal(alone(w, &op), ERR_NOT_FOUND);
  assert_int_equal(totals(w).gen, gen);
  arena_free(&op.arena);
}

static void test_a_rollback_leaves_nothing(void **state) {
  struct world *w = *state;
  put(w, 1);
  struct totals before = totals(w);
  begin(w);
  int64_t changes = w->ops->changes(w->e);
  must(w, submit(w, 2));
  assert_true(w->ops->changes(w->e) > changes);
  w->ops->rollback(w->e, 0);
  assert_int_equal(state_of(w, 2), ERR_NOT_FOUND);
  put(w, 3);
  assert_int_equal(totals(w).jobs[JOB_QUEUED], before.jobs[JOB_QUEUED] + 1);
  assert_int_equal(totals(w).last_seq, before.last_seq + 1);
  w->ops->rollback(w->e, 0); /* also where none is open */
  assert_int_equal(unfinished(w), 2);
}

static void test_an_undone_operation_leaves_the_others(void **state) {
  struct world *w = *state;
  begin(w);
  for (int num = 1; num <= 3; num++) {
    must(w, w->ops->mark(w->e, &w->err));
    must(w, submit(w, num));
    if (num == 2)
      must(w, w->ops->undo(w->e, &w->err));
    must(w, w->ops->release(w->e, &w->err));
  }
  commit(w);
  assert_int_equal(state_of(w, 1), JOB_QUEUED);
  assert_int_equal(state_of(w, 2), ERR_NOT_FOUND);
  assert_int_equal(state_of(w, 3), JOB_QUEUED);
  assert_int_equal(totals(w).jobs[JOB_QUEUED], 2);
  assert_int_equal(totals(w).last_seq, 2);
}

static void test_a_refusal_says_why_and_the_group_goes_on(void **state) {
  struct world *w = *state;
  begin(w);
  struct op op = op_of(w, OP_CANCEL, 9);
  int64_t changes = w->ops->changes(w->e);
  assert_int_equal(apply(w, &op), ERR_NOT_FOUND);
  assert_non_null(strstr(w->err.text, w->id[9]));
  assert_int_equal(w->ops->changes(w->e), changes);
  must(w, submit(w, 1));
  commit(w);
  assert_int_equal(state_of(w, 1), JOB_QUEUED);
  arena_free(&op.arena);
}

/* The disk fails under a commit: the failure is told, nothing is there, and it heals. */
static void fail_a_commit(struct world *w, int errnum, int expected) {
  put(w, 1);
  struct totals before = totals(w);
  begin(w);
  must(w, submit(w, 2));
  w->c->break_disk(errnum);
  int code = w->ops->commit(w->e, &w->err);
  assert_int_equal(code, expected);
  assert_true(engine_broken(code));
  assert_true(w->err.text[0] != '\0');
  w->ops->rollback(w->e, code);
  w->ops->between(w->e);
  assert_int_equal(totals(w).gen, before.gen);
  assert_int_equal(totals(w).jobs[JOB_QUEUED], 1);
  assert_int_equal(state_of(w, 2), ERR_NOT_FOUND);
  w->c->break_disk(0);
  put(w, 3);
  assert_int_equal(state_of(w, 1), JOB_QUEUED);
  assert_int_equal(state_of(w, 2), ERR_NOT_FOUND);
  assert_int_equal(state_of(w, 3), JOB_QUEUED);
  assert_int_equal(totals(w).last_seq, before.last_seq + 1);
  reopen(w);
  assert_int_equal(unfinished(w), 2);
}

static void test_a_failing_commit(void **state) {
  fail_a_commit(*state, EIO, ERR_IO);
}

static void test_a_full_disk(void **state) {
  fail_a_commit(*state, ENOSPC, ERR_NO_SPACE);
}

/* However often it fails, the next one that can succeeds does. */
static void test_it_heals_after_many_failures(void **state) {
  struct world *w = *state;
  for (int i = 0; i < 10; i++) {
    w->c->break_disk(EIO);
    int code = w->ops->ready(w->e, &w->err);
    if (code == 0 && (code = w->ops->begin(w->e, &w->err)) == 0) {
      code = submit(w, 1);
      if (code == 0)
        code = w->ops->commit(w->e, &w->err);
      assert_true(engine_broken(code));
      w->ops->rollback(w->e, code);
    }
    assert_true(engine_broken(code));
  }
  w->c->break_disk(0);
  put(w, 1);
  reopen(w);
  assert_int_equal(unfinished(w), 1);
}

static void test_a_second_one_is_kept_out(void **state) {
  struct world *w = *state;
  struct engine *second = NULL;
  assert_int_equal(try_open(w, &second), ERR_CONFLICT);
  assert_null(second);
  put(w, 1);
}

/* One job through its whole life, and each reading question about it. */
static void test_each_operation(void **state) {
  struct world *w = *state;
  static const char digest[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  struct record_input input = {.name = "a.step", .sha256 = digest, .bytes = 5};
  struct record_artifact artifact = {
      .name = "a.msh", .media_type = "", .sha256 = digest, .bytes = 7};
  struct store_idempotency key = {"me", "k", "f", INT64_MAX};
  struct record_job job = job_of(w, 1);
  job.inputs = &input;
  job.input_count = 1;
  struct op op = op_of(w, OP_SUBMIT, 1);
  op.job = &job;
  op.key = &key;
  add_event(&op, EVENT_QUEUED);
  must(w, alone(w, &op));
  must(w, alone(w, &op)); /* the same key again tells the job and writes nothing */
  assert_true(op.replayed);
  assert_int_equal(totals(w).jobs[JOB_QUEUED], 1);
  arena_free(&op.arena);

  struct record_attempt attempt = {
      .number = 1, .state = JOB_RUNNING, .backend = "b", .started_us = clock_wall_us()};
  op = op_of(w, OP_START, 1);
  op.attempt = &attempt;
  add_event(&op, EVENT_STARTED);
  must(w, alone(w, &op));
  assert_int_equal(alone(w, &op), ERR_CONFLICT); /* it runs already */
  arena_free(&op.arena);
  op = op_of(w, OP_CHECKPOINT, 1);
  op.attempt = &attempt;
  op.ref = "ref-1";
  must(w, alone(w, &op));
  op = op_of(w, OP_EVENT, 1);
  add_event(&op, EVENT_PROGRESS);
  must(w, alone(w, &op));
  op = op_of(w, OP_CANCEL, 1);
  must(w, alone(w, &op));

  job.state = JOB_COMPLETED;
  job.ended_us = clock_wall_us();
  job.result_json = "{}";
  job.cache_key = "same";
  job.artifacts = &artifact;
  job.artifact_count = 1;
  attempt.state = JOB_COMPLETED;
  op = op_of(w, OP_FINISH, 1);
  op.job = &job;
  op.attempt = &attempt;
  add_event(&op, EVENT_COMPLETED);
  must(w, alone(w, &op));
  assert_int_equal(alone(w, &op), ERR_CONFLICT); /* it is final */
  arena_free(&op.arena);
  assert_int_equal(totals(w).jobs[JOB_COMPLETED], 1);
  assert_int_equal(totals(w).bytes, 12);

  const char *keys[] = {"other", "same"};
  struct read r = {.type = READ_CACHED, .keys = keys, .key_count = 2};
  must(w, answer(w, &r));
  assert_int_equal(r.jobs->artifact_count, 1);
  assert_int_equal(r.jobs->input_count, 1);
  assert_string_equal(r.jobs->attempts[0].ref, "ref-1");
  arena_free(&r.arena);

  struct record_job twin = job_of(w, 2);
  twin.ended_us = clock_wall_us();
  twin.source = w->id[1];
  twin.artifacts = &artifact;
  twin.artifact_count = 1;
  op = op_of(w, OP_CACHED, 2);
  op.job = &twin;
  op.source_num = 1;
  add_event(&op, EVENT_QUEUED);
  add_event(&op, EVENT_COMPLETED);
  must(w, alone(w, &op));
  arena_free(&op.arena);
  assert_int_equal(state_of(w, 2), JOB_COMPLETED);

  r = (struct read){.type = READ_EVENTS, .query = {.job_num = 1, .limit = 100}};
  must(w, answer(w, &r));
  assert_int_equal(r.count, 4);
  for (size_t i = 1; i < r.count; i++)
    assert_true(r.events[i].seq > r.events[i - 1].seq);
  arena_free(&r.arena);
  r = (struct read){.type = READ_LIST, .filter = {.state = -1, .limit = 1}};
  must(w, answer(w, &r));
  assert_int_equal(r.count, 1);
  assert_int_equal(r.jobs[0].num, 2);
  assert_true(r.more);
  arena_free(&r.arena);

  const char *names[] = {digest, "0000"};
  op = op_of(w, OP_UNUSED, 0);
  op.id = NULL;
  op.names = names;
  op.name_count = 2;
  must(w, alone(w, &op));
  assert_int_equal(op.name_count, 1);
  assert_string_equal(op.names[0], "0000");
  const char *folders[] = {w->id[1], w->id[5]};
  op = (struct op){.type = OP_UNOWNED, .names = folders, .name_count = 2};
  must(w, alone(w, &op));
  assert_int_equal(op.name_count, 1);
  assert_string_equal(op.names[0], w->id[5]);

  op = op_of(w, OP_DELETE, 1);
  must(w, alone(w, &op));
  assert_int_equal(op.folder_count, 0); /* the twin needs the files */
  arena_free(&op.arena);
  struct store_retention all = {.jobs_before_us = INT64_MAX, .batch = 10};
  op = (struct op){.type = OP_PURGE, .retention = &all};
  must(w, alone(w, &op));
  assert_int_equal(op.name_count, 1);
  assert_int_equal(op.folder_count, 1);
  assert_string_equal(op.folders[0], w->id[1]);
  arena_free(&op.arena);
  assert_int_equal(totals(w).jobs[JOB_COMPLETED], 0);
  assert_int_equal(totals(w).bytes, 0);
}

static void test_a_job_goes_back_to_the_queue(void **state) {
  struct world *w = *state;
  struct record_attempt attempt = {
      .number = 1, .state = JOB_RUNNING, .backend = "b", .started_us = clock_wall_us()};
  put(w, 1);
  struct op op = op_of(w, OP_START, 1);
  op.attempt = &attempt;
  must(w, alone(w, &op));
  attempt.state = JOB_FAILED;
  op = op_of(w, OP_REQUEUE, 1);
  op.attempt = &attempt;
  op.not_before_us = 77;
  must(w, alone(w, &op));
  struct read r = {.type = READ_GET, .id = w->id[1]};
  must(w, answer(w, &r));
  assert_int_equal(r.jobs->state, JOB_QUEUED);
  assert_int_equal(r.jobs->not_before_us, 77);
  assert_int_equal(r.jobs->attempt_count, 1);
  assert_int_equal(r.jobs->attempts[0].state, JOB_FAILED);
  arena_free(&r.arena);
}

static void test_a_batch_is_written_whole(void **state) {
  struct world *w = *state;
  struct record_batch batch = {.num = 1,
                               .id = w->id[10],
                               .kind = "echo",
                               .client = "",
                               .name = "",
                               .sets_json = "[]",
                               .count = 2};
  struct record_batch_item item = {"a.step", "", "1-a"};
  struct record_job jobs[] = {job_of(w, 1), job_of(w, 2)};
  struct op second = op_of(w, OP_SUBMIT, 2), first = op_of(w, OP_SUBMIT, 1);
  first.job = &jobs[0];
  second.job = &jobs[1];
  first.item = second.item = &item;
  first.next = &second;
  struct op op = {.type = OP_BATCH, .batch = &batch, .jobs = &first, .last_job = &second};
  must(w, alone(w, &op));
  struct read r = {.type = READ_BATCH, .id = w->id[10]};
  must(w, answer(w, &r));
  assert_int_equal(r.batches->states[JOB_QUEUED], 2);
  arena_free(&r.arena);
  r = (struct read){.type = READ_BATCHES, .filter = {.limit = 5}};
  must(w, answer(w, &r));
  assert_int_equal(r.count, 1);
  arena_free(&r.arena);
  r = (struct read){.type = READ_ITEMS, .from = 1, .to = 3, .filter = {.limit = 5}};
  must(w, answer(w, &r));
  assert_int_equal(r.count, 2);
  assert_string_equal(r.items[1].id, w->id[2]);
  arena_free(&r.arena);
}

static void count_file(void *ctx, const struct store_file *file) {
  (void)file;
  ++*(int *)ctx;
}

static void test_a_copy_of_one_that_is_in_use(void **state) {
  struct world *w = *state;
  int files = 0;
  char *to = mem_printf("%s/copy.db", w->dir);
  put(w, 1);
  must(w, w->ops->copy(w->path, to, &w->err));
  put(w, 2);
  must(w, w->ops->copy_forget(to, w->path, &w->err));
  must(w, w->ops->files(to, count_file, &files, &w->err));
  assert_int_equal(files, 0);
  w->ops->close(w->e);
  w->e = NULL;
  snprintf(w->path, sizeof w->path, "%s", to);
  must(w, try_open(w, &w->e));
  assert_int_equal(unfinished(w), 1);
  free(to);
}

static void test_its_sizes_are_known(void **state) {
  struct world *w = *state;
  int64_t file = -1, log = -1;
  put(w, 1);
  w->ops->sizes(w->e, &file, &log);
  assert_true(file > 0);
  assert_true(log >= 0);
  assert_false(w->ops->sets_aside(w->e));
}

int main(void) {
#define T(f)                                                                                       \
  { #f, f, set_up, tear_down, NULL }
  struct CMUnitTest tests[] = {
      T(test_a_new_database_is_empty),
      T(test_a_commit_makes_it_durable_and_visible),
      T(test_an_empty_transaction_is_no_generation),
      T(test_a_rollback_leaves_nothing),
      T(test_an_undone_operation_leaves_the_others),
      T(test_a_refusal_says_why_and_the_group_goes_on),
      T(test_a_failing_commit),
      T(test_a_full_disk),
      T(test_it_heals_after_many_failures),
      T(test_a_second_one_is_kept_out),
      T(test_each_operation),
      T(test_a_job_goes_back_to_the_queue),
      T(test_a_batch_is_written_whole),
      T(test_a_copy_of_one_that_is_in_use),
      T(test_its_sizes_are_known),
  };
  int failed = 0;
  for (size_t i = 0; i < sizeof engines / sizeof *engines; i++) {
    for (size_t t = 0; t < sizeof tests / sizeof *tests; t++)
      tests[t].initial_state = (void *)&engines[i];
    failed += cmocka_run_group_tests_name(engines[i].ops->name, tests, NULL, NULL);
  }
  return failed;
}
