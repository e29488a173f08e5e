/* SPDX-License-Identifier: MIT
 *
 * The choice of a backend, over backends that this file makes up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "routing/routing.h"

#include <string.h>

struct backend {
  const char *name;
  enum backend_state state;
  const char *kinds[4];
  int slots, running;
};

static struct backend made[4];
static int made_count;
static const char *gone; /* went a moment ago, and did "mesh" */

const char *backend_name(const struct backend *b) {
  return b->name;
}
enum backend_state backend_state(const struct backend *b) {
  return b->state;
}
const char *backend_message(const struct backend *b) {
  return b->state == BACKEND_READY ? NULL : "it lacks a library";
}
const char *backend_state_word(enum backend_state s) {
  return s == BACKEND_STARTING ? "starting" : "restarting";
}
const char *const *backend_kinds(const struct backend *b) {
  return b->kinds;
}
bool backend_does(const struct backend *b, const char *kind) {
  for (int i = 0; b->kinds[i]; i++)
    if (strcmp(b->kinds[i], kind) == 0)
      return true;
  return false;
}
int backend_slots(const struct backend *b) {
  return b->slots;
}
int backend_running(const struct backend *b) {
  return b->running;
}
struct backend *workers_find(const struct workers *w, const char *name) {
  (void)w;
  for (int i = 0; i < made_count; i++)
    if (strcmp(made[i].name, name) == 0)
      return &made[i];
  return NULL;
}
struct backend *workers_next(const struct workers *w, const struct backend *previous) {
  (void)w;
  ptrdiff_t i = previous ? previous - made + 1 : 0;
  return i < made_count ? &made[i] : NULL;
}

const char *workers_next_gone(const struct workers *w, const char *kind, size_t *pos) {
  (void)w;
  return (*pos)++ == 0 && strcmp(kind, "mesh") == 0 ? gone : NULL;
}

static bool has_slot(void *ctx, struct backend *b) {
  (void)ctx;
  return b->running < b->slots;
}

static int setup(void **state) {
  memset(made, 0, sizeof made);
  made_count = 3;
  gone = NULL;
  for (int i = 0; i < 3; i++) {
    static const char *const names[] = {"a", "b", "c"};
    made[i] =
        (struct backend){.name = names[i], .state = BACKEND_READY, .kinds = {"mesh"}, .slots = 2};
  }
  struct routing *r = routing_new();
  static char dummy;
  routing_set_workers(r, (struct workers *)&dummy);
  *state = r;
  return 0;
}

static int teardown(void **state) {
  routing_free(*state);
  return 0;
}

static const char *choose(struct routing *r, struct route_question q) {
  q.kind = q.kind ? q.kind : "mesh";
  q.fits = has_slot;
  struct backend *b = routing_choose(r, &q, NULL);
  return b ? b->name : "-";
}

static bool is_hopeless(struct routing *r, struct route_question q) {
  bool hopeless = false;
  q.kind = q.kind ? q.kind : "mesh";
  assert_null(routing_choose(r, &q, &hopeless));
  return hopeless;
}

static void configure(struct routing *r, enum route_policy policy) {
  static const char *const order[] = {"b", "c", NULL};
  struct route_options o = {
      .kind = "mesh", .backends = order, .policy = policy, .attempts = 5, .timeout_ms = 7};
  routing_configure(r, &o, 1);
}

static void test_without_a_route(void **state) {
  struct routing *r = *state;
  assert_string_equal(choose(r, (struct route_question){0}), "a");
  made[0].running = 2;
  assert_string_equal(choose(r, (struct route_question){0}), "b");
  assert_string_equal(choose(r, (struct route_question){.kind = "echo"}), "-");
  assert_null(routing_route(r, "mesh"));
}

static void test_ordered_and_pinned(void **state) {
  struct routing *r = *state;
  configure(r, ROUTE_ORDERED);
  assert_int_equal(routing_route(r, "mesh")->attempts, 5);
  assert_string_equal(choose(r, (struct route_question){0}), "b");
  made[1].running = 2;
  assert_string_equal(choose(r, (struct route_question){0}), "c");
  assert_string_equal(choose(r, (struct route_question){.pin = "b"}), "-");
  assert_string_equal(choose(r, (struct route_question){.pin = "a"}), "a");
}

static void test_round_robin(void **state) {
  struct routing *r = *state;
  configure(r, ROUTE_ROUND_ROBIN);
  assert_string_equal(choose(r, (struct route_question){0}), "b");
  assert_string_equal(choose(r, (struct route_question){0}), "c");
  assert_string_equal(choose(r, (struct route_question){0}), "b");
  made[2].running = 2;
  assert_string_equal(choose(r, (struct route_question){0}), "b");
}

static void test_least_loaded(void **state) {
  struct routing *r = *state;
  configure(r, ROUTE_LEAST_LOADED);
  made[1].running = 1;
  assert_string_equal(choose(r, (struct route_question){0}), "c");
  made[2].running = 2, made[2].slots = 8; /* 2/8 is less than 1/2 */
  assert_string_equal(choose(r, (struct route_question){0}), "c");
}

