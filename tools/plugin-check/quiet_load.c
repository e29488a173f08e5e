/* SPDX-License-Identifier: MIT
 *
 * Reading the descriptor must start nothing: lathe loads a plugin only to list its options, too.
 */
#include "base/clock.h"
#include "check.h"
#include "child.h"
#include "proc.h"
#include "worker/plugin.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { TRIES = 5 };

struct look { /* shared memory */
  int64_t took_us;
  struct proc_counts before, after;
  bool forked;
};

struct scan {
  struct tool *tool;
  struct look *look;
};

static bool had_children(void) {
  struct rusage used;
  return proc_has_children() || (getrusage(RUSAGE_CHILDREN, &used) == 0 && used.ru_minflt > 0);
}

static void load(void *arg) {
  struct scan *s = arg;
  struct plugin p;
  struct err err;
  proc_count(&s->look->before);
  int64_t waited = proc_waited_us(), start = clock_mono_us();
  if (plugin_load(&p, s->tool->plugin, &err) < 0)
    return; /* the check `descriptor` says so */
  int64_t took = clock_mono_us() - start;
  /* Time in which other processes had the core is not the plugin's. */
  s->look->took_us = took - (proc_waited_us() - waited);
  proc_count(&s->look->after);
  s->look->forked = had_children();
}

void check_scan(struct tool *t) {
  struct scan s = {t, shared_memory(sizeof *s.look)};
  int64_t best = INT64_MAX;
  entering(t, "loading it");
  for (int i = 0; i < TRIES && best > t->scan_ms * 1000; i++) {
    memset(s.look, 0, sizeof *s.look);
    struct ending e = child_run(load, &s, t->limit_ms);
    if (!ending_is_clean(&e)) {
      fail(t, "the plugin %s while it was loaded", ending_text(&e));
      return;
    }
    if (s.look->took_us < best)
      best = s.look->took_us;
  }
  const struct look *l = s.look;
  if (best > t->scan_ms * 1000)
    fail(t,
         "loading takes %lld ms, at the best of %d times; %lld are allowed. Move work from "
         "constructors and global "
         "objects into create(), and load large libraries there (dlopen)",
         (long long)(best / 1000), TRIES, (long long)t->scan_ms);
  note(t, "loading takes %lld.%lld ms", (long long)(best / 1000), (long long)(best / 100 % 10));
  if (l->after.threads > l->before.threads)
    fail(t, "loading starts %d thread%s; start them in create()",
         l->after.threads - l->before.threads,
         l->after.threads - l->before.threads == 1 ? "" : "s");
  if (l->after.sockets > l->before.sockets)
    fail(t, "loading opens a socket; connect in create()");
  if (l->forked)
    fail(t, "loading starts a process; do so in create()");
  if (l->after.files > l->before.files && l->after.sockets == l->before.sockets)
    note(t, "loading leaves %d files open", l->after.files - l->before.files);
}
