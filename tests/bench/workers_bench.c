/* SPDX-License-Identifier: MIT
 *
 * What handing a step to a worker costs: workers_bench BUILD-FOLDER
 */
#include "base/clock.h"
#include "base/mem.h"
#include "base/path.h"
#include "observe/log.h"
#include "workers/workers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES = 2000 };

struct bench {
  uv_loop_t loop;
  struct workers *w;
  struct backend *b;
  char root[64];
  long sent, done, most;
  bool feeding, stopped;
  int64_t began_us, done_us;
};

static void run_one(struct bench *b, const char *act) {
  workers_run(b->b, &(struct step){.owner = b,
                                   .job_id = "01JD0000000000000000000000",
                                   .kind = "echo",
                                   .idem_key = act,
                                   .spec_json = "{\"params\":{\"sleep_ms\":0,\"steps\":0,\"fail\":"
                                                "\"none\",\"log_lines\":0,\"output_bytes\":0},"
                                                "\"inputs\":[]}",
                                   .attempt = 1,
                                   .limits = {.wall_ms = 900000, .log_bytes = 4 << 20}});
  b->sent++;
}

static void on_changed(void *ctx, struct backend *backend) {
  struct bench *b = ctx;
  while (b->feeding && b->sent < b->most && backend_room(backend) > 0)
    run_one(b, "ok");
}

static void on_progress(void *ctx, void *owner, int permille, const char *what, int64_t current,
                        int64_t total) {
  (void)ctx, (void)owner, (void)permille, (void)what, (void)current, (void)total;
}

static void on_log(void *ctx, void *owner, const char *text, size_t len) {
  (void)ctx, (void)owner, (void)text, (void)len;
}

static void on_fact(void *ctx, void *owner, const char *key, const char *value, bool weak) {
  (void)ctx, (void)owner, (void)key, (void)value, (void)weak;
}

static void on_preview(void *ctx, void *owner, const struct step_artifact *a, const char *data,
                       size_t len) {
  (void)ctx, (void)owner, (void)a, (void)data, (void)len;
}

static void on_done(void *ctx, void *owner, const struct step_result *r) {
  struct bench *b = owner;
  (void)ctx;
  b->done++;
  b->done_us = clock_mono_us();
  if (r->workdir)
    workers_release_workdir(b->w, r->workdir);
}

static void on_stopped(void *arg) {
  ((struct bench *)arg)->stopped = true;
}

/* plugins/exec.so gets the no-op in Python as its command. */
static void open_bench(struct bench *b, const char *build, const char *plugin, int slots) {
  struct backend_option command = {"command", "python3 " NOOP, "workers_bench"};
  char *worker = path_join(build, "bin/lathe-worker"), *path = path_join(build, plugin);
  *b = (struct bench){.root = "/tmp/lathe-bench-XXXXXX"};
  if (!mkdtemp(b->root))
    exit(1);
  uv_loop_init(&b->loop);
  b->w = workers_new(&b->loop, &(struct workers_options){
                                   .worker_program = worker,
                                   .work_root = b->root,
                                   .events = {.changed = on_changed,
                                              .progress = on_progress,
                                              .log = on_log,
                                              .fact = on_fact,
                                              .preview = on_preview,
                                              .done = on_done,
                                              .ctx = b},
                               });
  b->b = workers_add(b->w,
                     &(struct backend_options){.name = "bench",
                                               .plugin_path = path,
                                               .slots = slots,
                                               .ready_timeout_ms = 10000,
                                               .heartbeat_timeout_ms = 10000,
                                               .restart_backoff_ms = 100,
                                               .restart_backoff_max_ms = 1000,
                                               .options = &command,
                                               .option_count = strstr(plugin, "exec") != NULL});
  while (backend_room(b->b) < slots && backend_state(b->b) != BACKEND_FAILED)
    uv_run(&b->loop, UV_RUN_ONCE);
  if (backend_message(b->b)) {
    fprintf(stderr, "%s\n", backend_message(b->b));
    exit(1);
  }
  free(worker);
  free(path);
}

