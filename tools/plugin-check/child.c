/* SPDX-License-Identifier: MIT */
#include "child.h"

#include "check.h"
#include "wire/death.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The exit code of a child that came to its end: a plugin that calls exit(0) has not. */
enum { FINISHED = 91 };

struct child child_start(void (*fn)(void *), void *arg, int output_fd) {
  pid_t self = getpid();
  fflush(NULL); /* or the child would print it again */
  struct child c = {.pid = fork(), .pidfd = -1};
  if (c.pid < 0) {
    perror("lathe-plugin-check: no process could be started");
    exit(2);
  }
  if (c.pid == 0) {
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != self)
      _exit(1);
    if (output_fd >= 0) {
      dup2(output_fd, STDOUT_FILENO);
      dup2(output_fd, STDERR_FILENO);
      setvbuf(stdout, NULL, _IOLBF, 0);
    }
    fn(arg);
    fflush(NULL);
    _exit(FINISHED); /* no exit handlers: foreign libraries' have hung before */
  }
  setpgid(c.pid, c.pid); /* whoever comes first */
  c.pidfd = (int)syscall(SYS_pidfd_open, c.pid, 0);
  return c;
}

struct ending child_wait(struct child *c, int64_t until) {
  struct pollfd p = {.fd = c->pidfd, .events = POLLIN};
  struct ending e = {0};
  int status = 0;
  for (;;) {
    int64_t left = until - now_ms();
    int n = poll(&p, 1, left > 0 ? (int)left : 0);
    if (n > 0)
      break;
    if (n == 0 && now_ms() >= until) {
      e.late = true;
      break;
    }
  }
  kill(-c->pid, SIGKILL); /* the late one, and what a dead one left running */
  while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
    ;
  close(c->pidfd);
  if (WIFSIGNALED(status))
    e.signal = WTERMSIG(status);
  else
    e.exit_code = WEXITSTATUS(status);
  e.finished = !e.signal && e.exit_code == FINISHED;
  return e;
}

struct ending child_run(void (*fn)(void *), void *arg, int64_t limit_ms) {
  struct child c = child_start(fn, arg, -1);
  return child_wait(&c, now_ms() + limit_ms);
}

bool ending_is_clean(const struct ending *e) {
  return e->finished && !e->late;
}

const char *ending_text(const struct ending *e) {
  static char text[200];
  if (e->late)
    snprintf(text, sizeof text, "did not end in time");
  else if (e->signal)
    snprintf(text, sizeof text, "died by %s", wire_signal_word(e->signal));
  else
    snprintf(text, sizeof text, "ended its process with exit code %d", e->exit_code);
  return text;
}
