/* SPDX-License-Identifier: MIT
 *
 * What outlives its parent.  A worker that dies leaves its children, their children and what is
 * parked; the kernel gives them to the daemon, which asked for that.  So the daemon never needs
 * anybody's word for who they are: it ends those of its children that it did not start.
 *
 *   SIGCHLD, or a worker has ended --> a moment later: kill and reap --> some are left? once more
 *
 * Left alone are those that a living worker's group still holds (it is killed as a whole), and what
 * was there before: lathed may be started by a script that has other children.
 */
#include "workers/internal.h"

#include "base/proc.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { SOON_MS = 20, MOST = 512 }; /* MOST: are ended in one turn of the loop */

/* The worker whose process this is; NULL: none. */
static struct worker *worker_of(const struct workers *w, pid_t pid) {
  list_for_each(b, &w->backends) {
    list_for_each(it, &container_of(b, struct backend, ring)->workers) {
      struct worker *k = container_of(it, struct worker, ring);
      if (k->pid == pid)
        return k;
    }
  }
  return NULL;
}

static bool was_there(const struct workers *w, pid_t pid) {
  for (size_t i = 0; i < w->stranger_count; i++)
    if (w->strangers[i] == pid)
      return true;
  return false;
}

/* As the first process of a container it is given what others leave, too. */
static bool is_of_ours(pid_t pid) {
  return getpid() != 1 || getsid(pid) == getsid(0);
}

/* Its CPU time is the worker's whose group it was in: a job pays for what it left. */
static bool reap(const struct workers *w, pid_t pid, pid_t group) {
  int64_t cpu_us = 0;
  bool ended = proc_reap(pid, &cpu_us);
  struct worker *k = ended ? worker_of(w, group) : NULL;
  if (k)
    atomic_fetch_add(&k->board->left_us, cpu_us);
  return ended;
}

enum fate { SPARED, REAPED, KILLED }; /* KILLED: and it has yet to end */

static enum fate end_orphan(const struct workers *w, pid_t pid) {
  pid_t group = getpgid(pid);
  if (was_there(w, pid) || worker_of(w, pid))
    return SPARED;
  if (reap(w, pid, group))
    return REAPED;
  if (worker_of(w, group) || !is_of_ours(pid))
    return SPARED;
  if (group == pid) /* a job's first process: its group is nobody else's until it is reaped */
    kill(-pid, SIGKILL);
  kill(pid, SIGKILL);
  return reap(w, pid, group) ? REAPED : KILLED;
}

static void look_again(struct workers *w);

void orphans_end(struct workers *w) {
  struct proc_children children;
  bool more = false;
  size_t ended = 0;
  proc_own_children(&children);
  for (size_t i = 0; i < children.count && ended < MOST; i++) {
    enum fate fate = end_orphan(w, children.pids[i]);
    ended += fate != SPARED;
    more |= fate == KILLED;
  }
  free(children.pids);
  if (more || ended == MOST)
    look_again(w);
}

static void on_time(uv_timer_t *timer) {
  orphans_end(timer->data);
}

static void look_again(struct workers *w) {
  if (!uv_is_active((uv_handle_t *)&w->orphans) && !uv_is_closing((uv_handle_t *)&w->orphans))
    uv_timer_start(&w->orphans, on_time, SOON_MS, 0);
}

static void on_child(uv_signal_t *handle, int number) {
  (void)number;
  look_again(handle->data);
}

void orphans_adopt(struct workers *w) {
  struct proc_children children;
  proc_own_children(&children);
  w->strangers = children.pids;
  w->stranger_count = children.count;
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  uv_timer_init(w->loop, &w->orphans);
  uv_signal_init(w->loop, &w->child_ended);
  w->orphans.data = w->child_ended.data = w;
  uv_signal_start(&w->child_ended, on_child, SIGCHLD);
  uv_unref((uv_handle_t *)&w->child_ended);
}
