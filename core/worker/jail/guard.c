/* SPDX-License-Identifier: MIT
 *
 * A job is measured ten times a second at the most, and in a twentieth of a processor's time.
 */
#include "worker/jail/guard.h"

#include "base/clock.h"
#include "worker/jail/filter.h"
#include "worker/jail/group.h"
#include "worker/jail/jail.h"
#include "worker/jail/nameless.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/ioprio.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOOK_MS    100
#define LOOK_SHARE 20   /* of the CPU time that a look took, until the next */
#define LOOK_FILES 5000 /* in one look: some 5 ms, in which nobody else is served */

void guard_begin(struct guard *g, pid_t group, const struct wire_limits *limits, uint32_t most,
                 const struct folder *folder) {
  g->group = group;
  g->limits = *limits;
  g->most = most;
  g->folder = *folder;
  g->forked = g->listener < 0;
  g->next_look_ms = clock_mono_ms() + LOOK_MS;
  g->tally.over = true;
}

void guard_turn_to(struct guard *g, const struct wire_limits *limits) {
  g->limits = *limits;
  g->next_look_ms = clock_mono_ms() + LOOK_MS;
  g->cpu_from_ms = -1;
  g->tally.over = true;
}

void guard_close(struct guard *g) {
  if (g->listener >= 0)
    close(g->listener);
  g->listener = -1;
}

/* ---- the processes of a job ---- */

static void add_threads(const struct group_process *p, void *arg) {
  *(int64_t *)arg += p->threads;
}

static int64_t count_tasks(struct guard *g) {
  int64_t tasks = 0;
  group_each(g->group, g->left, add_threads, &tasks, &g->left_us);
  return tasks;
}

/* ---- calls that the filter reports ---- */

static bool is_of_group(const struct guard *g, int64_t pid) {
  return pid > 0 && getpgid((pid_t)pid) == g->group;
}

/* May one more begin?  Counting takes milliseconds, so it is done only when it matters. */
static bool grant_task(struct guard *g, const struct seccomp_data *call) {
  bool thread = call->nr == SYS_clone && call->args[0] & 0x00010000 /* CLONE_THREAD */;
  g->forked |= !thread;
  if (g->most == 0)
    return true;
  if (g->granted + 1 < g->most) { /* the first process is one too */
    g->granted++;
    return true;
  }
  int64_t tasks = count_tasks(g);
  g->granted = tasks < g->most ? (uint32_t)tasks : g->most;
  if (tasks < g->most)
    return true;
  g->over = WIRE_OVER_PROCESSES;
  g->found = g->most;
  return false;
}

/* The process of a thread; the kernel says which thread called. */
static pid_t process_of(pid_t thread) {
  char text[1024];
  const char *at = group_read_file(thread, "status", text, sizeof text) ? strstr(text, "\nTgid:")
                                                                        : NULL;
  return at ? atoi(at + 6) : thread;
}

/* setpgid(0, 0) of the one that is to be parked. */
static bool lets_leave(struct guard *g, const struct seccomp_notif *n) {
  bool may = g->may_leave && n->data.nr == SYS_setpgid && (pid_t)n->pid != g->group &&
             n->data.args[0] == 0 && n->data.args[1] == 0;
  g->may_leave &= !may;
  if (may)
    g->left = process_of((pid_t)n->pid);
  return may;
}

static bool allows(struct guard *g, const struct seccomp_data *call) {
  switch (filter_kind_of(call->nr)) {
  case FILTER_SPAWN:
    return grant_task(g, call);
  case FILTER_TARGET:
    return is_of_group(g, (int32_t)call->args[0]) || (int32_t)call->args[0] == -g->group;
  case FILTER_WHO: {
    int process = call->nr == SYS_setpriority ? PRIO_PROCESS : IOPRIO_WHO_PROCESS;
    return (int)call->args[0] == process &&
           ((int32_t)call->args[1] == 0 || is_of_group(g, (int32_t)call->args[1]));
  }
  default:
    return false;
  }
}

/* Is it the first time? */
static bool note_refused(struct guard *g, int nr) {
  for (size_t i = 0; i < g->refused_count; i++)
    if (g->refused[i] == nr)
      return false;
  if (g->refused_count == sizeof g->refused / sizeof *g->refused)
    return false;
  g->refused[g->refused_count++] = nr;
  return true;
}

