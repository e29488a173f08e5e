/* SPDX-License-Identifier: MIT */
#include "worker/jail/jail_helper.h"

#include "base/mem.h"
#include "base/path.h"
#include "worker/jail/guard.h"
#include "worker/secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  MAKE = WIRE_STEP,
  FINISH = 100,
  WATCH,
  SECRET,
  ANSWER
}; /* types of frames, between the two alone */

/* ---- the helper ---- */

struct helper {
  struct host *host;
  struct link link;
  struct guard guard;
  const char *cell;
  pid_t group;
  int worker, daemon; /* pidfds */
  uint64_t running;   /* the step that was inside the plugin, last time */
  uint64_t watched;   /* token of the step; 0: none */
};

static void answer(struct helper *w, const struct err *err) {
  struct buf *out = link_begin(&w->link);
  size_t start = wire_begin(out, ANSWER, 0);
  wire_put_u32(out, (uint32_t)err->code);
  wire_put_str(out, err->text);
  wire_end(out, start, NULL);
  link_end(&w->link, true);
}

/* The worker asks, and it runs foreign code: it gets links to the daemon's inputs, whose names are
 * hashes that nobody guesses, and to nothing else. */
static int check_inputs(const struct helper *w, const struct wire_step *step, struct err *err) {
  const char *root = w->host->work_root;
  size_t data = (size_t)(strrchr(root, '/') - root);
  for (size_t i = 0; i < step->input_count; i++) {
    const char *path = step->inputs[i].path;
    if (strncmp(path, root, data) != 0 || strncmp(path + data, "/blobs/", 7) != 0 ||
        strstr(path, "/../"))
      return err_set(err, ERR_DENIED, "the input %.200s is not one of the daemon's", path);
  }
  return 0;
}

static void make(struct helper *w, const struct wire_frame *f) {
  struct wire_step step;
  struct folder folder = {.fd = -1};
  struct err err = {0};
  if (wire_get_step(f, &step, &err) == 0) {
    if (check_inputs(w, &step, &err) == 0)
      folder_make(&folder, w->cell, w->host->stem, f->token, step.inputs, step.input_count, &err);
    w->guard.folder.input_bytes = folder.input_bytes;
    folder_close(&folder, false);
    free(step.inputs);
  }
  answer(w, &err);
}

/* Whatever number the worker asks for: the folder leaves its own cell, and gets a name that begins
 * as those of no other worker do. */
static void finish(struct helper *w, const struct wire_frame *f) {
  struct err err = {0};
  int64_t as = 0;
  if (wire_get_value(f, &as, &err) == 0)
    folder_finish(w->cell, w->host->work_root, w->host->stem, f->token, (uint64_t)as, &err);
  w->guard.folder.input_bytes = 0;
  answer(w, &err);
}

static void watch(struct helper *w, const struct wire_frame *f) {
  struct wire_reader r = wire_reader(f);
  struct wire_limits limits = {.memory = wire_get_i64(&r)};
  limits.output_bytes = wire_get_i64(&r);
  limits.cpu_ms = wire_get_i64(&r);
  guard_turn_to(&w->guard, &limits);
  w->watched = f->token;
}

/* One of those that the backend's options name, for no others are kept. */
static void tell_secret(struct helper *w, const struct wire_frame *f) {
  struct wire_reader r = wire_reader(f);
  char *value = secrets_read(wire_get_text(&r));
  struct buf *out = link_begin(&w->link);
  size_t start = wire_begin(out, ANSWER, 0);
  wire_put_u32(out, (uint32_t)(value ? 0 : ERR_NOT_FOUND));
  wire_put_str(out, value ? value : "");
  wire_end(out, start, NULL);
  link_end(&w->link, true);
  secrets_free(value);
}

static bool serve(struct helper *w) {
  struct wire_frame f;
  int rc;
  if (link_read(&w->link, false) < 0)
    return false;
  while ((rc = wire_input_next(&w->link.in, &f, NULL)) > 0)
    switch (f.type) {
    case MAKE:
      make(w, &f);
      break;
    case FINISH:
      finish(w, &f);
      break;
    case WATCH:
      watch(w, &f);
      break;
    case SECRET:
      tell_secret(w, &f);
      break;
    default:
      return false;
    }
  return rc == 0;
}

/* stdout is the worker's: into the log of the job. */
static void say_refused(void *arg, const char *call) {
  (void)arg;
  dprintf(STDOUT_FILENO, "the jail refused %s()\n", call);
}

static void see_to(struct helper *w, bool asked) {
  struct wire_board *board = w->host->board;
  uint64_t running = atomic_load(&board->running);
  if (running != w->running)
    w->guard.refused_count = 0; /* another job is told anew */
  w->running = running;
  if (asked)
    guard_answer(&w->guard, say_refused, NULL);
  if (w->watched && running != w->watched)
    w->watched = 0;
  if (w->watched && guard_due_ms(&w->guard) == 0) {
    w->guard.left_us = atomic_load(&board->left_us);
    guard_look(&w->guard);
  }
  if (w->guard.over == WIRE_OVER_NONE)
    return;
  atomic_store(&board->found, w->guard.found);
  atomic_store(&board->over, w->guard.over);
  pidfd_send_signal(w->worker, SIGKILL, NULL, 0); /* its group is the daemon's to kill */
  _exit(0);
}

static bool has_ended(int pidfd) {
  struct pollfd fd = {.fd = pidfd, .events = POLLIN};
  return poll(&fd, 1, 0) == 1;
}

/* The worker may be in create(), where it does not look at its socket. */
static void end_group(const struct helper *w) {
  if (!has_ended(w->worker))
    kill(-w->group, SIGKILL);
}

