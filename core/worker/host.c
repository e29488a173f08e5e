/* SPDX-License-Identifier: MIT */
#include "worker/host.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROGRESS_BURST 256
#define PROGRESS_US    20000 /* past the burst, one in so long */

/* "faces 12/300" -> "faces", 12, 300. */
static void split_counts(char *what, int64_t *current, int64_t *total) {
  *current = *total = 0;
  char *space = strrchr(what, ' ');
  long long a = 0, b = 0;
  int used = 0;
  if (space && sscanf(space, " %18lld/%18lld%n", &a, &b, &used) == 2 && !space[used] && b > 0) {
    *current = a;
    *total = b;
    *space = '\0';
  }
}

/* FNV-1a. */
static uint64_t mark_of(int32_t permille, const char *what) {
  uint64_t mark = (0xcbf29ce484222325u ^ (uint32_t)permille) * 0x100000001b3u;
  for (; *what; what++)
    mark = (mark ^ (unsigned char)*what) * 0x100000001b3u;
  return mark;
}

/* Under the job's lock. */
static void send_progress(struct lathe_job *job) {
  uint64_t mark = mark_of(job->progress_permille, job->progress_what);
  job->progress_waits = false;
  if (mark == job->progress_mark)
    return;
  job->progress_mark = mark;
  struct wire_progress m = {.permille = job->progress_permille};
  char what[sizeof job->progress_what];
  memcpy(what, job->progress_what, sizeof what);
  split_counts(what, &m.current, &m.total);
  m.what = what;
  wire_put_progress(link_begin(job->link), job->token, &m);
  link_end(job->link, true);
}

void job_progress(struct lathe_job *job, int32_t permille, const char *what) {
  int64_t now = clock_mono_us();
  pthread_mutex_lock(&job->lock);
  job->progress_permille = permille < 0 ? 0 : permille > 1000 ? 1000 : permille;
  snprintf(job->progress_what, sizeof job->progress_what, "%s", what ? what : "");
  job->progress_waits = true;
  if (job->progress_burst > 0 || now - job->progress_us >= PROGRESS_US) {
    job->progress_burst -= job->progress_burst > 0;
    job->progress_us = now;
    send_progress(job);
  }
  pthread_mutex_unlock(&job->lock);
}

void job_flush(struct lathe_job *job) {
  pthread_mutex_lock(&job->lock);
  if (job->progress_waits)
    send_progress(job);
  facts_send(job);
  previews_send(job, true);
  pthread_mutex_unlock(&job->lock);
}

void host_renew_now(struct host *h) {
  if (!atomic_load(&h->renewing))
    return;
  logger_flush(&h->log);
  wire_put_refused(link_begin(h->link), true, h->renew_why);
  link_end(h->link, true);
  _exit(0);
}

void job_begin(struct lathe_job *job, struct host *h, uint64_t token,
               const struct wire_step *step) {
  *job = (struct lathe_job){
      .host = h,
      .link = h->link,
      .token = token,
      .step = step,
      .progress_burst = PROGRESS_BURST,
  };
  pthread_mutex_init(&job->lock, NULL);
}

void job_free(struct lathe_job *job) {
  artifacts_free(job);
  facts_free(&job->facts);
  pthread_mutex_destroy(&job->lock);
}
