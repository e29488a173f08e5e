/* SPDX-License-Identifier: MIT */
#include "rig.h"

#include "base/mem.h"
#include "base/path.h"
#include "observe/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { CLOSE_MS = 10000 };

struct rig {
  struct tool *tool;
  uv_loop_t loop;
  uv_timer_t alarm, cancel;
  struct workers *workers;
  struct backend *backend;
  struct backend_option *options;
  struct workers_step *step; /* under way */
  char *root;
  bool late, stopped;
};

static void on_progress(void *ctx, void *owner, int permille, const char *what, int64_t current,
                        int64_t total) {
  (void)ctx, (void)owner, (void)permille, (void)what, (void)current, (void)total;
}

static void on_log(void *ctx, void *owner, const char *text, size_t len) {
  (void)ctx, (void)owner;
  fwrite(text, 1, len, stdout);
}

static void on_fact(void *ctx, void *owner, const char *key, const char *value, bool weak) {
  (void)ctx, (void)owner, (void)key, (void)value, (void)weak;
}

static void on_preview(void *ctx, void *owner, const struct step_artifact *a, const char *data,
                       size_t len) {
  (void)ctx, (void)owner, (void)a, (void)data, (void)len;
}

/* Nothing is kept: this job is not taken up again. */
static void on_checkpoint(void *ctx, void *owner, const char *ref) {
  struct rig *r = ctx;
  (void)owner, (void)ref;
  workers_checkpointed(r->step, 0);
}

static void on_done(void *ctx, void *owner, const struct step_result *result) {
  struct rig *r = ctx;
  struct outcome *out = owner;
  out->done = true;
  out->class = result->class;
  out->code = result->code;
  snprintf(out->message, sizeof out->message, "%s", result->message ? result->message : "");
  out->artifacts = mem_array(result->artifact_count + 1, sizeof *out->artifacts);
  out->artifact_count = result->artifact_count;
  for (size_t i = 0; i < result->artifact_count; i++)
    out->artifacts[i] = (struct given_artifact){mem_dup(result->artifacts[i].name),
                                                mem_dup(result->artifacts[i].media_type)};
  workers_release_workdir(r->workers, result->workdir);
  r->step = NULL;
}

static void on_note(void *ctx, void *owner, const char *note, bool lazily) {
  (void)ctx, (void)owner, (void)note, (void)lazily;
}

static void on_changed(void *ctx, struct backend *b) {
  (void)ctx, (void)b;
}

static void on_alarm(uv_timer_t *timer) {
  ((struct rig *)timer->data)->late = true;
}

static void on_cancel(uv_timer_t *timer) {
  struct rig *r = timer->data;
  if (r->step)
    workers_cancel(r->step);
}

static void on_stopped(void *arg) {
  ((struct rig *)arg)->stopped = true;
}

/* Runs the loop until *done; false when that takes too long. */
static bool run_until(struct rig *r, const bool *done, int64_t limit_ms) {
  r->late = false;
  uv_update_time(&r->loop);
  uv_timer_start(&r->alarm, on_alarm, (uint64_t)limit_ms, 0);
  while (!*done && !r->late)
    uv_run(&r->loop, UV_RUN_ONCE);
  uv_timer_stop(&r->alarm);
  return *done;
}

bool rig_ready(struct rig *r) {
  struct tool *t = r->tool;
  r->late = false;
  uv_update_time(&r->loop);
  uv_timer_start(&r->alarm, on_alarm, (uint64_t)t->limit_ms, 0);
  while (backend_state(r->backend) != BACKEND_READY &&
         backend_state(r->backend) != BACKEND_FAILED && !r->late)
    uv_run(&r->loop, UV_RUN_ONCE);
  uv_timer_stop(&r->alarm);
  if (backend_state(r->backend) == BACKEND_READY)
    return true;
  const char *message = backend_message(r->backend);
  fail(t, "under lathe-worker it does not get ready: %s", message ? message : "it takes too long");
  return false;
}

