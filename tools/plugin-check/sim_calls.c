/* SPDX-License-Identifier: MIT
 *
 * The simulated host calls the plugin.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "child.h"
#include "sim_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READY_POLL_MS = 50 };

bool sim_load(struct tool *t, enum host_shape shape) {
  struct err err = {0};
  struct buf errors = {0};
  the_sim.tool = t;
  the_sim.shape = shape;
  the_sim.started = shared_memory(sizeof *the_sim.started);
  pthread_mutex_init(&the_sim.lock, NULL);
  entering(t, "loading it");
  if (plugin_load(&the_sim.plugin, t->plugin, &err) < 0) {
    fail(t, "%s", err.text);
    return false;
  }
  struct wire_setting *settings = mem_array(t->setting_count + 1, sizeof *settings);
  for (size_t i = 0; i < t->setting_count; i++)
    settings[i] = (struct wire_setting){t->settings[i].key, t->settings[i].value, "command line"};
  int rc = plugin_check_options(&the_sim.plugin, settings, t->setting_count, &the_sim.values,
                                &the_sim.value_count, &errors);
  free(settings);
  if (rc < 0)
    fail(t, "%.*s", errors.len ? (int)errors.len - 1 : 0, errors.data);
  buf_free(&errors);
  return rc == 0;
}

const struct lathe_plugin *sim_plugin(void) {
  return &the_sim.plugin.d;
}

void sim_set(struct tool *t, const char *key, const char *value) {
  (void)t;
  for (size_t i = 0; i < the_sim.value_count; i++) {
    if (strcmp(the_sim.values[i].key, key) == 0) {
      free(the_sim.values[i].value);
      the_sim.values[i].value = mem_dup(value);
    }
  }
}

bool sim_start(struct tool *t, struct started *out) {
  const struct lathe_plugin *d = &the_sim.plugin.d;
  if (out)
    the_sim.started = out;
  struct started *s = the_sim.started;
  *s = (struct started){.step = "create()"};
  entering(t, "create()");
  s->result = d->create(sim_table(the_sim.shape), &the_sim.self);
  while (s->result == LATHE_OK && d->ready) {
    s->step = "ready()";
    entering(t, "ready()");
    s->result = d->ready(the_sim.self);
    if (s->result != LATHE_PENDING && s->result / 1000 != LATHE_RETRY / 1000)
      break;
    s->result = LATHE_OK;
    nap_ms(READY_POLL_MS);
  }
  s->returned = true;
  entering(t, "%s", "");
  return s->result == LATHE_OK;
}

bool sim_open(struct tool *t, enum host_shape shape) {
  if (!sim_load(t, shape))
    return false;
  if (sim_start(t, NULL))
    return true;
  fail(t, "it does not start: %s gave %d: %s", the_sim.started->step, the_sim.started->result,
       the_sim.started->error[0] ? the_sim.started->error : "no message");
  return false;
}

void sim_destroy(struct tool *t) {
  entering(t, "destroy()");
  the_sim.plugin.d.destroy(the_sim.self);
  entering(t, "%s", "");
}

/* `note`: where a record keeps one; NULL for run(). */
static const struct lathe_request *request_for(const struct example *e, bool workdir,
                                               const struct record *note) {
  const struct lathe_request r = {
      .struct_size = sizeof r,
      .attempt = 1,
      .id = e->id,
      .kind = e->kind,
      .idem_key = e->idem_key,
      .spec = e->spec,
      .workdir = workdir ? e->workdir : NULL,
      .note = note && note->note_len ? note->note : NULL,
      .note_len = note ? note->note_len : 0,
      .threads = 1,
  };
  return sim_shaped(the_sim.shape, &r, sizeof r,
                    offsetof(struct lathe_request, memory_bytes) + sizeof r.memory_bytes);
}

