/* SPDX-License-Identifier: MIT
 *
 * One step: into the plugin and out again.  The same for the three ways of run() (fork, process,
 * shared); a remote step ends with step_conclude().
 */
#ifndef WORKER_STEP_H
#define WORKER_STEP_H

#include "worker/host.h"

/* Calls the plugin's run() and judges what came of it: fills in *done, whose texts belong to the
 * job or to `result_json`, which the caller frees after sending. */
struct step_outcome {
  struct wire_done done;
  struct wire_artifact *artifacts;
  char *result_json;
};
void step_run(struct lathe_job *job, struct step_outcome *out);
/* The same for a call that has returned `code`: of a remote plugin's last one. */
void step_conclude(struct lathe_job *job, int32_t code, int64_t start_us, struct step_outcome *out);
/* A failure of ours before the plugin was asked. */
void step_fail(struct step_outcome *out, enum wire_class class, const char *message);
/* The request for a job that begins now. */
void step_request(struct lathe_job *job, struct lathe_request *request);
/* What succeeded up to here fails after all. */
void step_spoil(struct step_outcome *out, enum wire_class class, const char *message);
/* Sends DONE (a result that does not fit becomes a failure that says so) and frees. */
void step_send(struct link *link, uint64_t token, struct step_outcome *out, bool flush);

#endif