struct rig *rig_open(struct tool *t, int slots) {
  struct rig *r = mem_alloc(sizeof *r);
  *r = (struct rig){.tool = t, .root = path_join(t->folder, "work")};
  mkdir(r->root, 0700);
  prctl(PR_SET_CHILD_SUBREAPER, 1); /* what a worker leaves behind becomes ours */
  log_configure(&(struct log_options){.level = LOG_WARN});
  uv_loop_init(&r->loop);
  uv_timer_init(&r->loop, &r->alarm);
  uv_timer_init(&r->loop, &r->cancel);
  r->alarm.data = r->cancel.data = r;
  r->workers = workers_new(&r->loop, &(struct workers_options){
                                         .worker_program = t->worker_program,
                                         .work_root = r->root,
                                         .env = t->worker_env,
                                         .events = {.changed = on_changed,
                                                    .progress = on_progress,
                                                    .log = on_log,
                                                    .fact = on_fact,
                                                    .preview = on_preview,
                                                    .checkpoint = on_checkpoint,
                                                    .note = on_note,
                                                    .done = on_done,
                                                    .ctx = r},
                                     });
  r->options = mem_array(t->setting_count + 1, sizeof *r->options);
  for (size_t i = 0; i < t->setting_count; i++)
    r->options[i] = (struct backend_option){t->settings[i].key, t->settings[i].value,
                                            "command line"};
  struct backend_options o = {
      .name = "check",
      .plugin_path = t->plugin,
      .slots = slots,
      .ready_timeout_ms = t->limit_ms,
      .heartbeat_timeout_ms = 30000,
      .restart_backoff_ms = 20,
      .restart_backoff_max_ms = 500,
      .cancel_grace_ms = 1, /* who does not obey is to be noticed */
      .options = r->options,
      .option_count = t->setting_count,
  };
  r->backend = workers_add(r->workers, &o);
  if (rig_ready(r))
    return r;
  rig_close(r);
  return NULL;
}

/* False after fail(). */
static bool run_once(struct rig *r, const struct example *e, int64_t cancel_after_ms,
                     struct outcome *out) {
  struct step_input inputs[INPUTS_MAX];
  for (size_t i = 0; i < e->input_count; i++)
    inputs[i] = (struct step_input){.name = e->inputs[i].name, .path = e->inputs[i].blob};
  *out = (struct outcome){0};
  int64_t start = now_ms();
  r->step = workers_run(r->backend, &(struct step){
                                        .owner = out,
                                        .job_id = e->id,
                                        .kind = e->kind,
                                        .idem_key = e->idem_key,
                                        .spec_json = e->spec,
                                        .attempt = 1,
                                        .limits = {.memory = r->tool->memory},
                                        .inputs = inputs,
                                        .input_count = e->input_count,
                                        .go = r->tool->facts->remote ? STEP_SUBMIT : STEP_RUN,
                                    });
  if (cancel_after_ms >= 0) {
    uv_update_time(&r->loop);
    uv_timer_start(&r->cancel, on_cancel, (uint64_t)cancel_after_ms, 0);
  }
  bool done = run_until(r, &out->done, r->tool->limit_ms);
  uv_timer_stop(&r->cancel);
  out->took_ms = now_ms() - start;
  if (!done)
    fail(r->tool, "a job of %s under lathe-worker did not end within %lld s", e->kind,
         (long long)(r->tool->limit_ms / 1000));
  return done;
}

bool rig_run(struct rig *r, const struct example *e, int64_t cancel_after_ms, struct outcome *out) {
  enum { TRIES = 5 };
  bool done = false;
  for (int i = 0; i < TRIES; i++) {
    done = run_once(r, e, cancel_after_ms, out);
    /* Lost is a job that no worker began, for it was being killed; lathed sends it again, too. */
    if (!done || out->class != STEP_LOST || !rig_ready(r))
      break;
  }
  return done;
}

void rig_note_jail(struct rig *r) {
  const char *jail = backend_jail(r->backend), *lacks = backend_jail_lacks(r->backend);
  if (r->tool->facts->isolation != LATHE_SHARED)
    note(r->tool, "the jail is %s%s%s", jail ? jail : "not known", lacks ? ": " : "",
         lacks ? lacks : "");
}

int rig_restarts(const struct rig *r) {
  return backend_restarts(r->backend);
}

void rig_close(struct rig *r) {
  workers_free(r->workers, on_stopped, r);
  run_until(r, &r->stopped, CLOSE_MS);
  /* A forked child of a worker dies a little later, with what it holds. */
  for (int64_t until = now_ms() + CLOSE_MS; waitpid(-1, NULL, WNOHANG) >= 0 && now_ms() < until;)
    nap_ms(1);
  path_remove_tree(r->root, NULL);
}
