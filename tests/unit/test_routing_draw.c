/* SPDX-License-Identifier: MIT
 *
 * The draw for a canary, and what a drawn job's list looks like.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "routing/routing.h"

#include <stdio.h>
#include <string.h>

enum { CLIENTS = 10000, JOBS = 20 };

static bool is_drawn(const char *client, int job, int share) {
  char id[32];
  snprintf(id, sizeof id, "job-%d", job);
  const struct draw_keys keys = {.client = client, .input = "ab", .job = id};
  return draw_number(ROUTE_STICKY_CLIENT, &keys, "new", "mesh") <= share;
}

/* 10,000 clients with 20 jobs each: all of a client's jobs or none, and a tenth of all in the end. */
static void test_a_tenth_of_the_clients(void **state) {
  int drawn = 0;
  (void)state;
  for (int i = 0; i < CLIENTS; i++) {
    char client[32];
    snprintf(client, sizeof client, "client-%d", i);
    bool first = is_drawn(client, 0, 1000);
    for (int k = 0; k < JOBS; k++) {
      assert_int_equal(is_drawn(client, k, 1000), first);
      drawn += first;
    }
    for (int share = 0; share <= DRAW_OF; share += 500) /* who is in stays in as it grows */
      assert_true(!is_drawn(client, 0, share) || is_drawn(client, 0, share + 500));
  }
  assert_in_range(drawn, CLIENTS * JOBS * 9 / 100, CLIENTS * JOBS * 11 / 100);
}

static void test_what_draws(void **state) {
  const struct draw_keys keys = {.client = "ann", .input = "ab", .job = "j1"},
                         other = {.client = "ann", .input = "ab", .job = "j2"},
                         nobody = {.client = "", .job = "j1"}, nothing = {.client = ""};
  const char *c = "new", *k = "mesh";
  (void)state;
  assert_int_equal(draw_number(ROUTE_STICKY_CLIENT, &keys, c, k),
                   draw_number(ROUTE_STICKY_CLIENT, &other, c, k));
  assert_int_equal(draw_number(ROUTE_STICKY_INPUT, &keys, c, k),
                   draw_number(ROUTE_STICKY_INPUT, &other, c, k));
  assert_int_not_equal(draw_number(ROUTE_STICKY_NONE, &keys, c, k),
                       draw_number(ROUTE_STICKY_NONE, &other, c, k));
  assert_int_equal(draw_number(ROUTE_STICKY_CLIENT, &nobody, c, k),
                   draw_number(ROUTE_STICKY_NONE, &keys, c, k));
  assert_int_equal(draw_number(ROUTE_STICKY_INPUT, &nobody, c, k),
                   draw_number(ROUTE_STICKY_NONE, &keys, c, k));
  assert_int_equal(draw_number(ROUTE_STICKY_CLIENT, &nothing, c, k), 0);
  /* another canary, another kind: not the same ones again */
  assert_int_not_equal(draw_number(ROUTE_STICKY_CLIENT, &keys, "newer", k),
                       draw_number(ROUTE_STICKY_CLIENT, &keys, c, k));
  assert_int_not_equal(draw_number(ROUTE_STICKY_CLIENT, &keys, c, "echo"),
                       draw_number(ROUTE_STICKY_CLIENT, &keys, c, k));
}

static const char *names(const struct candidates *c) {
  static char text[8];
  for (size_t i = 0; i < c->count; i++)
    text[i] = c->list[i]->name[0];
  text[c->count] = '\0';
  return text;
}

/* The canary is the first of a drawn job's list, once, and in no other one that does not name it. */
static void test_lists(void **state) {
  static const char *const ab[] = {"a", "b", NULL};
  struct routing *r = routing_new();
  struct route_options o = {.kind = "mesh", .backends = ab, .canary = "c", .canary_share = 1000};
  (void)state;
  routing_configure(r, &o, 1);
  struct candidates c = routing_candidates(r, "mesh", NULL, 1000);
  assert_string_equal(names(&c), "cab");
  assert_true(c.drawn);
  c = routing_candidates(r, "mesh", NULL, 1001);
  assert_string_equal(names(&c), "ab");
  c = routing_candidates(r, "mesh", NULL, 0); /* nothing was drawn */
  assert_string_equal(names(&c), "ab");
  o.canary = "b";
  routing_configure(r, &o, 1);
  c = routing_candidates(r, "mesh", NULL, 1);
  assert_string_equal(names(&c), "ba");
  c = routing_candidates(r, "mesh", "a", 1); /* a pin goes before it */
  assert_string_equal(names(&c), "a");
  o.canary_share = 0; /* none, not "not set" */
  routing_configure(r, &o, 1);
  c = routing_candidates(r, "mesh", NULL, 1);
  assert_string_equal(names(&c), "ab");
  const struct draw_keys keys = {.client = "ann"};
  assert_int_not_equal(routing_draw(r, "mesh", &keys), 0);
  assert_int_equal(routing_draw(r, "echo", &keys), 0);
  routing_free(r);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_tenth_of_the_clients),
      cmocka_unit_test(test_what_draws),
      cmocka_unit_test(test_lists),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
