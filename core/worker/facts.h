/* SPDX-License-Identifier: MIT
 *
 * Facts that a plugin reports of a job.  Each travels when it is reported, so that it outlives a crash of the
 * process; a flood is thinned, and what was held back travels with the next report, or with the end of the call.
 */
#ifndef WORKER_FACTS_H
#define WORKER_FACTS_H

#include <lathe/plugin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct facts { /* zeroed: none */
  struct fact {
    char *key, *value;
    bool waits; /* held back */
  } * all;
  size_t count;
  int sent; /* of the burst */
  int64_t sent_us;
};

/* report() of the host's table: any thread. */
int32_t facts_report(struct lathe_job *job, const char *key, const char *value);
/* Sends what was held back.  Under the job's lock. */
void facts_send(struct lathe_job *job);
/* What the host knows itself of a call of run() that took so long: device, memory, processor time.  They do
 * not replace what the plugin reported.  Calls that are over at once are not worth the bytes. */
void facts_of_host(struct lathe_job *job, int64_t run_us);
void facts_free(struct facts *f);

#endif
