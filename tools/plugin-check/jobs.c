/* SPDX-License-Identifier: MIT
 *
 * The checks that run jobs on the simulated host.
 */
#include "base/mem.h"
#include "life.h"
#include "proc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* For each kind that an example can be made for.  The loop's body has `e`, ready to run. */
static bool next_example(struct tool *t, int *i, struct example *e) {
  char name[NAME_SIZE];
  for (; *i < t->facts->kind_count; ++*i) {
    snprintf(name, sizeof name, "job%d", *i);
    if (example_make(t, t->facts->kinds[*i], name, e)) {
      ++*i;
      return true;
    }
    example_free(e);
  }
  return false;
}

void check_unknown_kind(struct tool *t) {
  struct record *r = shared_memory(sizeof *r);
  struct example e = {.kind = "lathe-check-unknown",
                      .id = "01CHECK",
                      .idem_key = "check-unknown",
                      .workdir = t->folder,
                      .spec = "{\"params\":{},\"inputs\":[]}"};
  if (!sim_open(t, HOST_OF_TODAY))
    return;
  if (sim_plugin()->remote)
    sim_step(t, TO_SUBMIT, &e, NULL, r);
  else
    sim_run(t, &e, r);
  int class = r->result / 1000;
  if (!r->returned)
    return; /* it crashed, and that was said */
  if (class != LATHE_BAD_INPUT / 1000 && class != LATHE_PERMANENT / 1000)
    fail(t,
         "a job of the kind \"%s\" gave the result %d; give LATHE_BAD_INPUT and say what the "
         "plugin can do",
         e.kind, r->result);
  else if (!r->error[0])
    fail(t,
         "a job of the kind \"%s\" gave the result %d without a message: call host->error() first",
         e.kind, r->result);
}

void check_progress(struct tool *t) {
  struct record *r = shared_memory(sizeof *r);
  struct example e;
  if (!sim_open(t, HOST_OF_TODAY))
    return;
  for (int i = 0; next_example(t, &i, &e); example_free(&e)) {
    if (!life_must(t, &e, r))
      continue;
    if (r->progress_outside)
      fail(t, "%s: progress() was called with %d; it is 0 to 1000", e.kind, r->outside);
    if (r->progress_back)
      fail(t, "%s: progress() went back from %d (%d times)", e.kind, r->progress_before,
           r->progress_back);
    note(t, "%s: %d calls of progress()", e.kind, r->progress_count);
  }
}

/* A job of each kind on a host whose structures have another size. */
static void run_on(struct tool *t, enum host_shape shape) {
  struct record *r = shared_memory(sizeof *r);
  struct example e;
  if (!sim_open(t, shape))
    return;
  for (int i = 0; next_example(t, &i, &e); example_free(&e))
    life_must(t, &e, r);
  sim_destroy(t);
}

void check_old_host(struct tool *t) {
  note(t, "The host's table and the request have the size of ABI 1.0 and end where memory ends. A "
          "crash says");
  note(t, "that a newer field was read: ask LATHE_HAS(host, field) first, and never copy by your "
          "own sizeof.");
  run_on(t, HOST_OLD);
}

void check_new_host(struct tool *t) {
  note(t, "The host says that it is a later minor, and its structures are longer than yours: that "
          "must not");
  note(t, "matter. Compare struct_size with LATHE_HAS only.");
  run_on(t, HOST_NEWER);
}

/* ---- leaks ---- */

/* What grows in each batch may be a cache (of connections, of names, of the allocator): it comes to
 * an end, or slows down, and a leak does not.  So one that grows is watched for more windows. */
enum { WARM_JOBS = 4, WINDOWS = 4, BATCHES = 4, BATCH_MOST = 10, LEAK_MS = 8000 };
enum { HEAP_SLACK = 512, MEMORY_SLACK = 16384 }; /* bytes a job that are nobody's leak */

struct growth { /* in how many batches each grew */
  int heap, anonymous, files, threads;
};

static bool run_some(struct tool *t, int jobs, struct record *r) {
  struct example e;
  for (int n = 0; n < jobs; n++)
    for (int i = 0; next_example(t, &i, &e); example_free(&e))
      if (!life_must(t, &e, r)) {
        example_free(&e);
        return false;
      }
  return true;
}

