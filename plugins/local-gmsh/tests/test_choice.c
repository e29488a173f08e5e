/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The pure part of `exhaustive`: scores, the choice, and the tree of candidates.
 */
#include "base/out.h"
#include "output/strategy_words.h"
#include "quality/score.h"
#include "search/plan.h"
#include "task/attempt.h"
#include "task/outcome.h"
#include "task/task.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* after those that it needs */
#include <cmocka.h>

static const struct score_options PLAIN = {.weight = {0.5, 0.15, 0.15, 0.1, 0.1, 0.5},
                                           .threshold = 1};

static struct stats flat(double v) {
  return (struct stats){v, v, v, v, v, v, v, v};
}

static struct outcome of_quality(double sicn, double gamma, double angle) {
  struct outcome o = {.tetrahedra = 100, .nodes = 300, .volume = 100, .cad_volume = 100};
  o.quality[MEASURE_SICN] = flat(sicn);
  o.quality[MEASURE_GAMMA] = flat(gamma);
  o.quality[MEASURE_ANGLE] = flat(angle);
  return o;
}

static double score_of(const struct outcome *o, const struct score_options *w) {
  struct attempt a = {0};
  score_attempt(&a, o, w);
  assert_true(a.scored);
  assert_true(a.score >= 0 && a.score <= 1);
  return a.score;
}

static void test_range(void **state) {
  (void)state;
  struct outcome best = of_quality(1, 1, 70.5), worst = of_quality(0, 0, 0);
  assert_float_equal(score_of(&best, &PLAIN), 1, 1e-12);
  worst.volume = 101;
  worst.tetrahedra = 100000000;
  assert_float_equal(score_of(&worst, &PLAIN), 0, 1e-12);
}

/* By hand: p1 0.15, p5 0.3, mean 0.7, min 0.05; gamma min 0.05, mean 0.6; angle 5, p5 20; 0.5% off.
 */
static void test_formula(void **state) {
  (void)state;
  struct outcome o = of_quality(0, 0, 0);
  o.quality[MEASURE_SICN] = (struct stats){.min = 0.05, .p1 = 0.15, .p5 = 0.3, .mean = 0.7};
  o.quality[MEASURE_GAMMA] = (struct stats){.min = 0.05, .mean = 0.6};
  o.quality[MEASURE_ANGLE] = (struct stats){.min = 5, .p5 = 20};
  o.volume = 99.5;
  double sicn = 0.35 * 0.5 + 0.25 * (2 / 3.0) + 0.2 * 0.7 + 0.2 * 0.5;
  o.tetrahedra = 10000; /* two of six decades */
  double want = (0.5 * sicn + 0.15 * 0.55 + 0.15 * 0.5 + 0.1 * 0.5 + 0.5 * (2 / 3.0)) / 1.4;
  assert_float_equal(score_of(&o, &PLAIN), want, 1e-12);
}

static void test_each_measure_counts(void **state) {
  (void)state;
  struct outcome base = of_quality(0.08, 0.08, 8);
  double before = score_of(&base, &PLAIN);
  for (int m = MEASURE_SICN; m <= MEASURE_ANGLE; m++) {
    struct outcome better = base;
    better.quality[m] = flat(base.quality[m].min * 1.2);
    assert_true(score_of(&better, &PLAIN) > before);
  }
  struct outcome off = base;
  off.volume = 100.2;
  assert_true(score_of(&off, &PLAIN) < before);
  off.volume = 99.8;
  assert_true(score_of(&off, &PLAIN) < before);
}

static void test_what_is_not_known_does_not_count(void **state) {
  (void)state;
  struct outcome o = of_quality(1, 1, 70);
  struct attempt a = {0};
  o.cad_volume = 0;
  score_attempt(&a, &o, &PLAIN);
  assert_float_equal(a.score, 1, 1e-12);
  assert_true(a.part[SCORE_VOLUME] < 0 && a.part[SCORE_COUNT] < 0);
}

static void test_target(void **state) {
  (void)state;
  struct score_options w = PLAIN;
  struct outcome o = of_quality(0.5, 0.5, 30);
  w.target = 1000;
  const uint64_t counts[] = {1000, 1140, 1400, 2200, 4100, 20000};
  double last = 2;
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
    struct attempt a = {0};
    o.tetrahedra = counts[i];
    score_attempt(&a, &o, &w);
    if (i <= 1)
      assert_float_equal(a.part[SCORE_COUNT], 1, 1e-12);
    else
      assert_true(a.part[SCORE_COUNT] < last || a.part[SCORE_COUNT] == 0);
    last = a.part[SCORE_COUNT];
  }
  assert_float_equal(last, 0, 1e-12);
}