void sim_run_here(struct tool *t, const struct example *e, struct record *record,
                  struct lathe_job *job) {
  const struct lathe_request *r = request_for(e, true, NULL);
  int64_t start = now_ms();
  job->record = record;
  job->workdir = e->workdir;
  job->thread = gettid();
  entering(t, "run() of %s", e->kind);
  record->result = the_sim.plugin.d.run(the_sim.self, job, r);
  sim_unshaped(r);
  record->took_ms = now_ms() - start;
  record->returned = true;
  job->over = true;
}

struct run_call {
  struct tool *tool;
  const struct example *example;
  struct record *record;
};

static void run_call(void *arg) {
  struct run_call *c = arg;
  sim_run_here(c->tool, c->example, c->record, mem_alloc(sizeof(struct lathe_job)));
}

void sim_run(struct tool *t, const struct example *e, struct record *record) {
  struct run_call call = {t, e, record};
  memset(record, 0, sizeof *record);
  if (the_sim.plugin.d.isolation != LATHE_FORK) {
    run_call(&call);
    entering(t, "%s", "");
    return;
  }
  struct ending ending = child_run(run_call, &call, t->limit_ms);
  /* What it does once it has returned is its own affair. */
  if (!record->returned && !ending_is_clean(&ending))
    fail(t, "the job's process %s in %s", ending_text(&ending), t->finding->where);
  entering(t, "%s", "");
}

/* ---- remote ---- */

const char *const step_words[] = {"submit", "find", "poll", "fetch", "cancel"};

void sim_step(struct tool *t, enum remote_step step, const struct example *e,
              const struct plan *plan, struct record *record) {
  const struct lathe_remote *remote = &the_sim.plugin.remote;
  lathe_step *const calls[] = {remote->submit, remote->find, remote->poll, remote->fetch,
                               remote->cancel};
  bool begins = step == TO_SUBMIT || step == TO_FIND;
  struct lathe_job *job =
      mem_alloc(sizeof *job); /* kept: a late call for it shall be seen, not crash */
  *job = (struct lathe_job){
      .record = record, .thread = gettid(), .may_checkpoint = begins, .may_note = true};
  if (step == TO_SUBMIT || step == TO_FETCH)
    job->workdir = e->workdir;
  if (plan)
    job->plan = *plan;
  record->returned = false;
  record->error[0] = '\0';
  record->retry_after_ms = 0;
  record->artifact_count = 0;
  void *ref = begins ? NULL
                     : mem_alloc(record->ref_len + 1); /* its own copy: any process may go on */
  if (ref)
    memcpy(ref, record->ref, record->ref_len);
  entering(t, "%s() of %s", step_words[step], e->kind);
  const struct record before = *record; /* what note() keeps is for the next step */
  const struct lathe_request *r = request_for(e, job->workdir != NULL, &before);
  record->result = calls[step](the_sim.self, job, r, ref, begins ? 0 : record->ref_len);
  sim_unshaped(r);
  record->returned = true;
  job->over = true;
  free(ref);
  entering(t, "%s", "");
}

void sim_poll_many(struct tool *t, const struct example *e, struct record *record) {
  struct lathe_job *job = mem_alloc(sizeof *job); /* as above */
  const struct record before = *record;
  *job = (struct lathe_job){.record = record, .thread = gettid(), .may_note = true};
  record->returned = false;
  record->error[0] = '\0';
  record->retry_after_ms = 0;
  void *ref = mem_alloc(record->ref_len + 1);
  memcpy(ref, record->ref, record->ref_len);
  const struct lathe_request *r = request_for(e, false, &before);
  struct lathe_poll poll = {.struct_size = sizeof poll,
                            .result = LATHE_PENDING,
                            .job = job,
                            .request = r,
                            .ref = ref,
                            .len = record->ref_len};
  struct lathe_poll *polls[] = {&poll};
  entering(t, "poll_many() of %s", e->kind);
  int32_t code = the_sim.plugin.remote.poll_many(the_sim.self, polls, 1);
  record->result = code == LATHE_OK ? poll.result : code;
  sim_unshaped(r);
  record->returned = true;
  job->over = true;
  free(ref);
  entering(t, "%s", "");
}
