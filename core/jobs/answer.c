/* SPDX-License-Identifier: MIT
 *
 * What clients are told.
 */
#include "jobs/answer.h"

#include "base/mem.h"
#include "jobs/disk_retry.h"

#include <stdlib.h>
#include <string.h>

void answer_refusal(jobs_answered *answered, void *arg, int code, const char *slug,
                    int retry_after_s, const char *text) {
  struct jobs_answer a = {.slug = slug, .text = text, .retry_after_s = retry_after_s};
  answered(arg, code, &a);
}

void answer_state(jobs_answered *answered, void *arg, const char *id, enum job_state state) {
  struct jobs_answer a = {.job_id = id, .state = state};
  answered(arg, 0, &a);
}

const char *disk_text(int code) {
  return code == ERR_NO_SPACE
             ? "the disk of the server is full; send the request again later"
             : "the disk of the server does not accept writes; send the request again later";
}

void answer_failure(jobs_answered *answered, void *arg, int code, const char *text) {
  if (code == ERR_MISMATCH)
    answer_refusal(answered, arg, code, "idempotency-mismatch", 0, text);
  else if (disk_is_failure(code))
    answer_refusal(answered, arg, code, "storage-failed", 5, disk_text(code));
  else
    answer_refusal(answered, arg, code, "internal", 0, text);
}

/* ---- who waits for the end of a cancellation ---- */

void answer_add_waiter(struct job *job, jobs_answered *answered, void *arg) {
  struct waiter *w = mem_alloc(sizeof *w);
  *w = (struct waiter){.next = job->waiters, .answered = answered, .arg = arg};
  job->waiters = w;
}

void answer_waiters(struct job *job, int code, enum job_state state) {
  struct waiter *w = job->waiters;
  char id[ID_SIZE];
  memcpy(id, job->id, sizeof id);
  job->waiters = NULL;
  for (struct waiter *next; w; w = next) {
    next = w->next;
    if (code < 0)
      answer_refusal(w->answered, w->arg, code,
                     disk_is_failure(code) ? "storage-failed" : "unknown-job", 5,
                     "The cancellation could not be written to disk yet; send the request again.");
    else if (state == JOB_CANCELLED)
      answer_state(w->answered, w->arg, id, state);
    else
      answer_refusal(w->answered, w->arg, ERR_CONFLICT, "wrong-state", 0,
                     "The job ended before it could be cancelled; GET it to see how.");
    free(w);
  }
}
