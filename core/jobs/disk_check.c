/* SPDX-License-Identifier: MIT
 *
 * When an attempt fails, the data folder and the inputs are checked first, on the thread pool: only
 * if they are as they should be, the plugin or the input is blamed.
 *
 *   failed attempt -> PHASE_ADOPT, data folder and inputs looked at (pool) -> judge.c -> its end
 */
#include "jobs/disk_check.h"

#include "base/mem.h"
#include "jobs/end.h"
#include "jobs/judge.h"
#include "jobs/life.h"
#include "jobs/release.h"

#include <stdlib.h>

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
  life_post(job, LIFE_FAILED);
  storage_examine(job->j->storage, inputs, (size_t)job->input_count, on_looked, l);
  free(inputs);
}
