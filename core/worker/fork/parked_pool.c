/* SPDX-License-Identifier: MIT */
#include "worker/fork/parked_pool.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/proc.h"
#include "worker/fork/park.h"
#include "worker/jail/group.h"

#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST       64 /* processes */
#define SPARE_PART 16 /* of the machine's memory that parking leaves to others */

void parked_pool_init(struct parked_pool *l, struct host *h, struct sweeper *sweeper) {
  *l = (struct parked_pool){.host = h, .sweeper = sweeper};
  list_init(&l->all);
}

static struct parked *of_key(struct parked_pool *l, const char *key) {
  list_for_each(it, &l->all) {
    struct parked *p = container_of(it, struct parked, ring);
    if (strcmp(p->key, key) == 0)
      return p;
  }
  return NULL;
}

int parked_pool_admit(struct parked_pool *l, const char *key, pid_t maker, int listener,
                      const char *cell, const struct wire_limits *limits) {
  int pair[2], on = 1;
  if (!l->host->parks || l->count >= MOST || of_key(l, key) ||
      socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
    return -1;
  setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on); /* the kernel says who it is */
  struct parked *p = mem_alloc(sizeof *p);
  *p = (struct parked){
      .key = mem_dup(key),
      .maker = maker,
      .socket = pair[0],
      .listener = listener < 0 ? -1 : fcntl(listener, F_DUPFD_CLOEXEC, 0),
      .cell = cell ? mem_dup(cell) : NULL,
      .limits = *limits,
      .since_ms = clock_mono_ms(),
  };
  list_push_back(&l->all, &p->ring);
  l->count++;
  return pair[1];
}

void parked_pool_take(struct parked_pool *l, struct parked *p) {
  assert(l->count > 0);
  list_remove(&p->ring);
  l->count--;
  l->changed = true;
}

void parked_pool_evict(struct parked_pool *l, struct parked *p) {
  parked_pool_take(l, p);
  if (p->pid > 0 && kill(-p->pid, SIGKILL) < 0)
    kill(p->pid, SIGKILL);
  close(p->socket);
  if (p->listener >= 0)
    close(p->listener);
  if (p->cell && !p->maker && !parked_pool_uses(l, p->cell))
    sweeper_remove(l->sweeper, p->cell);
  free(p->cell);
  free(p->key);
  free(p);
}

void parked_pool_evict_all(struct parked_pool *l) {
  list_for_each_safe(it, &l->all) parked_pool_evict(l, container_of(it, struct parked, ring));
}

/* Begun by this process or by that one, which is our child and not reaped; so nobody else's number.
 */
static bool is_begun_by(pid_t pid, pid_t parent) {
  struct group_process p;
  return group_read_process(pid, &p) &&
         (p.parent == getpid() || (parent > 0 && p.parent == parent));
}

/* The kernel says who spoke; by now that may be over, and its number another's. */
static bool may_stay(pid_t pid, pid_t maker) {
  int held = pid > 1 ? pidfd_open(pid, 0) : -1;
  bool may = held >= 0 && is_begun_by(pid, maker) && getpgid(pid) == pid &&
             pidfd_send_signal(held, SIGSTOP, NULL, 0) == 0;
  if (held >= 0)
    close(held);
  return may && kill(-pid, SIGSTOP) == 0;
}

/* It is stopped: whatever it is, it does nothing until it becomes a job. */
pid_t parked_pool_hear(struct parked_pool *l, struct parked *p) {
  int fds[2];
  pid_t maker = p->maker, pid = 0;
  if (poll(&(struct pollfd){.fd = p->socket, .events = POLLIN}, 1, 0) <= 0)
    return 0;
  bool ready = park_receive(p->socket, fds, &pid) == PARK_READY;
  for (int i = 0; i < 2; i++)
    if (fds[i] >= 0)
      close(fds[i]);
  if (!ready || p->pid || !may_stay(pid, p->maker)) {
    parked_pool_evict(l, p);
    return maker;
  }
  p->pid = pid;
  l->changed = true;
  return maker;
}

/* ---- the budget ---- */

static void add_share(const struct group_process *p, void *arg) {
  int64_t share = group_share(p->seen);
  *(int64_t *)arg += share > 0 ? share : 0;
}

/* What it would give back, with the processes that it began.  Pages that are shared count in part.
 */
