/* SPDX-License-Identifier: MIT
 *
 * Folders of results that no row needs: the daemon died between the commit of a removal and the
 * removal itself, or the disk refused it.
 *
 *   start, retention -> list some -> which does no row need? -> remove -> pause -> list some -> ...
 *
 * A folder is made after its job was handed to the store, and the store answers the question after
 * that.  A row that was deleted never comes back.  So a folder that no row needs then will not be
 * needed by a commit under way either.  A pass takes few folders at a time and rests between them,
 * so that other work does not wait, however many folders there are.
 */
#include "jobs/sweep.h"

#include "jobs/release.h"
#include "observe/log.h"

enum { FIRST_MS = 500, REST_MS = 10 };

static void go_on(struct jobs *j);

static void on_rested(uv_timer_t *t) {
  go_on(t->data);
}

static void rest(struct jobs *j, uint64_t ms) {
  uv_timer_start(&j->sweep_timer, on_rested, ms, 0);
  uv_unref((uv_handle_t *)&j->sweep_timer);
}

static void end_pass(struct jobs *j) {
  if (j->orphans > 0)
    log_warn("sweep.output", "%s %lld folders of results that no job needs%s",
             j->set_aside ? "moved" : "removed", (long long)j->orphans,
             j->set_aside ? " to set-aside/ in the data folder" : "");
  j->orphans = 0;
  j->sweep_pass = false;
  if (j->set_aside)
    j->set_aside(j->set_aside_ctx);
  j->set_aside = NULL;
}

/* True when the room is closing, and may be gone. */
static bool came_back(struct jobs *j) {
  j->sweep_due = false;
  if (!j->closing)
    return false;
  jobs_release(j);
  return true;
}

static void next(struct jobs *j) {
  if (j->sweep_more)
    rest(j, REST_MS);
  else
    end_pass(j);
}

static void on_removed(void *arg, int code, const struct err *err) {
  struct jobs *j = arg;
  if (came_back(j))
    return;
  if (code < 0)
    log_warn("sweep.output", "%s", err->text);
  next(j);
}

static void on_unowned(void *arg, int code, const char *const *ids, size_t n) {
  struct jobs *j = arg;
  if (came_back(j))
    return;
  if (code < 0 || n == 0) { /* the next pass comes by this one, too */
    next(j);
    return;
  }
  j->orphans += (int64_t)n;
  metric_add(j->swept, (int64_t)n);
  j->sweep_due = true;
  if (j->set_aside)
    storage_set_jobs_aside(j->storage, ids, n, on_removed, j);
  else
    storage_remove_jobs(j->storage, ids, n, on_removed, j);
}

static void on_listed(void *arg, const char *const *ids, size_t count, bool more) {
  struct jobs *j = arg;
  if (came_back(j))
    return;
  j->sweep_more = more;
  if (count == 0) {
    next(j);
    return;
  }
  j->sweep_due = true;
  store_unowned(j->store, ids, count, on_unowned, j);
}

static void go_on(struct jobs *j) {
  j->sweep_due = true;
  storage_list_outputs(j->storage, on_listed, j);
}

void sweep_start(struct jobs *j) {
  if (j->sweep_pass || j->closing || j->draining)
    return;
  j->sweep_pass = true;
  rest(j, FIRST_MS);
}

void sweep_init(struct jobs *j) {
  static const char help[] = "Files and folders removed because no job named them";
  j->swept = metrics_counter(j->metrics, "lathe_swept_total", help, "what=\"output\"");
  j->swept_blobs = metrics_counter(j->metrics, "lathe_swept_total", help, "what=\"blob\"");
}

void jobs_set_aside(struct jobs *j, void (*done)(void *ctx), void *ctx) {
  j->set_aside = done;
  j->set_aside_ctx = ctx;
}