static void test_weights(void **state) {
  (void)state;
  struct score_options gamma_only = {.weight = {0, 1}, .threshold = 1};
  struct outcome o = of_quality(0.01, 1, 1);
  assert_float_equal(score_of(&o, &gamma_only), 1, 1e-12);
}

static void test_original(void **state) {
  (void)state;
  struct attempt a = {.sicn_min = 0.25, .sicn_mean = 0.8, .tetrahedra = 10000};
  assert_float_equal(score_original(&a), 20 + 10 + 8, 1e-9);
  a.sicn_min = 0.1;
  assert_float_equal(score_original(&a), 20 + 20 + 8, 1e-9);
  a.sicn_min = 0.3;
  assert_float_equal(score_original(&a), 20 + 8, 1e-9);
}

static void test_choice(void **state) {
  (void)state;
  struct attempt a[5] = {{.scored = true, .score = 0.5},
                         {.scored = true, .score = 0.9, .reason = REASON_INVERTED},
                         {.scored = true, .score = 0.7},
                         {.scored = true, .score = 0.7},
                         {.scored = false, .score = 0.8}};
  struct score_options w = PLAIN;
  assert_int_equal(score_choose(a, 5, &w, false), 2);
  assert_int_equal(score_choose(a, 2, &w, false), 0);
  assert_int_equal(score_choose(a + 4, 1, &w, false), (size_t)-1);
  w.threshold = 0.4;
  assert_int_equal(score_choose(a, 5, &w, false), 2);
  assert_int_equal(score_choose(a, 5, &w, true), 0); /* the first that is good enough */
  assert_true(score_enough(&a[0], &w));
  assert_false(score_enough(&a[1], &w));
  assert_false(score_enough(&a[4], &w));
}

static struct attempt scored(struct outcome o) {
  struct attempt a = {0};
  score_attempt(&a, &o, &PLAIN);
  return a;
}

static void test_elements_cost(void **state) {
  (void)state;
  struct outcome few = of_quality(0.3, 0.3, 20), many = of_quality(0.32, 0.32, 21);
  few.tetrahedra = 4062;
  many.tetrahedra = 57953; /* fourteen times as many for a shape that is a little better */
  struct attempt a[2] = {scored(many), scored(few)};
  assert_true(a[0].part[SCORE_ELEMENTS] < a[1].part[SCORE_ELEMENTS]);
  assert_int_equal(score_choose(a, 2, &PLAIN, false), 1);
}

static void test_the_worst_element_decides(void **state) {
  (void)state;
  struct outcome mean = of_quality(0.9, 0.9, 60), least = of_quality(0.3, 0.3, 20);
  mean.quality[MEASURE_SICN].min = 0.01;
  least.quality[MEASURE_SICN].min = 0.05;
  struct attempt a[3] = {scored(mean), scored(least)};
  assert_true(a[0].score > a[1].score);
  assert_int_equal(score_choose(a, 2, &PLAIN, false), 1);
  mean.quality[MEASURE_SICN].min = 2e-8; /* one step from flat: behind all else */
  least.quality[MEASURE_SICN].min = 2e-7;
  a[0] = scored(mean);
  a[1] = scored(least);
  assert_int_equal(score_choose(a, 2, &PLAIN, false), 1);
  mean.quality[MEASURE_SICN].min = 0.05; /* alike: now the rest decides */
  least.quality[MEASURE_SICN].min = 0.051;
  a[0] = scored(mean);
  a[1] = scored(least);
  assert_int_equal(score_choose(a, 2, &PLAIN, false), 0);
}

/* ---- the tree ---- */

static const struct node *find(const struct plan *p, const char *name) {
  for (size_t i = 0; i < p->count; i++)
    if (strcmp(p->nodes[i].name, name) == 0)
      return &p->nodes[i];
  return NULL;
}

static size_t candidates(const struct plan *p, int wave) {
  size_t n = 0;
  for (size_t i = 0; i < p->count; i++)
    n += p->nodes[i].candidate && p->nodes[i].wave == wave;
  return n;
}

static void check_tree(const struct plan *p) {
  for (size_t i = 0; i < p->count; i++) {
    const struct node *n = &p->nodes[i];
    assert_true(n->parent < (int)i);
    assert_true((n->parent < 0) == (n->step == STEP_FACES));
    if (n->parent >= 0) {
      const struct node *up = &p->nodes[n->parent];
      assert_int_equal(n->strategy.algorithm_2d, up->strategy.algorithm_2d);
      assert_true(n->step == STEP_FILL || n->strategy.algorithm_3d == up->strategy.algorithm_3d);
      assert_true(n->step == STEP_FILL || n->strategy.finish == up->strategy.finish + 1);
    }
    for (size_t k = 0; k < i; k++)
      assert_string_not_equal(p->nodes[k].name, n->name);
  }
}

