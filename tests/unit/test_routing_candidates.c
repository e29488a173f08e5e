/* SPDX-License-Identifier: MIT
 *
 * The candidates of a kind, over backends that are told as facts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "routing/routing.h"

#include <string.h>

static struct backend_facts made[4];
static size_t made_count;
static const char *gone; /* went a moment ago, and did "mesh" */

static const char *const mesh[] = {"mesh", NULL}, *const unknown[] = {NULL};

static int setup(void **state) {
  static const char *const names[] = {"a", "b", "c"};
  made_count = 3;
  gone = NULL;
  for (size_t i = 0; i < made_count; i++)
    made[i] = (struct backend_facts){
        .name = names[i], .state = FACTS_READY, .state_word = "ready", .kinds = mesh, .slots = 2};
  *state = routing_new();
  return 0;
}

static int teardown(void **state) {
  routing_free(*state);
  return 0;
}

static void tell(struct routing *r) {
  struct facts *f = routing_facts(r);
  facts_begin(f);
  for (size_t i = 0; i < made_count; i++)
    facts_tell(f, &made[i]);
  if (gone)
    facts_tell_gone(f, gone, mesh);
  facts_end(f);
}

/* The names of the candidates in their order, "abc". */
static const char *candidates(struct routing *r, const char *kind, const char *pin) {
  static char names[8];
  tell(r);
  struct candidates c = routing_candidates(r, kind, pin, 0);
  assert_true(c.count < sizeof names);
  for (size_t i = 0; i < c.count; i++)
    names[i] = c.list[i]->name[0];
  names[c.count] = '\0';
  return names;
}

static void become(size_t i, enum facts_state state, const char *word) {
  made[i].state = state;
  made[i].state_word = word;
  made[i].message = state == FACTS_READY ? NULL : "it lacks a library";
}

static void configure(struct routing *r, enum route_policy policy) {
  static const char *const order[] = {"b", "c", NULL};
  struct route_options o = {.kind = "mesh",
                            .backends = order,
                            .policy = policy,
                            .attempts = 5,
                            .timeout_ms = 7,
                            .max_wait_ms = 9};
  routing_configure(r, &o, 1);
}

static void test_without_a_route(void **state) {
  struct routing *r = *state;
  assert_string_equal(candidates(r, "mesh", NULL), "abc");
  assert_string_equal(candidates(r, "echo", NULL), "");
  assert_null(routing_route(r, "mesh"));
  struct backend_facts first = made[0];
  made[0] = made[2], made[2] = first; /* the order of the configuration changed */
  assert_string_equal(candidates(r, "mesh", NULL), "cba");
  made_count = 2;
  assert_string_equal(candidates(r, "mesh", NULL), "cb");
}

static void test_ordered_and_pinned(void **state) {
  struct routing *r = *state;
  configure(r, ROUTE_ORDERED);
  assert_int_equal(routing_route(r, "mesh")->attempts, 5);
  assert_int_equal(routing_route(r, "mesh")->max_wait_ms, 9);
  assert_string_equal(candidates(r, "mesh", NULL), "bc");
  assert_string_equal(candidates(r, "mesh", "b"), "b");
  assert_string_equal(candidates(r, "mesh", "a"), "a"); /* a pin goes before the route */
  assert_string_equal(candidates(r, "mesh", "nobody"), "");
}

/* A route names its backends whatever their state; without one, those that do the kind are known. */
static void test_those_that_cannot_now(void **state) {
  struct routing *r = *state;
  become(0, FACTS_FAILED, "failed");
  assert_string_equal(candidates(r, "mesh", NULL), "abc"); /* it is known to do it */
  made[0].kinds = unknown;
  assert_string_equal(candidates(r, "mesh", NULL), "bc");
  configure(r, ROUTE_SPREAD);
  become(1, FACTS_FAILED, "failed");
  made_count = 2;
  assert_string_equal(candidates(r, "mesh", NULL), "bc"); /* c is not there at all */
  assert_false(routing_is_served(r, "mesh", NULL));
  assert_int_equal(routing_candidates(r, "mesh", NULL, 0).route->policy, ROUTE_SPREAD);
  assert_null(routing_candidates(r, "mesh", "b", 0).route);
}

static void test_states(void **state) {
  struct routing *r = *state;
  become(0, FACTS_COMING, "restarting");
  become(1, FACTS_FAILED, "failed");
  assert_string_equal(candidates(r, "mesh", NULL), "abc");
  assert_string_equal(candidates(r, "echo", NULL), "");
  made[0].kinds = unknown; /* nobody knows yet what it does */
  assert_string_equal(candidates(r, "echo", NULL), "a");
  assert_string_equal(candidates(r, "mesh", NULL), "abc");
  become(0, FACTS_FAILED, "failed");
  assert_string_equal(candidates(r, "echo", NULL), "");
  made_count = 0;
  assert_string_equal(candidates(r, "mesh", NULL), "");
}

static bool may_return(struct routing *r, const char *name, const char *kind) {
  tell(r);
  const struct backend_facts *b = facts_find(routing_facts(r), name);
  return b && facts_may_return(b, kind);
}

static void test_may_return(void **state) {
  struct routing *r = *state;
  assert_false(may_return(r, "d", "mesh"));
  gone = "d";
  assert_true(may_return(r, "d", "mesh"));
  assert_false(may_return(r, "d", "echo"));
  assert_false(may_return(r, "a", "mesh"));
  gone = NULL; /* it is long ago by now */
  assert_false(may_return(r, "d", "mesh"));
}

