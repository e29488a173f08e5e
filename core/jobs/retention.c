/* SPDX-License-Identifier: MIT
 *
 * What is old goes: jobs with their events and artifacts, then blobs that no job
 * names.  One timer that does not keep the loop alive.
 *
 *   timer -> purge jobs (batch after batch) -> old blobs -> those unused -> remove -> ... -> rest
 *                                           -> folders of results that no row needs: sweep.c
 *
 * A blob is in no danger from the moment a request names it: it is held until the job is on disk,
 * and was touched before, so that a removal that is under way passes over it.
 *
 * A wrong clock that is put right, and a restart after that, may make a blob look older than it is.
 * That takes none that is in use: age alone removes nothing, for the store is asked whether a job
 * names it.  A blob that was sent and that no job names yet may go before its blobs_age; whoever
 * names it then is told to send it again, and nothing that was accepted is lost.
 */
#include "jobs/retention.h"

#include "base/clock.h"
#include "jobs/release.h"
#include "jobs/sweep.h"
#include "observe/log.h"

#include <stdlib.h>

enum { PURGE_BATCH = 500 };

static int64_t before(int64_t now_us, int64_t age_us) {
  return age_us > 0 ? now_us - age_us : 0;
}

/* ---- blobs ---- */

static void sweep_on(struct jobs *j);

static void sweep_end(struct jobs *j) {
  j->sweeping = false;
  if (j->closing)
    jobs_release(j);
}

static void on_swept(void *arg, int code, const struct err *err) {
  struct jobs *j = arg;
  if (code < 0)
    log_warn("retention.blobs", "%s", err->text);
  if (j->sweep_blobs_more && code == 0 && !j->closing)
    sweep_on(j);
  else
    sweep_end(j);
}

static void on_unused(void *arg, int code, const char *const *unused, size_t n) {
  struct jobs *j = arg;
  if (code < 0 || j->closing) {
    sweep_end(j);
    return;
  }
  if (n > 0) {
    log_info("retention.blobs", "removing %zu inputs that no job names", n);
    metric_add(j->swept_blobs, (int64_t)n);
  }
  storage_remove_blobs(j->storage, unused, n, j->sweep_before_us, on_swept, j);
}

static void on_old(void *arg, const char *const *sha256s, size_t count, bool more) {
  struct jobs *j = arg;
  j->sweep_blobs_more = more;
  if (count == 0 || j->closing)
    sweep_end(j);
  else
    store_unused_blobs(j->store, sha256s, count, on_unused, j);
}

static void sweep_on(struct jobs *j) {
  storage_old_blobs(j->storage, j->sweep_before_us, on_old, j);
}

static void sweep_blobs(struct jobs *j) {
  if (j->o.blobs_age_us <= 0 || j->sweeping || j->closing)
    return;
  j->sweeping = true;
  j->sweep_before_us = before(clock_age_us(), j->o.blobs_age_us);
  sweep_on(j);
}

/* ---- jobs ---- */

static void purge(struct jobs *j);

/* A line for each at debug; one for all of a round at info, as there may be a million. */
static void log_purged(struct jobs *j, const struct store_purged *p) {
  for (size_t i = 0; log_wants(LOG_DEBUG) && i < p->job_count; i++) {
    const struct log_field field = {.key = "job", .text = p->job_ids[i]};
    log_fields(LOG_DEBUG, "retention.job", &field, 1, "an old job was removed");
  }
  j->purged += p->job_count;
  if (p->more || j->purged == 0)
    return;
  const struct log_field count = {.key = "count", .number = (long long)j->purged};
  log_fields(LOG_INFO, "retention.jobs", &count, 1, "old jobs were removed");
  j->purged = 0;
}

static void on_purged(void *arg, int code, const struct store_purged *p) {
  struct jobs *j = arg;
  j->purging = false;
  if (j->closing) {
    jobs_release(j);
    return;
  }
  if (code < 0) {
    log_warn("retention.jobs", "old jobs could not be removed: %s", err_slug(code));
    return;
  }
  log_purged(j, p);
  if (p->folder_count > 0)
    storage_remove_jobs(j->storage, p->folders, p->folder_count, NULL, NULL);
  if (p->more) {
    purge(j);
    return;
  }
  sweep_blobs(j);
  sweep_start(j);
}

static void purge(struct jobs *j) {
  const struct store_retention *age = &j->o.retention_age;
  int64_t now = clock_age_us();
  struct store_retention r = {
      .jobs_before_us = before(now, age->jobs_before_us),
      .jobs_max = age->jobs_max,
      .bytes_max = age->bytes_max,
      .events_before_us = before(now, age->events_before_us),
      .ledger_before_us = before(now, age->ledger_before_us),
      .keys_before_us = now,
      .cache_before_us = before(now, age->cache_before_us),
      .cache_max = age->cache_max,
      .audit_before_us = before(now, age->audit_before_us),
      .audit_max = age->audit_max,
      .batch = age->batch > 0 ? age->batch : PURGE_BATCH,
  };
  j->purging = true;
  store_purge(j->store, &r, on_purged, j);
}

static void on_interval(uv_timer_t *t) {
  struct jobs *j = t->data;
  if (!j->purging && !j->sweeping && !j->draining)
    purge(j);
}

void retention_arm(struct jobs *j) {
  uint64_t every = j->o.retention_interval_ms > 0 ? (uint64_t)j->o.retention_interval_ms : 0;
  uv_timer_stop(&j->retention_timer);
  if (every == 0)
    return;
  uv_timer_start(&j->retention_timer, on_interval, every, every);
  uv_unref((uv_handle_t *)&j->retention_timer);
}