void guard_answer(struct guard *g, void (*refused)(void *arg, const char *call), void *arg) {
  /* A newer kernel's structures may be longer than ours. */
  union {
    struct seccomp_notif n;
    char room[512];
  } in;
  union {
    struct seccomp_notif_resp r;
    char room[256];
  } out;
  memset(&in, 0, sizeof in);
  memset(&out, 0, sizeof out);
  if (ioctl(g->listener, SECCOMP_IOCTL_NOTIF_RECV, &in) < 0) {
    if (errno != EINTR && errno != ENOENT && errno != EAGAIN)
      guard_close(g);
    return;
  }
  out.r.id = in.n.id;
  if (g->over == WIRE_OVER_NONE && (lets_leave(g, &in.n) || allows(g, &in.n.data))) {
    out.r.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  } else {
    out.r.error = -EPERM;
    if (g->over == WIRE_OVER_NONE && note_refused(g, in.n.data.nr))
      refused(arg, filter_word(in.n.data.nr));
  }
  ioctl(g->listener, SECCOMP_IOCTL_NOTIF_SEND, &out); /* ENOENT: who asked is gone */
}

/* ---- what the job uses ---- */

struct use {
  int64_t memory, shared_out; /* bytes: as each process sees it, and fairly shared */
  int64_t cpu_ms;
  struct nameless nameless;
  const char *below; /* where the job's files are; NULL: nobody asks */
};

static void add_use(const struct group_process *p, void *arg) {
  struct use *u = arg;
  u->memory += group_memory(p->seen);
  u->cpu_ms += p->cpu_ms;
  if (u->below)
    nameless_add(&u->nameless, p->seen, u->below);
}

/* Pages that several processes share count once in all. */
static void add_shared_out(const struct group_process *p, void *arg) {
  struct use *u = arg;
  int64_t share = group_share(p->seen);
  if (share > 0)
    u->shared_out += share;
}

static void over(struct guard *g, enum wire_over what, int64_t found, int64_t limit) {
  if (limit <= 0 || found <= limit || g->over != WIRE_OVER_NONE)
    return;
  g->over = what;
  g->found = found;
}

static void for_each(struct guard *g, void (*each)(const struct group_process *, void *),
                     struct use *u) {
  struct group_process p;
  if (g->forked || g->cpu_from_ms < 0)
    group_each(g->group, g->left, each, u, &g->left_us);
  else if (group_read_process(g->group, &p))
    each(&p, u);
}

static void check_cpu(struct guard *g, int64_t living_ms) {
  int64_t cpu_ms = living_ms + g->left_us / 1000;
  if (g->cpu_from_ms < 0)
    g->cpu_from_ms = cpu_ms;
  over(g, WIRE_OVER_CPU, cpu_ms - g->cpu_from_ms, g->limits.cpu_ms);
}

/* One piece of it. */
static void check_folder(struct guard *g, int64_t nameless) {
  int64_t limit = g->limits.output_bytes;
  if (limit <= 0)
    return;
  if (g->tally.over)
    folder_measure(&g->tally, &g->folder, limit);
  tally_go_on(&g->tally, g->folder.path, LOOK_FILES);
  int64_t bytes = folder_measured(&g->tally, &g->folder);
  if (__builtin_add_overflow(bytes, nameless, &bytes))
    bytes = INT64_MAX;
  over(g, WIRE_OVER_OUTPUT, bytes, limit);
}

void guard_look(struct guard *g) {
  const struct wire_limits *l = &g->limits;
  int64_t start = clock_thread_us();
  char below[sizeof g->folder.path];
  snprintf(below, sizeof below, "%s", g->folder.path);
  below[strrchr(below, '/') + 1 - below] = '\0';
  struct use u = {.below = l->output_bytes > 0 ? below : NULL};
  for_each(g, add_use, &u);
  if (l->memory > 0 && u.memory > l->memory)
    for_each(g, add_shared_out, &u);
  over(g, WIRE_OVER_MEMORY, u.shared_out, l->memory);
  check_cpu(g, u.cpu_ms);
  check_folder(g, nameless_bytes(&u.nameless));
  int64_t pause = (clock_thread_us() - start) * LOOK_SHARE / 1000;
  g->next_look_ms = clock_mono_ms() + (pause > LOOK_MS ? pause : LOOK_MS);
}

int guard_due_ms(const struct guard *g) {
  int64_t left = g->next_look_ms - clock_mono_ms();
  return g->over != WIRE_OVER_NONE ? -1 : left > 0 ? (int)left : 0;
}

/* ---- words ---- */

void guard_hint(const struct guard *g, char *text, size_t size) {
  size_t at = 0;
  text[0] = '\0';
  for (size_t i = 0; i < g->refused_count && at < size; i++)
    at += (size_t)snprintf(text + at, size - at, "%s%s()", i ? ", " : " (the jail refused ",
                           filter_word(g->refused[i]));
  if (at && at < size)
    snprintf(text + at, size - at, "; see `jail` in docs/admin.md)");
}