static void test_plan(void **state) {
  (void)state;
  struct task t = {.format = FORMAT_STEP};
  struct plan p;
  plan_make(&t, &p);
  check_tree(&p);
  assert_int_equal(candidates(&p, 0), 3 * 2 * 3);
  assert_true(candidates(&p, 1) > 0 && candidates(&p, 2) > 0);
  assert_int_equal(find(&p, "curved-delaunay")->wave, 2); /* many times the elements asked for */
  assert_non_null(find(&p, "curved-hxt-polished"));
  assert_null(find(&p, "flat")); /* there is no curvature to leave out */
  assert_null(find(&p, "facets-delaunay"));
  t.params.curvature = 20;
  plan_make(&t, &p);
  check_tree(&p);
  assert_non_null(find(&p, "flat-delaunay"));
  assert_null(find(&p, "curved-delaunay")); /* is what `frontal` does already */
  assert_int_equal(find(&p, "frontal-delaunay")->strategy.curvature, 20);
  t.format = FORMAT_STL;
  plan_make(&t, &p);
  check_tree(&p);
  assert_true(find(&p, "facets-hxt")->strategy.facets);
  assert_null(find(&p, "healed-delaunay"));
}

static void test_plan_order(void **state) {
  (void)state;
  struct task t = {.format = FORMAT_STEP};
  struct plan p;
  strcpy(t.params.order_of, "meshadapt-hxt,frontal-delaunay");
  plan_make(&t, &p);
  check_tree(&p);
  assert_int_equal(candidates(&p, 0), 2);
  assert_string_equal(p.nodes[0].name, "meshadapt");
  assert_false(find(&p, "meshadapt-hxt-raw")->candidate); /* only on the way */
  assert_null(find(&p, "meshadapt-hxt-polished"));
  assert_true(find(&p, "frontal-delaunay") > find(&p, "meshadapt-hxt"));
  t.params.order_of[0] = '\0';
  t.params.deterministic = true;
  plan_make(&t, &p);
  check_tree(&p);
  assert_null(find(&p, "frontal-hxt-raw"));
  assert_int_equal(candidates(&p, 0), 3 * 3);
}

static void test_names(void **state) {
  (void)state;
  struct task t = {.format = FORMAT_STEP};
  struct strategy r;
  assert_true(plan_known("facets-delaunay") && plan_known("curved-hxt-raw"));
  assert_false(plan_known("frontal") || plan_known("") || plan_known("frontal-delaunay-"));
  assert_true(plan_find(&t, "delaunay-hxt-polished", &r));
  assert_int_equal(r.algorithm_2d, 5);
  assert_int_equal(r.algorithm_3d, 10);
  assert_int_equal(r.finish, FINISH_POLISHED);
  assert_false(plan_find(&t, "facets-delaunay", &r)); /* no STL */
}

static void expect_words(const char *name, const char *want) {
  struct out o = {0};
  strategy_words(&o, name);
  out_put(&o, "", 1);
  assert_string_equal(o.data, want);
  out_free(&o);
}

static void a_strategy_has_words(void **state) {
  (void)state;
  static struct task cad, stl = {.format = FORMAT_STL};
  const struct task *jobs[] = {&cad, &stl};
  struct plan p;
  for (size_t k = 0; k < 2; k++) {
    plan_make(jobs[k], &p);
    for (size_t i = 0; i < p.count; i++) {
      struct out o = {0};
      strategy_words(&o, p.nodes[i].name);
      out_put(&o, "", 1);
      assert_true(!p.nodes[i].candidate || strstr(o.data, "tetrahedra by"));
      out_free(&o);
    }
  }
  expect_words("finer", "half of the size that was asked for");
  expect_words("frontal-hxt-polished",
               "faces by the frontal algorithm, tetrahedra by HXT, improved three times");
  expect_words("delaunay-delaunay",
               "faces by Delaunay's algorithm, tetrahedra by Delaunay's algorithm, improved once");
  expect_words("of tomorrow", "of tomorrow");
  expect_words("frontal-of-tomorrow", "frontal-of-tomorrow");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_range),
      cmocka_unit_test(test_formula),
      cmocka_unit_test(test_each_measure_counts),
      cmocka_unit_test(test_what_is_not_known_does_not_count),
      cmocka_unit_test(test_target),
      cmocka_unit_test(test_weights),
      cmocka_unit_test(test_original),
      cmocka_unit_test(test_choice),
      cmocka_unit_test(test_elements_cost),
      cmocka_unit_test(test_the_worst_element_decides),
      cmocka_unit_test(test_plan),
      cmocka_unit_test(test_plan_order),
      cmocka_unit_test(test_names),
      cmocka_unit_test(a_strategy_has_words),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
