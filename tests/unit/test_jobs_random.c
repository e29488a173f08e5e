/* SPDX-License-Identifier: MIT
 *
 * Thousands of random submits, cancels, retries, results, restarts and disk
 * failures.  Whatever the order, in the end
 *   - each acknowledged job has exactly one final event a life (a client's retry begins another),
 *   - a life whose cancellation was answered with success ended as cancelled, also where the daemon
 *     was killed right after the answer,
 *   - nothing refused has any (a submit that a restart left without an answer may),
 *   - slots, memory and threads are all free again,
 * and at no time are there two steps of one job, or more of them than slots or cores.
 * LATHE_TEST_SEED repeats a run.
 */
#include "jobs_help.h"

#include "observe/log.h"

enum { ROUNDS = 10000, JOBS_MAX = 3000 };

struct known { /* an acknowledged job */
  char id[27];
  int lives;
  bool deleted;
  uint64_t cancelled; /* lives of which a client was told so; a bit each, as in struct seen */
};

static struct world *the_world;

static struct known known[JOBS_MAX];
static int known_count;
static int unanswered; /* submits whose answer is due, or was lost in a restart */
static uint64_t seed;

static uint32_t draw(uint32_t below) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return (uint32_t)((seed >> 16) % below);
}

static struct known *find(const char *id) {
  for (int i = 0; i < known_count; i++)
    if (strcmp(known[i].id, id) == 0)
      return &known[i];
  return NULL;
}

static void on_submit(void *arg, int code, const struct jobs_answer *a) {
  (void)arg;
  unanswered--;
  if (code < 0) {
    assert_non_null(a->slug);
    return;
  }
  struct known *k = find(a->job_id);
  assert_true(a->replayed || !k);
  if (k)
    return;
  assert_true(known_count < JOBS_MAX);
  snprintf(known[known_count].id, sizeof known->id, "%.26s", a->job_id);
  known[known_count++].lives = 1;
}

static void on_cancel(void *arg, int code, const struct jobs_answer *a) {
  struct known *k = arg;
  int life = world_seen(the_world, k->id)->lives;
  assert_true(code == 0 || a->slug);
  if (code == 0 && life < 64)
    k->cancelled |= 1ull << life;
}

static void on_retry(void *arg, int code, const struct jobs_answer *a) {
  (void)a;
  if (code == 0)
    ((struct known *)arg)->lives++;
}

static void on_delete(void *arg, int code, const struct jobs_answer *a) {
  (void)a;
  if (code == 0)
    ((struct known *)arg)->deleted = true;
}

static void submit(struct world *w) {
  static const char *const kinds[] = {"echo", "echo", "mesh"};
  static const char *const clients[] = {"x", "y", "z"};
  static const char *const pins[] = {NULL, NULL, NULL, "a", "b"};
  char key[16];
  snprintf(key, sizeof key, "key%u", draw(50));
  struct record_input in = {
      .name = "in", .sha256 = WORLD_INPUT, .bytes = draw(3) == 0 ? 5 << 20 : 100};
  struct jobs_request r = {
      .kind = kinds_find(w->kinds, kinds[draw(3)]),
      .client = clients[draw(3)],
      .pin = pins[draw(5)],
      .priority = (int)draw(5) - 2,
      .params_json = "{}",
      .inputs = &in,
      .input_count = draw(2),
      .idem_key = draw(4) == 0 ? key : NULL,
      .fingerprint = "same",
  };
  if (known_count > JOBS_MAX - 100)
    return;
  unanswered++;
  jobs_submit(w->jobs, &r, on_submit, w);
}

static void end_a_step(struct world *w) {
  static const enum step_class classes[] = {STEP_OK,        STEP_OK,   STEP_OK,      STEP_BAD_INPUT,
                                            STEP_RETRY,     STEP_AUTH, STEP_CRASHED, STEP_TIMEOUT,
                                            STEP_PERMANENT, STEP_LOST};
  (void)w;
  if (fake.steps_count == 0)
    return;
  struct workers_step *s = fake_step((int)draw((uint32_t)fake.steps_count));
  bool stops = s->cancelled && draw(4) > 0;
  fake_end(s, stops ? STEP_CANCELLED : classes[draw(10)]);
}

static void turn_backend(void) {
  struct backend *b = &fake.backends[draw(2)];
  b->state = draw(3) == 0 ? BACKEND_RESTARTING : BACKEND_READY;
  fake.events.changed(fake.events.ctx, b);
}

static void check_steps(void) {
  int meshes = 0;
  list_for_each(it, &fake.steps) {
    struct workers_step *s = container_of(it, struct workers_step, link);
    meshes += strcmp(s->kind, "mesh") == 0 && strcmp(s->b->name, "a") == 0;
    assert_ptr_equal(fake_step_of(s->job_id), s); /* the only one of its job */
  }
  assert_true(meshes <= 2); /* one core each */
  assert_true(fake.backends[0].running <= fake.backends[0].slots);
  assert_true(fake.backends[1].running <= fake.backends[1].slots);
}

