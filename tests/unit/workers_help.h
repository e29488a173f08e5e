/* SPDX-License-Identifier: MIT
 *
 * Drives the real lathe-worker with real plugins on a loop of its own.
 */
#ifndef WORKERS_HELP_H
#define WORKERS_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/path.h"
#include "workers/workers.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLUGINS     TEST_BINARY_DIR "/tests/plugins/"
#define ECHO_PLUGIN TEST_BINARY_DIR "/plugins/echo.so"
/* For a hang; nothing here waits so long on purpose, however busy the machine is. */
#define PATIENCE_MS 120000

/* What became of one step. */
struct seen {
  int dones, progresses;
  int64_t current, total;
  char stage[100];
  enum step_class class;
  int32_t code;
  int64_t retry_after_ms;
  char message[1000];
  char result[300];
  char workdir[600];
  size_t artifacts;
  char artifact[200], artifact_path[700];
  int64_t artifact_bytes;
  struct buf log;
  int64_t done_at_us;
};

struct rig {
  uv_loop_t loop;
  uv_timer_t alarm;
  bool late, stopped;
  struct workers *w;
  struct backend *b;
  char root[64];
  int changes, declared;
  unsigned declared_takes_us;
  uint64_t declared_begun, declared_ended; /* the last time */
};

static inline void rig_changed(void *ctx, struct backend *b) {
  struct rig *r = ctx;
  (void)b;
  r->changes++;
}

static inline void rig_progress(void *ctx, void *owner, int permille, const char *what,
                                int64_t current, int64_t total) {
  struct seen *s = owner;
  (void)ctx, (void)permille;
  assert_int_equal(s->dones, 0);
  s->progresses++;
  s->current = current;
  s->total = total;
  snprintf(s->stage, sizeof s->stage, "%s", what);
}

static inline void rig_log(void *ctx, void *owner, const char *text, size_t len) {
  struct seen *s = owner;
  (void)ctx;
  assert_int_equal(s->dones, 0);
  buf_put(&s->log, text, len);
}

static inline void rig_fact(void *ctx, void *owner, const char *key, const char *value, bool weak) {
  struct seen *s = owner;
  (void)ctx, (void)key, (void)value, (void)weak;
  assert_int_equal(s->dones, 0);
}

static inline void rig_preview(void *ctx, void *owner, const struct step_artifact *a,
                               const char *data, size_t len) {
  struct seen *s = owner;
  (void)ctx, (void)a, (void)data, (void)len;
  assert_int_equal(s->dones, 0);
}

static inline void rig_done(void *ctx, void *owner, const struct step_result *result) {
  struct rig *r = ctx;
  struct seen *s = owner;
  s->dones++;
  s->class = result->class;
  s->code = result->code;
  s->retry_after_ms = result->retry_after_ms;
  s->done_at_us = clock_mono_us();
  snprintf(s->message, sizeof s->message, "%s", result->message ? result->message : "");
  snprintf(s->result, sizeof s->result, "%s", result->result_json ? result->result_json : "");
  snprintf(s->workdir, sizeof s->workdir, "%s", result->workdir ? result->workdir : "");
  s->artifacts = result->artifact_count;
  if (s->artifacts) {
    const struct step_artifact *a = &result->artifacts[s->artifacts - 1];
    snprintf(s->artifact, sizeof s->artifact, "%s", a->name);
    snprintf(s->artifact_path, sizeof s->artifact_path, "%s", a->path);
    struct stat st;
    assert_int_equal(stat(a->path, &st), 0);
    s->artifact_bytes = st.st_size;
  }
  workers_release_workdir(r->w, result->workdir);
}

static inline void rig_alarm(uv_timer_t *timer) {
  ((struct rig *)timer->data)->late = true;
}

/* A sanitizer in the worker would turn signals into exits; what is tested is the real thing. */
static inline void rig_leave_signals(const char *variable) {
  char value[500];
  const char *now = getenv(variable);
  if (now && strstr(now, "handle_segv=0"))
    return;
  snprintf(value, sizeof value, "%s%shandle_segv=0:handle_abort=0:handle_sigbus=0", now ? now : "",
           now ? ":" : "");
  setenv(variable, value, 1);
}

static inline void rig_declared(void *ctx) {
  struct rig *r = ctx;
  r->declared++;
  r->declared_begun = uv_hrtime();
  usleep(r->declared_takes_us);
  r->declared_ended = uv_hrtime();
}

