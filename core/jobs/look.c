/* SPDX-License-Identifier: MIT
 *
 * What a failure may owe to our own disk is looked at beside the loop, before anybody is blamed.
 *
 *   failed attempt -> PHASE_ADOPT, data folder and inputs looked at (pool) -> judge.c -> its end
 */
#include "base/mem.h"
#include "jobs/private.h"

#include <stdlib.h>

/* ---- of a job ---- */

struct look {
  struct job *job;
  struct step_result result; /* without result_json and artifacts: it failed */
  char *message, *workdir;
  int code;
};

static void on_looked(void *arg, int code, const struct err *err, const struct storage_found *found,
                      size_t count) {
  struct look *l = arg;
  struct job *job = l->job;
  struct disk_seen seen = {.folder = code, .text = err ? err->text : NULL};
  for (size_t i = 0; i < count && seen.input == 0; i++) {
    seen.input = found[i].code;
    seen.which = i;
  }
  if (!job_orphaned(job)) {
    judge_seen(job, &l->result, l->code, &seen);
    end_judged(job, l->workdir);
    l->workdir = NULL;
  }
  free(l->workdir);
  free(l->message);
  free(l);
}

void look_at_failure(struct job *job, const struct step_result *r, int code) {
  struct look *l = mem_alloc(sizeof *l);
  const char **inputs = mem_array((size_t)job->input_count + 1, sizeof *inputs);
  *l = (struct look){.job = job, .result = *r, .code = code};
  l->message = r->message ? mem_dup(r->message) : NULL;
  l->workdir = r->workdir ? mem_dup(r->workdir) : NULL;
  l->result.message = l->message;
  l->result.workdir = l->result.result_json = NULL;
  l->result.artifacts = NULL;
  l->result.artifact_count = 0;
  for (int i = 0; i < job->input_count; i++)
    inputs[i] = job->inputs[i].sha256;
  job_set_phase(job, PHASE_ADOPT);
  storage_examine(job->j->storage, inputs, (size_t)job->input_count, on_looked, l);
  free(inputs);
}

/* ---- of the folder alone ---- */

struct folder_look {
  struct jobs *j;
  void (*seen)(struct jobs *j, int code);
};

static void on_folder(void *arg, int code, const struct err *err, const struct storage_found *found,
                      size_t count) {
  struct folder_look *l = arg;
  struct jobs *j = l->j;
  (void)err, (void)found, (void)count; /* what was found is in the log */
  j->requests--;
  if (j->closing)
    jobs_release(j);
  else
    l->seen(j, code);
  free(l);
}

void look_at_folder(struct jobs *j, void (*seen)(struct jobs *j, int code)) {
  struct folder_look *l = mem_alloc(sizeof *l);
  *l = (struct folder_look){.j = j, .seen = seen};
  j->requests++;
  storage_examine(j->storage, NULL, 0, on_folder, l);
}
