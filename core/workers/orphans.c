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

#include "base/children.h"
#include "base/mem.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SOON_MS = 20, MOST = 512 };

static bool is_worker(const struct workers *w, pid_t pid, bool group) {
  list_for_each(b, &w->backends) {
    list_for_each(it, &container_of(b, struct backend, ring)->workers) {
      pid_t own = container_of(it, struct worker, ring)->pid;
      if (own == pid || (group && getpgid(pid) == own))
        return true;
    }
  }
  return false;
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

/* True: it has yet to end. */
static bool end_orphan(const struct workers *w, pid_t pid) {
  if (was_there(w, pid) || is_worker(w, pid, false))
    return false;
  if (waitpid(pid, NULL, WNOHANG) == pid || is_worker(w, pid, true) || !is_of_ours(pid))
    return false;
  if (getpgid(pid) ==
      pid) /* a job's first process: its group is nobody else's until it is reaped */
    kill(-pid, SIGKILL);
  kill(pid, SIGKILL);
  return waitpid(pid, NULL, WNOHANG) != pid;
}

static void look_again(struct workers *w);

void orphans_end(struct workers *w) {
  pid_t pids[MOST];
  bool more = false;
  size_t count = children_list(pids, MOST);
  for (size_t i = 0; i < count; i++)
    more |= end_orphan(w, pids[i]);
  if (more)
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
  w->strangers = mem_array(MOST, sizeof *w->strangers);
  w->stranger_count = children_list(w->strangers, MOST);
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  uv_timer_init(w->loop, &w->orphans);
  uv_signal_init(w->loop, &w->child_ended);
  w->orphans.data = w->child_ended.data = w;
  uv_signal_start(&w->child_ended, on_child, SIGCHLD);
  uv_unref((uv_handle_t *)&w->child_ended);
}