static int64_t measure(pid_t pid) {
  int64_t bytes = 0, reaped_us = 0; /* a parked one's CPU time is nobody's */
  group_each(pid, 0, add_share, &bytes, &reaped_us);
  return bytes;
}

static bool machine_is_short(void) {
  char text[512];
  proc_read("/proc/meminfo", text, sizeof text);
  const char *total = strstr(text, "MemTotal:"), *left = strstr(text, "MemAvailable:");
  return total && left && atoll(left + 13) < atoll(total + 9) / SPARE_PART;
}

static int64_t bytes_of_all(const struct parked_pool *l) {
  int64_t bytes = 0;
  list_for_each(it, &l->all) bytes += container_of(it, struct parked, ring)->bytes;
  return bytes;
}

static struct parked *oldest(struct parked_pool *l) {
  list_for_each(it, &l->all) {
    struct parked *p = container_of(it, struct parked, ring);
    if (!p->maker)
      return p;
  }
  return NULL;
}

void parked_pool_maker_over(struct parked_pool *l, pid_t maker, bool well, bool dead) {
  bool measured = false;
  list_for_each_safe(it, &l->all) {
    struct parked *p = container_of(it, struct parked, ring);
    if (p->maker == maker) {
      p->maker = 0;
      p->since_ms = clock_mono_ms();
      if (!well || !p->pid)
        parked_pool_evict(l, p);
    }
  }
  if (!dead)
    return;
  list_for_each(it, &l->all) {
    struct parked *p = container_of(it, struct parked, ring);
    if (p->bytes == 0 && !p->maker) {
      p->bytes = measure(p->pid);
      measured = l->changed = true;
    }
  }
  if (measured && machine_is_short())
    parked_pool_evict_all(l);
  for (struct parked *p; bytes_of_all(l) > l->host->park_memory && (p = oldest(l)) != NULL;)
    parked_pool_evict(l, p);
}

/* ---- time ---- */

static int64_t due_at(const struct parked_pool *l, const struct parked *p) {
  return p->since_ms + l->host->park_ms;
}

int parked_pool_due_ms(const struct parked_pool *l) {
  int64_t now = clock_mono_ms(), due = -1;
  list_for_each(it, &l->all) {
    const struct parked *p = container_of(it, struct parked, ring);
    int64_t left = due_at(l, p) - now;
    if (!p->maker && (due < 0 || left < due))
      due = left < 0 ? 0 : left;
  }
  return due > INT32_MAX ? INT32_MAX : (int)due;
}

void parked_pool_expire(struct parked_pool *l) {
  int64_t now = clock_mono_ms();
  list_for_each_safe(it, &l->all) {
    struct parked *p = container_of(it, struct parked, ring);
    if (!p->maker && now >= due_at(l, p))
      parked_pool_evict(l, p);
  }
}

/* ---- looks ---- */

struct parked *parked_pool_find(struct parked_pool *l, const char *key,
                                const struct wire_limits *limits) {
  struct parked *p = of_key(l, key);
  return p && p->pid && !p->maker && p->limits.memory == limits->memory &&
                 p->limits.output_bytes == limits->output_bytes
             ? p
             : NULL;
}

bool parked_pool_has(const struct parked_pool *l, pid_t pid) {
  list_for_each(it, &l->all) if (container_of(it, struct parked, ring)->pid == pid) return true;
  return false;
}

bool parked_pool_uses(const struct parked_pool *l, const char *cell) {
  list_for_each(it, &l->all) {
    const struct parked *p = container_of(it, struct parked, ring);
    if (p->cell && strcmp(p->cell, cell) == 0)
      return true;
  }
  return false;
}

void parked_pool_report(struct parked_pool *l) {
  struct wire_parked m = {.bytes = bytes_of_all(l), .hits = l->hits};
  if (!l->changed)
    return;
  l->changed = false;
  list_for_each(it, &l->all) {
    m.count += container_of(it, struct parked, ring)->pid != 0;
  }
  wire_put_parked(link_begin(l->host->link), &m);
  link_end(l->host->link, false);
}

void parked_pool_close(struct parked_pool *l) {
  list_for_each(it, &l->all) {
    struct parked *p = container_of(it, struct parked, ring);
    close(p->socket);
    if (p->listener >= 0)
      close(p->listener);
  }
}
