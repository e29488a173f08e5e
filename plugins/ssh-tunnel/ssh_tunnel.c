/* SPDX-License-Identifier: MIT
 *
 * The thread of a tunnel: starts ssh, listens to what it says, asks the far daemon, and starts it again.
 *
 * "Closing" is looked at after every wait: a tunnel that was told to end begins nothing more.
 */
#include "ssh_watch.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum {
  PAUSE_FIRST_MS = 250,
  PAUSE_LAST_MS = 30000,
  PAUSE_PERSON_MS = 5000, /* at least, where more tries alone will not help: servers punish haste */
  LASTED_MS = 2000,       /* a session that was up for so long begins with a short pause again */
};

int64_t ssh_now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

int64_t ssh_jitter(int failures, int64_t first_ms, int64_t last_ms) {
  int64_t whole = last_ms;
  uint32_t random = 0;
  if (failures < 20 && first_ms << failures < last_ms)
    whole = first_ms << failures;
  if (getrandom(&random, sizeof random, 0) < 0)
    random = (uint32_t)ssh_now_ms();
  return whole / 2 + (int64_t)(random % (uint32_t)(whole / 2 + 1));
}

/* ---- what others see ---- */

/* The link leads to the session's socket before anybody is told, and nowhere once it is not up. */
static void turn_link(const struct tunnel *t, bool up) {
  if (!up)
    unlink(t->paths.link);
  else if (symlink(t->paths.socket, t->paths.new_link) == 0)
    rename(t->paths.new_link, t->paths.link);
}

const char *tunnel_socket(const struct tunnel *t) {
  return t->paths.link;
}

void ssh_tell(struct tunnel *t, enum tunnel_state state, const char *detail) {
  struct tunnel_status new = {.state = state};
  ssh_describe(t->o, state, detail, new.text, sizeof new.text);
  turn_link(t, state == TUNNEL_UP);
  pthread_mutex_lock(&t->lock);
  bool differs = state != t->now.state || strcmp(new.text, t->now.text) != 0;
  new.session = t->now.session + (state == TUNNEL_UP && t->session_is_new);
  if (state == TUNNEL_UP) {
    snprintf(new.path, sizeof new.path, "%s", t->paths.socket);
    t->session_is_new = false;
  }
  t->now = new;
  t->tellings++;
  pthread_cond_broadcast(&t->told);
  pthread_mutex_unlock(&t->lock);
  if (differs && t->changed)
    t->changed(t->arg, &new);
}

void tunnel_look(struct tunnel *t, struct tunnel_status *now) {
  pthread_mutex_lock(&t->lock);
  *now = t->now;
  pthread_mutex_unlock(&t->lock);
}

static struct timespec after(int64_t ms) {
  int64_t at = ssh_now_ms() + (ms > 0 ? ms : 0);
  return (struct timespec){.tv_sec = at / 1000, .tv_nsec = at % 1000 * 1000000};
}

bool tunnel_await(struct tunnel *t, int64_t ms, struct tunnel_status *now) {
  struct timespec end = after(ms);
  pthread_mutex_lock(&t->lock);
  while (t->now.state != TUNNEL_UP && !t->closing && ms > 0 &&
         pthread_cond_timedwait(&t->told, &t->lock, &end) != ETIMEDOUT)
    ;
  *now = t->now;
  pthread_mutex_unlock(&t->lock);
  return now->state == TUNNEL_UP;
}

static void wake(const struct tunnel *t) {
  uint64_t one = 1;
  if (write(t->wake, &one, sizeof one) < 0)
    return; /* it is full, so the thread will wake */
}

void tunnel_suspect(struct tunnel *t, uint64_t session, int64_t ms) {
  struct timespec end = after(ms);
  pthread_mutex_lock(&t->lock);
  uint64_t tellings = t->tellings;
  if (t->now.session == session && t->now.state == TUNNEL_UP) {
    t->suspect = session;
    wake(t);
    while (t->tellings == tellings && !t->closing && ms > 0 &&
           pthread_cond_timedwait(&t->told, &t->lock, &end) != ETIMEDOUT)
      ;
  }
  pthread_mutex_unlock(&t->lock);
}

bool ssh_is_closing(struct tunnel *t) {
  uint64_t count;
  if (read(t->wake, &count, sizeof count) < 0)
    count = 0; /* nobody woke us */
  pthread_mutex_lock(&t->lock);
  bool closing = t->closing;
  pthread_mutex_unlock(&t->lock);
  return closing;
}

bool ssh_take_suspicion(struct tunnel *t) {
  pthread_mutex_lock(&t->lock);
  bool taken = t->suspect && t->suspect == t->now.session && t->now.state == TUNNEL_UP;
  t->suspect = 0;
  pthread_mutex_unlock(&t->lock);
  return taken;
}

/* ---- one start of ssh ---- */