static _Noreturn void jail_helper_main(struct host *h, int socket, pid_t worker, pid_t daemon) {
  const char *cell = h->cell;
  struct helper w = {.host = h, .cell = cell, .group = worker, .guard.listener = -1};
  struct folder folder = {.fd = -1};
  setpgid(0, 0); /* to kill the worker's group and live to the end of the sentence */
  prctl(PR_SET_NAME, "lathe-jail");
  close(h->link->fd);
  link_init(&w.link, socket);
  snprintf(folder.path, sizeof folder.path, "%s", cell);
  if (!jail_take_listener(socket, &w.guard.listener))
    _exit(0);
  w.worker = pidfd_open(worker, 0);
  if (w.worker < 0 || getppid() != worker) /* it has ended, and the number may be another's */
    _exit(0);
  w.daemon = pidfd_open(daemon, 0);
  guard_begin(&w.guard, worker, &(struct wire_limits){0}, h->processes, &folder);
  for (;;) {
    struct pollfd fds[] = {{.fd = socket, .events = POLLIN},
                           {.fd = w.guard.listener, .events = POLLIN},
                           {.fd = w.daemon, .events = POLLIN}};
    poll(fds, 3, w.watched ? guard_due_ms(&w.guard) : -1);
    if (w.daemon < 0 || fds[2].revents)
      end_group(&w);
    if ((fds[0].revents && !serve(&w)) || w.daemon < 0 || fds[2].revents) { /* the worker is gone */
      path_remove_tree(cell, NULL);
      _exit(0);
    }
    see_to(&w, fds[1].revents);
  }
}

/* ---- the worker ---- */

/* Waits for what it answers; in turn. */
static struct wire_reader hear_frame(struct jail_helper *s, struct wire_frame *f) {
  int rc;
  while ((rc = wire_input_next(&s->link.in, f, NULL)) == 0)
    if (link_read(&s->link, true) < 0)
      _exit(EXIT_FAILURE); /* without it nothing works here any more */
  if (rc < 0 || f->type != ANSWER)
    _exit(EXIT_FAILURE);
  return wire_reader(f);
}

static char *ask_secret(void *arg, const char *name) {
  struct jail_helper *s = arg;
  struct wire_frame f;
  pthread_mutex_lock(&s->turn);
  struct buf *out = link_begin(&s->link);
  size_t start = wire_begin(out, SECRET, 0);
  wire_put_str(out, name);
  wire_end(out, start, NULL);
  link_end(&s->link, true);
  struct wire_reader r = hear_frame(s, &f);
  char *value = wire_get_u32(&r) == 0 ? mem_dup(wire_get_text(&r)) : NULL;
  pthread_mutex_unlock(&s->turn);
  return value;
}

static int lock_in(struct jail_helper *s, struct host *h, struct err *err) {
  prctl(PR_SET_PDEATHSIG, 0);
  int listener, ruleset = jail_prepare(&h->jail, &listener, err);
  if (err->code)
    return err->code;
  jail_send_listener(s->link.fd, listener);
  int folder = open(h->cell, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0)
    return err_sys(err, errno, "the work folder %s cannot be opened", h->cell);
  int rc = jail_enter(&h->jail, ruleset, folder, err);
  close(folder);
  return rc;
}

int jail_helper_begin(struct jail_helper *s, struct host *h, struct err *err) {
  int pair[2];
  pid_t self = getpid(), daemon = getppid();
  s->cell = h->cell;
  pthread_mutex_init(&s->turn, NULL);
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
    return err_sys(err, errno, "no socket can be made");
  fflush(NULL); /* or it would be printed again */
  pid_t pid = fork();
  if (pid == 0) {
    close(pair[0]);
    jail_helper_main(h, pair[1], self, daemon);
  }
  close(pair[1]);
  link_init(&s->link, pair[0]);
  if (pid < 0)
    return err_sys(err, errno, "no process can be started");
  secrets_ask(ask_secret, s);
  return lock_in(s, h, err);
}

static int hear(struct jail_helper *s, struct err *err) {
  struct wire_frame f;
  struct wire_reader r = hear_frame(s, &f);
  int code = (int)wire_get_u32(&r);
  return code ? err_set(err, code, "%s", wire_get_text(&r)) : 0;
}

int jail_helper_make(struct jail_helper *s, struct folder *f, const struct host *h, uint64_t token,
                     const struct wire_step *step, struct err *err) {
  int rc = 0;
  if (step->input_count == 0) { /* that much can be done from inside */
    rc = folder_make(f, s->cell, h->stem, token, NULL, 0, err);
  } else if ((rc = wire_put_step(link_begin(&s->link), token, step, err)) < 0) {
    link_end(&s->link, false);
  } else {
    pthread_mutex_lock(&s->turn);
    link_end(&s->link, true);
    rc = hear(s, err);
    pthread_mutex_unlock(&s->turn);
    if (rc == 0)
      rc = folder_take(f, s->cell, h->stem, token, err);
  }
  return rc;
}

int jail_helper_finish(struct jail_helper *s, uint64_t token, uint64_t as, struct err *err) {
  pthread_mutex_lock(&s->turn);
  wire_put_value(link_begin(&s->link), FINISH, token, (int64_t)as);
  link_end(&s->link, true);
  int rc = hear(s, err);
  pthread_mutex_unlock(&s->turn);
  return rc;
}

void jail_helper_watch(struct jail_helper *s, uint64_t token, const struct wire_limits *limits) {
  struct buf *out = link_begin(&s->link);
  size_t start = wire_begin(out, WATCH, token);
  wire_put_i64(out, limits->memory);
  wire_put_i64(out, limits->output_bytes);
  wire_put_i64(out, limits->cpu_ms);
  wire_end(out, start, NULL);
  link_end(&s->link, true);
}