/* Did it grow in all batches? */
static bool grew(const struct growth *g) {
  return g->files == BATCHES || g->threads == BATCHES || g->heap == BATCHES ||
         g->anonymous == BATCHES;
}

static void judge_growth(struct tool *t, const struct growth *g, const struct proc_counts *first,
                         const struct proc_counts *last, int jobs) {
  if (g->files == BATCHES)
    fail(t, "%d jobs left %d files open", jobs, last->files - first->files);
  if (g->threads == BATCHES)
    fail(t, "%d jobs left %d threads running", jobs, last->threads - first->threads);
  if (first->heap == 0)
    note(t, "memory is not judged: a sanitizer has its own malloc, which keeps what is freed");
  else if (g->heap == BATCHES)
    fail(t, "memory from malloc grows by %lld bytes a job",
         (long long)((last->heap - first->heap) / jobs));
  else if (g->anonymous == BATCHES)
    fail(t, "resident memory grows by %lld KiB a job",
         (long long)((last->anonymous - first->anonymous) / jobs / 1024));
}

struct window { /* of some jobs */
  struct proc_counts first, last;
  struct growth g;
};

/* False: a job failed. */
static bool watch_window(struct tool *t, int batch, struct record *r, struct window *w) {
  struct proc_counts before, now;
  *w = (struct window){0};
  proc_count(&w->first);
  before = w->first;
  for (int i = 0; i < BATCHES; i++, before = now) {
    if (!run_some(t, batch, r))
      return false;
    proc_count(&now);
    w->g.heap += now.heap - before.heap > (int64_t)HEAP_SLACK * batch;
    w->g.anonymous += now.anonymous - before.anonymous > (int64_t)MEMORY_SLACK * batch;
    w->g.files += now.files > before.files;
    w->g.threads += now.threads > before.threads;
  }
  w->last = now;
  return true;
}

/* Does memory grow in the last window half as fast as in the first, or faster? */
static void forgive_caches(struct window *last, const struct window *first) {
  int64_t heap = first->last.heap - first->first.heap;
  int64_t anonymous = first->last.anonymous - first->first.anonymous;
  if (last->last.heap - last->first.heap < heap / 2)
    last->g.heap = 0;
  if (last->last.anonymous - last->first.anonymous < anonymous / 2)
    last->g.anonymous = 0;
}

static void watch_jobs(struct tool *t) {
  struct record *r = shared_memory(sizeof *r);
  struct window w, first;
  int64_t start = now_ms();
  if (!run_some(t, WARM_JOBS, r))
    return;
  int64_t each = (now_ms() - start) / WARM_JOBS + 1;
  int batch = (int)(LEAK_MS / BATCHES / each);
  batch = batch < 1 ? 1 : batch > BATCH_MOST ? BATCH_MOST : batch;
  for (int i = 0; i < WINDOWS; i++) {
    if (!watch_window(t, batch, r, &w))
      return;
    if (i == 0)
      first = w;
    else
      forgive_caches(&w, &first);
    if (!grew(&w.g))
      break;
  }
  judge_growth(t, &w.g, &w.first, &w.last, BATCHES * batch);
  note(t, "%d jobs: malloc %+lld bytes, resident %+lld KiB", BATCHES * batch,
       (long long)(w.last.heap - w.first.heap),
       (long long)((w.last.anonymous - w.first.anonymous) / 1024));
}

void check_leaks(struct tool *t) {
  struct proc_counts before, after;
  if (!sim_load(t, HOST_OF_TODAY))
    return;
  proc_count(&before);
  if (!sim_start(t, NULL)) {
    fail(t, "it does not start");
    return;
  }
  /* A forked child takes its leaks along. */
  if (t->facts->isolation != LATHE_FORK)
    watch_jobs(t);
  sim_destroy(t);
  proc_count(&after);
  if (after.sockets > before.sockets)
    fail(t, "destroy() leaves %d sockets open that create() or a job opened",
         after.sockets - before.sockets);
  else if (after.files > before.files)
    fail(t, "destroy() leaves %d files open that create() or a job opened",
         after.files - before.files);
}