static void close_bench(struct bench *b) {
  workers_free(b->w, on_stopped, b);
  while (!b->stopped)
    uv_run(&b->loop, UV_RUN_ONCE);
  uv_run(&b->loop, UV_RUN_DEFAULT);
  uv_loop_close(&b->loop);
  path_remove_tree(b->root, NULL);
}

static int by_size(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

static void show(const char *what, int64_t *us, int n) {
  qsort(us, (size_t)n, sizeof *us, by_size);
  printf("%-44s p50 %7lld us   p99 %7lld us   max %7lld us\n", what, (long long)us[n / 2],
         (long long)us[n * 99 / 100], (long long)us[n - 1]);
}

static void throughput(const char *build, const char *plugin, const char *what, int slots,
                       long most) {
  struct bench b;
  open_bench(&b, build, plugin, slots);
  b.most = most;
  b.feeding = true;
  int64_t start = clock_mono_us();
  on_changed(&b, b.b);
  while (b.done < most)
    uv_run(&b.loop, UV_RUN_ONCE);
  printf("%-44s %.0f steps/s\n", what, (double)most * 1e6 / (double)(clock_mono_us() - start));
  close_bench(&b);
}

static void alone(const char *build, const char *plugin, const char *what, int n) {
  struct bench b;
  int64_t us[SAMPLES];
  open_bench(&b, build, plugin, 1);
  for (int i = 0; i < n; i++) {
    int64_t start = clock_mono_us();
    run_one(&b, "ok");
    while (b.done < b.sent)
      uv_run(&b.loop, UV_RUN_ONCE);
    us[i] = b.done_us - start;
  }
  show(what, us, n);
  close_bench(&b);
}

static void cancel(const char *build, const char *plugin, const char *what, int n) {
  struct bench b;
  int64_t us[SAMPLES];
  open_bench(&b, build, plugin, 1);
  for (int i = 0; i < n; i++) {
    while (backend_room(b.b) < 1)
      uv_run(&b.loop, UV_RUN_ONCE);
    struct workers_step *s = workers_run(b.b, &(struct step){.owner = &b,
                                                             .job_id = "j",
                                                             .kind = "bench",
                                                             .idem_key = "cpu",
                                                             .spec_json = "{}",
                                                             .attempt = 1});
    b.sent++;
    int64_t until = clock_mono_us() + 20000 + i * 37 % 5000;
    while (clock_mono_us() < until)
      uv_run(&b.loop, UV_RUN_NOWAIT);
    uv_update_time(&b.loop);
    int64_t start = clock_mono_us();
    workers_cancel(s);
    while (b.done < b.sent)
      uv_run(&b.loop, UV_RUN_ONCE);
    us[i] = b.done_us - start;
  }
  show(what, us, n);
  close_bench(&b);
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: workers_bench BUILD-FOLDER\n");
    return 2;
  }
  const char *build = argv[1];
  log_configure(&(struct log_options){.level = LOG_ERROR});
  throughput(build, "plugins/echo.so", "no-op, echo, 2 resident workers", 2, 200000);
  throughput(build, "tests/plugins/scripted_process.so", "no-op, bare plugin, 2 resident workers",
             2, 200000);
  throughput(build, "tests/plugins/scripted_fork.so", "no-op, forked, 2 slots", 2, 2000);
  throughput(build, "tests/plugins/scripted_shared.so", "no-op, shared, 2 slots", 2, 20000);
  throughput(build, "plugins/exec.so", "no-op in Python, exec, 2 processes", 2, 20000);
  alone(build, "plugins/echo.so", "one alone, echo", SAMPLES);
  alone(build, "plugins/exec.so", "one alone, in Python, exec", SAMPLES);
  alone(build, "tests/plugins/scripted_fork.so", "one alone, forked", 1000);
  alone(build, "tests/plugins/scripted_shared.so", "one alone, shared", SAMPLES);
  cancel(build, "tests/plugins/scripted_fork.so", "cancel of a computing step, forked", 200);
  cancel(build, "tests/plugins/scripted_process.so", "cancel of a deaf step, resident", 100);
  return 0;
}
