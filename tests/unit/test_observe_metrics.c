/* SPDX-License-Identifier: MIT */
#include "observe/metrics.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int count_of(const char *text, const char *part) {
  int n = 0;
  for (const char *p = text; (p = strstr(p, part)); p += strlen(part))
    n++;
  return n;
}

static void counters_and_gauges(void **state) {
  (void)state;
  struct metrics *m = metrics_new();
  struct metric *mesh = metrics_counter(m, "lathe_jobs_total", "Jobs.", "kind=\"mesh\"");
  struct metric *echo = metrics_counter(m, "lathe_jobs_total", "Jobs.", "kind=\"echo\"");
  struct metric *queue = metrics_gauge(m, "lathe_queue", "Two\nlines \\.", NULL);
  assert_ptr_equal(mesh, metrics_counter(m, "lathe_jobs_total", "Jobs.", "kind=\"mesh\""));
  assert_ptr_equal(queue, metrics_gauge(m, "lathe_queue", "", ""));
  metric_add(mesh, 3);
  metric_add(echo, 1);
  metric_add(queue, 5);
  metric_add(queue, -2);
  struct buf out = {0};
  metrics_render(m, &out);
  assert_int_equal(count_of(out.data, "# HELP lathe_jobs_total Jobs.\n"), 1);
  assert_int_equal(count_of(out.data, "# TYPE lathe_jobs_total counter\n"), 1);
  assert_non_null(strstr(out.data, "\nlathe_jobs_total{kind=\"mesh\"} 3\n"));
  assert_non_null(strstr(out.data, "\nlathe_jobs_total{kind=\"echo\"} 1\n"));
  assert_non_null(strstr(out.data, "# HELP lathe_queue Two\\nlines \\\\.\n"));
  assert_non_null(strstr(out.data, "\nlathe_queue 3\n"));
  assert_non_null(strstr(out.data, "\nprocess_resident_memory_bytes "));
  metric_set(queue, 0.25);
  buf_clear(&out);
  metrics_render(m, &out);
  assert_non_null(strstr(out.data, "\nlathe_queue 0.25\n"));
  buf_free(&out);
  metrics_free(m);
}

static void histograms(void **state) {
  (void)state;
  struct metrics *m = metrics_new();
  struct metric *h = metrics_histogram(m, "lathe_commit_seconds", "Commits.", "a=\"b\"");
  metric_observe(h, -1);  /* a clock that jumped counts as 0 */
  metric_observe(h, 100); /* on the bound: within */
  metric_observe(h, 101);
  metric_observe(h, 1500000);
  metric_observe(h, 5000000000); /* over the last bucket */
  struct buf out = {0};
  metrics_render(m, &out);
  assert_non_null(strstr(out.data, "lathe_commit_seconds_bucket{a=\"b\",le=\"0.0001\"} 2\n"));
  assert_non_null(strstr(out.data, "lathe_commit_seconds_bucket{a=\"b\",le=\"0.00025\"} 3\n"));
  assert_non_null(strstr(out.data, "lathe_commit_seconds_bucket{a=\"b\",le=\"1\"} 3\n"));
  assert_non_null(strstr(out.data, "lathe_commit_seconds_bucket{a=\"b\",le=\"1000\"} 4\n"));
  assert_non_null(strstr(out.data, "lathe_commit_seconds_bucket{a=\"b\",le=\"+Inf\"} 5\n"));
  assert_non_null(strstr(out.data, "lathe_commit_seconds_sum{a=\"b\"} 5001.500201\n"));
  assert_non_null(strstr(out.data, "lathe_commit_seconds_count{a=\"b\"} 5\n"));
  buf_free(&out);
  metrics_free(m);
}

enum { THREADS = 4, ROUNDS = 10000 };
struct shared {
  struct metric *counter, *gauge, *histogram;
};

static void *update(void *arg) {
  struct shared *s = arg;
  for (int i = 0; i < ROUNDS; i++) {
    metric_add(s->counter, 1);
    metric_add(s->gauge, i % 2 ? -1 : 1);
    metric_observe(s->histogram, i);
  }
  return NULL;
}

static void threads_lose_nothing(void **state) {
  (void)state;
  struct metrics *m = metrics_new();
  struct shared s = {metrics_counter(m, "c_total", "C.", NULL), metrics_gauge(m, "g", "G.", NULL),
                     metrics_histogram(m, "h_seconds", "H.", NULL)};
  pthread_t threads[THREADS];
  struct buf out = {0};
  for (int i = 0; i < THREADS; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, update, &s), 0);
  metrics_render(m, &out); /* meanwhile */
  for (int i = 0; i < THREADS; i++)
    pthread_join(threads[i], NULL);
  buf_clear(&out);
  metrics_render(m, &out);
  assert_non_null(strstr(out.data, "\nc_total 40000\n"));
  assert_non_null(strstr(out.data, "\ng 0\n"));
  assert_non_null(strstr(out.data, "\nh_seconds_count 40000\n"));
  buf_free(&out);
  metrics_free(m);
}

static void promtool_accepts(void **state) {
  (void)state;
  if (system("command -v promtool >/dev/null 2>&1") != 0)
    skip();
  struct metrics *m = metrics_new();
  metric_add(metrics_counter(m, "lathe_jobs_accepted_total", "Accepted.", "kind=\"mesh\""), 2);
  metric_set(metrics_gauge(m, "lathe_jobs_queued", "Waiting jobs.", NULL), 4);
  metric_observe(metrics_histogram(m, "lathe_step_seconds", "Steps.", "backend=\"local\""), 77);
  metrics_histogram(m, "lathe_step_seconds", "Steps.", "backend=\"echo\"");
  struct buf out = {0};
  metrics_render(m, &out);
  FILE *promtool = popen("promtool check metrics", "w");
  assert_non_null(promtool);
  assert_int_equal(fwrite(out.data, 1, out.len, promtool), out.len);
  assert_int_equal(pclose(promtool), 0);
  buf_free(&out);
  metrics_free(m);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(counters_and_gauges),
      cmocka_unit_test(histograms),
      cmocka_unit_test(threads_lose_nothing),
      cmocka_unit_test(promtool_accepts),
  };
  return cmocka_run_group_tests_name("observe_metrics", tests, NULL, NULL);
}