static inline void rig_open(struct rig *r) {
  *r = (struct rig){0};
  rig_leave_signals("ASAN_OPTIONS");
  rig_leave_signals("UBSAN_OPTIONS");
  rig_leave_signals("TSAN_OPTIONS");
  snprintf(r->root, sizeof r->root, "/tmp/lathe-test-XXXXXX");
  assert_non_null(mkdtemp(r->root));
  uv_loop_init(&r->loop);
  uv_timer_init(&r->loop, &r->alarm);
  r->alarm.data = r;
  r->w = workers_new(&r->loop, &(struct workers_options){
                                   .worker_program = TEST_BINARY_DIR "/bin/lathe-worker",
                                   .work_root = r->root,
                                   .return_ms = 300,
                                   .declared = rig_declared,
                                   .declared_ctx = r,
                                   .events = {.changed = rig_changed,
                                              .progress = rig_progress,
                                              .log = rig_log,
                                              .fact = rig_fact,
                                              .preview = rig_preview,
                                              .done = rig_done,
                                              .ctx = r},
                               });
}

static inline struct backend_options rig_options(const char *plugin, int slots) {
  return (struct backend_options){
      .name = "b",
      .plugin_path = plugin,
      .slots = slots,
      .ready_timeout_ms = PATIENCE_MS,
      .heartbeat_timeout_ms = 5000,
      .restart_backoff_ms = 20,
      .restart_backoff_max_ms = 200,
  };
}

/* Runs the loop until COND holds; fails the test when that takes too long. */
#define RUN_UNTIL(r, COND)                                                                         \
  do {                                                                                             \
    (r)->late = false;                                                                             \
    uv_timer_start(&(r)->alarm, rig_alarm, PATIENCE_MS, 0);                                        \
    while (!(COND) && !(r)->late)                                                                  \
      uv_run(&(r)->loop, UV_RUN_ONCE);                                                             \
    uv_timer_stop(&(r)->alarm);                                                                    \
    assert_true(COND);                                                                             \
  } while (0)

static inline void rig_add(struct rig *r, const char *plugin, int slots) {
  struct backend_options o = rig_options(plugin, slots);
  r->b = workers_add(r->w, &o);
}

static inline void rig_ready(struct rig *r) {
  RUN_UNTIL(r, backend_state(r->b) == BACKEND_READY || backend_state(r->b) == BACKEND_FAILED);
  if (backend_message(r->b))
    fail_msg("%s", backend_message(r->b));
}

static inline void rig_stopped(void *arg) {
  ((struct rig *)arg)->stopped = true;
}

static inline size_t rig_count_files(struct rig *r) {
  char command[120];
  size_t n = 0;
  snprintf(command, sizeof command, "find %s -mindepth 1 | wc -l", r->root);
  FILE *p = popen(command, "r");
  assert_non_null(p);
  assert_int_equal(fscanf(p, "%zu", &n), 1);
  pclose(p);
  return n;
}

static inline void rig_close(struct rig *r) {
  workers_free(r->w, rig_stopped, r);
  RUN_UNTIL(r, r->stopped);
  uv_close((uv_handle_t *)&r->alarm, NULL);
  uv_run(&r->loop, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(&r->loop), 0);
  path_remove_tree(r->root, NULL);
}

static inline struct workers_step *rig_start(struct rig *r, struct seen *s, const char *act,
                                             const struct step_limits *limits) {
  *s = (struct seen){0};
  struct step step = {
      .owner = s,
      .job_id = "01JD0000000000000000000000",
      .kind = "scripted",
      .idem_key = act,
      .spec_json = "{\"params\":{},\"inputs\":[]}",
      .attempt = 1,
  };
  if (limits)
    step.limits = *limits;
  return workers_run(r->b, &step);
}

static inline void rig_run(struct rig *r, struct seen *s, const char *act,
                           const struct step_limits *limits) {
  rig_start(r, s, act, limits);
  RUN_UNTIL(r, s->dones);
}

/* echo, with a JSON object of parameters */
static inline struct workers_step *rig_echo(struct rig *r, struct seen *s, const char *params) {
  char spec[500];
  *s = (struct seen){0};
  snprintf(spec, sizeof spec, "{\"params\":%s,\"inputs\":[]}", params);
  return workers_run(r->b, &(struct step){.owner = s,
                                          .job_id = "01JD0000000000000000000000",
                                          .kind = "echo",
                                          .spec_json = spec,
                                          .attempt = 1});
}

static inline bool rig_process_lives(const char *log, const char *word) {
  const char *at = log ? strstr(log, word) : NULL;
  assert_non_null(at);
  pid_t pid = atoi(at + strlen(word));
  assert_true(pid > 1);
  char path[64], state = '?';
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  FILE *f = fopen(path, "r");
  if (!f)
    return false;
  if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
    state = '?';
  fclose(f);
  return state != 'Z' && state != 'X';
}

#endif