static void test_avoid_is_a_wish_and_never_is_not(void **state) {
  struct routing *r = *state;
  const char *const a[] = {"a"};
  const char *const all[] = {"a", "b", "c"};
  assert_string_equal(choose(r, (struct route_question){.avoid = a, .avoid_count = 1}), "b");
  made[1].running = made[2].running = 2; /* others exist: wait for them */
  assert_string_equal(choose(r, (struct route_question){.avoid = a, .avoid_count = 1}), "-");
  made[1].state = made[2].state = BACKEND_RESTARTING; /* none is there now: take it */
  assert_string_equal(choose(r, (struct route_question){.avoid = a, .avoid_count = 1}), "a");
  assert_string_equal(choose(r, (struct route_question){.avoid = all, .avoid_count = 3}), "a");
  assert_string_equal(choose(r, (struct route_question){.never = a, .never_count = 1}), "-");
  assert_false(is_hopeless(r, (struct route_question){.never = a, .never_count = 1}));
  assert_true(is_hopeless(r, (struct route_question){.never = all, .never_count = 3}));
}

static void test_hopeless(void **state) {
  struct routing *r = *state;
  assert_true(is_hopeless(r, (struct route_question){.kind = "echo"}));
  made[2].kinds[0] = NULL;
  made[2].state = BACKEND_STARTING; /* nobody knows yet what it does */
  assert_false(is_hopeless(r, (struct route_question){.kind = "echo"}));
  made[2].state = BACKEND_FAILED;
  assert_true(is_hopeless(r, (struct route_question){.kind = "echo"}));
  assert_true(is_hopeless(r, (struct route_question){.pin = "nobody"}));
  made[0].state = BACKEND_RESTARTING;
  assert_false(is_hopeless(r, (struct route_question){.pin = "a"}));
  made_count = 0;
  assert_true(is_hopeless(r, (struct route_question){0}));
}

/* One that went a moment ago is on its way back, unless it must not get it anyway. */
static void test_may_return(void **state) {
  static const char *const a[] = {"a"}, *const all[] = {"a", "b", "c", "d"};
  struct routing *r = *state;
  struct route_question q = {.kind = "mesh"};
  assert_false(routing_may_return(r, &q));
  gone = "d";
  assert_true(routing_may_return(r, &q));
  q.pin = "d";
  assert_true(routing_may_return(r, &q));
  q.pin = "a";
  assert_false(routing_may_return(r, &q));
  q = (struct route_question){.kind = "mesh", .never = a, .never_count = 1};
  assert_true(routing_may_return(r, &q));
  q = (struct route_question){.kind = "mesh", .never = all, .never_count = 4};
  assert_false(routing_may_return(r, &q));
  q = (struct route_question){.kind = "echo"};
  assert_false(routing_may_return(r, &q));
}

static void test_configure_replaces(void **state) {
  struct routing *r = *state;
  configure(r, ROUTE_ORDERED);
  routing_configure(r, NULL, 0);
  assert_null(routing_route(r, "mesh"));
  assert_int_equal(route_policy_parse("least-loaded"), ROUTE_LEAST_LOADED);
  assert_int_equal(route_policy_parse("best"), -1);
}

static void test_outlook(void **state) {
  struct routing *r = *state;
  struct buf why = {0};
  assert_int_equal(routing_outlook(r, "mesh", NULL, &why), OUTLOOK_READY);
  assert_int_equal(routing_outlook(r, "echo", NULL, &why), OUTLOOK_NOBODY);
  assert_int_equal(why.len, 0);
  made[0].state = made[1].state = BACKEND_FAILED;
  made[2].state = BACKEND_STARTING;
  assert_int_equal(routing_outlook(r, "mesh", NULL, NULL), OUTLOOK_STARTING);
  made[2].state = BACKEND_READY;
  assert_int_equal(routing_outlook(r, "mesh", NULL, NULL), OUTLOOK_READY);
  assert_int_equal(routing_outlook(r, "mesh", "a", &why), OUTLOOK_MISSING);
  assert_string_equal(why.data, "backend 'a' has failed: it lacks a library");
  buf_clear(&why);
  /* what one that never came up would do is not known */
  made[0].kinds[0] = NULL;
  assert_int_equal(routing_outlook(r, "echo", NULL, &why), OUTLOOK_MISSING);
  assert_string_equal(why.data, "backend 'a' has failed: it lacks a library");
  buf_clear(&why);
  configure(r, ROUTE_ORDERED); /* b, c */
  made_count = 2;
  assert_int_equal(routing_outlook(r, "mesh", NULL, &why), OUTLOOK_MISSING);
  assert_string_equal(why.data,
                      "backend 'b' has failed: it lacks a library; backend 'c' is not enabled");
  buf_free(&why);
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
      T(test_without_a_route),
      T(test_ordered_and_pinned),
      T(test_round_robin),
      T(test_least_loaded),
      T(test_avoid_is_a_wish_and_never_is_not),
      T(test_hopeless),
      T(test_may_return),
      T(test_configure_replaces),
      T(test_outlook),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