static void turn(struct world *w) {
  uv_timer_init(&w->loop, &w->ticker);
  uv_timer_start(&w->ticker, world_tick, 1, 0);
  uv_run(&w->loop, UV_RUN_ONCE);
  uv_close((uv_handle_t *)&w->ticker, NULL);
  uv_run(&w->loop, UV_RUN_NOWAIT);
}

static void restart(struct world *w) {
  disk_fails = false;
  world_restart(w);
}

static void one_action(struct world *w) {
  struct known *k = known_count > 0 ? &known[draw((uint32_t)known_count)] : NULL;
  uint32_t what = draw(1000);
  if (what < 400)
    submit(w);
  else if (what < 700)
    end_a_step(w);
  else if (what < 800 && k)
    jobs_cancel(w->jobs, k->id, on_cancel, k);
  else if (what < 840 && k)
    jobs_retry(w->jobs, k->id, on_retry, k);
  else if (what < 850 && k && !k->deleted)
    jobs_delete(w->jobs, k->id, on_delete, k);
  else if (what < 880)
    turn_backend();
  else if (what < 890)
    disk_fails = !disk_fails && draw(3) == 0;
  else if (what < 892)
    restart(w);
  else
    turn(w);
}

static bool is_over(struct world *w, void *arg) {
  struct jobs_stats stats;
  (void)arg;
  jobs_stats(w->jobs, &stats);
  while (fake.steps_count > 0)
    fake_end(fake_step(0), STEP_OK);
  return stats.queued == 0 && stats.running == 0;
}

static void check_the_end(struct world *w) {
  size_t pos = 0;
  int completed = 0, strangers = 0, cancels = 0;
  for (int i = 0; i < known_count; i++) {
    struct seen *s = world_seen(w, known[i].id);
    completed += s->last == EVENT_COMPLETED;
    assert_true(s->lives >= known[i].lives);
    assert_int_equal(known[i].cancelled & ~s->cancelled, 0);
    cancels += known[i].cancelled != 0;
    struct stored got = look(w, known[i].id);
    assert_int_equal(got.code, known[i].deleted ? ERR_NOT_FOUND : 0);
    if (!known[i].deleted)
      assert_true(job_state_is_final(got.state));
  }
  for (struct seen *s; (s = map_next(&w->seen, &pos));) {
    assert_int_equal(s->finals, s->lives);
    assert_false(s->open);
    strangers += find(s->id) == NULL;
  }
  assert_true(strangers <= unanswered);
  print_message("%d jobs, %d completed\n", known_count, completed);
  assert_true(completed > 0 && cancels > 0);
}

/* All slots and cores can be had again. */
static void check_nothing_is_reserved(struct world *w) {
  for (int i = 0; i < 3; i++)
    assert_non_null(ask(w, (struct ask){.kind = "mesh", .pin = "a"}));
  for (int i = 0; i < 3; i++)
    assert_non_null(ask(w, (struct ask){.kind = "echo", .pin = "b"}));
  settle(w);
  assert_int_equal(fake.backends[0].running, 2); /* cores */
  assert_int_equal(fake.backends[1].running, 2); /* slots */
}

static void test_random(void **state) {
  struct world *w = *state;
  the_world = w;
  const char *given = getenv("LATHE_TEST_SEED");
  seed = given ? strtoull(given, NULL, 10) : (uint64_t)clock_wall_us();
  print_message("LATHE_TEST_SEED=%llu\n", (unsigned long long)seed);
  w->options.queue_max = 100;
  w->options.cpus = 2;
  w->options.memory = 3000LL << 20;
  w->options.ageing_ms = 5;
  fake.count = 2;
  fake.backends[0].slots = 3;
  fake.backends[1] = (struct backend){
      .name = "b", .device = "net", .state = BACKEND_READY, .kinds = {"echo", "mesh"}, .slots = 2};
  jobs_reconfigure(w->jobs, &w->options);
  for (int i = 0; i < ROUNDS; i++) {
    one_action(w);
    check_steps();
  }
  disk_fails = false;
  fake.backends[0].state = fake.backends[1].state = BACKEND_READY;
  fake.events.changed(fake.events.ctx, &fake.backends[0]);
  world_until(w, is_over, NULL);
  settle(w);
  world_until(w, is_over, NULL);
  check_the_end(w);
  check_nothing_is_reserved(w);
}

int main(void) {
  const struct log_options quiet = {.level = LOG_ERROR + 1};
  const struct CMUnitTest tests[] = {WORLD_TEST(test_random)};
  log_configure(&quiet);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