static void name_files(struct tunnel *t) {
  const struct {
    char *out;
    const char *name;
  } files[] = {
      {t->paths.config, "config"}, {t->paths.jump_log, "jump.log"}, {t->paths.control, "control"},
      {t->paths.link, "far"},      {t->paths.new_link, "far.new"},
  };
  for (size_t i = 0; i < sizeof files / sizeof *files; i++)
    snprintf(files[i].out, TUNNEL_PATH, "%s/%s", t->folder.path, files[i].name);
}

static void prepare(struct tunnel *t) {
  snprintf(t->paths.socket, sizeof t->paths.socket, "%s/%ld-%llu", t->folder.path, (long)getpid(),
           (unsigned long long)++t->number);
  unlink(t->paths.jump_log);
  unlink(t->paths.control);
  t->session_is_new = true;
}

/* Returns the state that it failed with, and TUNNEL_STOPPED when ssh runs. */
static enum tunnel_state begin(struct tunnel *t, char *why, size_t size) {
  bool exec_failed = false;
  prepare(t);
  if (ssh_look_at_key(t->o->key, why, size))
    return TUNNEL_KEY_FILE;
  if (!ssh_config_write(t->o, &t->paths, ssh_alive_s(t))) {
    snprintf(why, size, "%s: %s", t->paths.config, strerror(errno));
    return TUNNEL_LOCAL;
  }
  int failed = ssh_spawn(&t->process, t->o->ssh, t->paths.config, &exec_failed);
  if (!failed)
    return TUNNEL_STOPPED;
  snprintf(why, size, "%s", strerror(failed));
  return exec_failed ? TUNNEL_NO_SSH : TUNNEL_LOCAL;
}

static void pause_for(struct tunnel *t, int64_t ms) {
  int64_t end = ssh_now_ms() + ms, left;
  while (!ssh_is_closing(t) && (left = end - ssh_now_ms()) > 0) {
    struct pollfd p = {.fd = t->wake, .events = POLLIN};
    poll(&p, 1, (int)left);
  }
}

static void *run(void *arg) {
  struct tunnel *t = arg;
  char why[300];
  int failures = 0;
  ssh_tell(t, TUNNEL_STARTING, "");
  while (!ssh_is_closing(t)) {
    enum tunnel_state failed = begin(t, why, sizeof why);
    if (failed != TUNNEL_STOPPED) {
      ssh_tell(t, failed, why);
    } else {
      int64_t up_ms = ssh_watch(t, &failed);
      if (up_ms >= LASTED_MS)
        failures = 0;
    }
    int64_t ms = ssh_jitter(failures++, PAUSE_FIRST_MS, PAUSE_LAST_MS);
    pause_for(t, tunnel_needs_person(failed) && ms < PAUSE_PERSON_MS ? PAUSE_PERSON_MS : ms);
  }
  return NULL;
}

/* ---- its life ---- */

static void release(struct tunnel *t) {
  if (t->wake >= 0)
    close(t->wake);
  pthread_cond_destroy(&t->told);
  pthread_mutex_destroy(&t->lock);
  ssh_options_free(t->o);
  free(t);
}

static struct tunnel *make(const struct tunnel_options *o) {
  struct tunnel *t = calloc(1, sizeof *t);
  pthread_condattr_t attr;
  if (!t)
    return NULL;
  t->process = (struct ssh_process){.pidfd = -1, .out = -1, .err = -1};
  t->probe.fd = -1;
  t->o = ssh_options_copy(o);
  t->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  pthread_mutex_init(&t->lock, NULL);
  pthread_condattr_init(&attr);
  pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
  pthread_cond_init(&t->told, &attr);
  pthread_condattr_destroy(&attr);
  if (t->o && t->wake >= 0)
    return t;
  release(t);
  return NULL;
}

/* The thread takes no signals: those of the process are for others. */
static bool begin_thread(struct tunnel *t) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  bool begun = pthread_create(&t->thread, NULL, run, t) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return begun;
}

struct tunnel *tunnel_open(const struct tunnel_options *o,
                           void (*changed)(void *, const struct tunnel_status *), void *arg,
                           char *why, size_t size) {
  if (!tunnel_options_check(o, why, size))
    return NULL;
  struct tunnel *t = make(o);
  if (!t) {
    snprintf(why, size, "there is no memory, or no descriptor is left, for the tunnel");
    return NULL;
  }
  t->changed = changed;
  t->arg = arg;
  if (!ssh_folder_make(&t->folder, why, size)) {
    release(t);
    return NULL;
  }
  name_files(t);
  if (begin_thread(t))
    return t;
  snprintf(why, size, "the thread of the tunnel cannot be started");
  ssh_folder_remove(&t->folder);
  release(t);
  return NULL;
}

void tunnel_close(struct tunnel *t) {
  pthread_mutex_lock(&t->lock);
  t->closing = true;
  pthread_cond_broadcast(&t->told);
  pthread_mutex_unlock(&t->lock);
  wake(t);
  pthread_join(t->thread, NULL);
  ssh_folder_remove(&t->folder);
  release(t);
}