static void test_configure_replaces(void **state) {
  struct routing *r = *state;
  configure(r, ROUTE_ORDERED);
  routing_configure(r, NULL, 0);
  assert_null(routing_route(r, "mesh"));
}

static void test_outlook(void **state) {
  struct routing *r = *state;
  struct buf why = {0};
  tell(r);
  assert_int_equal(routing_outlook(r, "mesh", NULL, &why), OUTLOOK_READY);
  assert_int_equal(routing_outlook(r, "echo", NULL, &why), OUTLOOK_NOBODY);
  assert_int_equal(routing_outlook(r, "mesh", "nobody", &why), OUTLOOK_NOBODY);
  assert_int_equal(why.len, 0);
  become(0, FACTS_FAILED, "failed");
  become(1, FACTS_FAILED, "failed");
  become(2, FACTS_COMING, "starting");
  tell(r);
  assert_int_equal(routing_outlook(r, "mesh", NULL, NULL), OUTLOOK_STARTING);
  become(2, FACTS_READY, "ready");
  tell(r);
  assert_int_equal(routing_outlook(r, "mesh", NULL, NULL), OUTLOOK_READY);
  assert_int_equal(routing_outlook(r, "mesh", "a", &why), OUTLOOK_MISSING);
  assert_string_equal(why.data, "backend 'a' has failed: it lacks a library");
  buf_clear(&why);
  /* what one that never came up would do is not known */
  made[0].kinds = unknown;
  tell(r);
  assert_int_equal(routing_outlook(r, "echo", NULL, &why), OUTLOOK_MISSING);
  assert_string_equal(why.data, "backend 'a' has failed: it lacks a library");
  buf_clear(&why);
  configure(r, ROUTE_ORDERED); /* b, c */
  made_count = 2;
  tell(r);
  assert_int_equal(routing_outlook(r, "mesh", NULL, &why), OUTLOOK_MISSING);
  assert_string_equal(why.data,
                      "backend 'b' has failed: it lacks a library; backend 'c' is not enabled");
  buf_free(&why);
}

/* Over a route whatever its policy is, over a reload, and where there is no route. */
static void test_used_by_hand(void **state) {
  struct routing *r = *state;
  static const char *const ab[] = {"a", "b", NULL}, *const cb[] = {"c", "b", NULL};
  assert_string_equal(candidates(r, "mesh", NULL), "abc");
  routing_use(r, "mesh", "b");
  assert_string_equal(candidates(r, "mesh", NULL), "bac");
  assert_string_equal(candidates(r, "mesh", "c"), "c"); /* who names one gets that */
  assert_null(routing_configured_first(r, "mesh"));
  routing_configure(
      r, &(struct route_options){.kind = "mesh", .backends = ab, .policy = ROUTE_SPREAD}, 1);
  assert_string_equal(candidates(r, "mesh", NULL), "ba");
  assert_int_equal(routing_route(r, "mesh")->policy, ROUTE_ORDERED);
  assert_string_equal(routing_route(r, "mesh")->backends[0], "b");
  assert_string_equal(routing_configured_first(r, "mesh"), "a");
  routing_use(r, "mesh", "c"); /* not one of the route's */
  assert_string_equal(candidates(r, "mesh", NULL), "cab");
  routing_configure(
      r, &(struct route_options){.kind = "mesh", .backends = cb, .policy = ROUTE_SPREAD}, 1);
  assert_string_equal(candidates(r, "mesh", NULL), "cb");
  routing_use(r, "mesh", NULL);
  assert_string_equal(candidates(r, "mesh", NULL), "cb");
  assert_int_equal(routing_route(r, "mesh")->policy, ROUTE_SPREAD);
  routing_use(r, "mesh", "a");
  routing_configure(r, NULL, 0);
  assert_string_equal(candidates(r, "mesh", NULL), "abc");
  routing_use(r, "mesh", "gone"); /* it stays named, for it may come back */
  assert_string_equal(candidates(r, "mesh", NULL), "gabc");
}

/* A kind is ready where a backend takes its jobs. */
static void test_drained_is_not_ready(void **state) {
  struct routing *r = *state;
  struct buf why = {0};
  tell(r);
  for (size_t i = 0; i < 3; i++) {
    assert_int_equal(routing_outlook(r, "mesh", NULL, NULL), OUTLOOK_READY);
    facts_bar(routing_facts(r), made[i].name,
              &(struct bar){.reason = ADMISSION_DRAINED, .why = "by ann"});
  }
  assert_int_equal(routing_outlook(r, "mesh", NULL, &why), OUTLOOK_STARTING);
  assert_non_null(strstr(why.data, "backend 'b' is drained: by ann"));
  buf_free(&why);
  facts_unbar(routing_facts(r), "c", ADMISSION_DRAINED, NULL);
  assert_int_equal(routing_outlook(r, "mesh", NULL, NULL), OUTLOOK_READY);
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
      T(test_without_a_route), T(test_ordered_and_pinned), T(test_those_that_cannot_now),
      T(test_states),          T(test_may_return),         T(test_configure_replaces),
      T(test_outlook),         T(test_used_by_hand),       T(test_drained_is_not_ready),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
