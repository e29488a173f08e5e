/* SPDX-License-Identifier: MIT */
#include "worker/fork/health_child.h"

#include "base/clock.h"
#include "worker/backend.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ANSWER_MS = 10000 }; /* as lathe/plugin.h says */

struct answer { /* through the pipe, which holds it whole */
  int32_t code;
  int64_t retry_after_ms;
  char message[1000];
};

void health_child_init(struct health_child *c) {
  *c = (struct health_child){.pidfd = -1, .fd = -1};
}

static _Noreturn void answer(struct host *h, int fd, pid_t zygote) {
  struct answer a = {0};
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != zygote)
    _exit(0);
  h->message[0] = '\0';
  h->retry_after_ms = 0;
  a.code = h->plugin.d.health(h->self);
  a.retry_after_ms = h->retry_after_ms;
  memcpy(a.message, h->message, sizeof a.message);
  _exit(write(fd, &a, sizeof a) == sizeof a ? 0 : 1);
}

void health_child_ask(struct health_child *c, struct host *h, void (*forget)(void *arg),
                      void *arg) {
  int fds[2];
  if (c->pid || pipe2(fds, O_CLOEXEC) < 0)
    return;
  fflush(NULL);
  pid_t self = getpid(), pid = fork();
  if (pid == 0) {
    close(fds[0]);
    forget(arg);
    setpgid(0, 0);
    answer(h, fds[1], self);
  }
  close(fds[1]);
  if (pid < 0) {
    close(fds[0]);
    return;
  }
  setpgid(pid, pid); /* whoever comes first */
  fcntl(fds[0], F_SETFL, O_NONBLOCK);
  *c = (struct health_child){.pid = pid,
                             .pidfd = pidfd_open(pid, 0),
                             .fd = fds[0],
                             .until_ms = clock_mono_ms() + ANSWER_MS};
  if (c->pidfd >= 0)
    fcntl(c->pidfd, F_SETFD, FD_CLOEXEC);
  else
    health_child_heard(c, h); /* no descriptor is left: this one is waited for */
}

void health_child_heard(struct health_child *c, struct host *h) {
  struct answer a;
  int status = 0;
  kill(-c->pid, SIGKILL); /* what it left running */
  while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
    ;
  if (read(c->fd, &a, sizeof a) != sizeof a) {
    a = (struct answer){.code = LATHE_RETRY};
    snprintf(a.message, sizeof a.message, "health() %s",
             c->until_ms <= clock_mono_ms() ? "took longer than ten seconds"
             : WIFSIGNALED(status)          ? "crashed"
                                            : "ended its process");
  }
  close(c->fd);
  if (c->pidfd >= 0)
    close(c->pidfd);
  health_child_init(c);
  a.message[sizeof a.message - 1] = '\0';
  memcpy(h->message, a.message, sizeof h->message);
  h->retry_after_ms = a.retry_after_ms;
  backend_tell_health(h, a.code);
}

int health_child_due_ms(const struct health_child *c) {
  int64_t left = c->until_ms - clock_mono_ms();
  return !c->pid ? -1 : left < 0 ? 0 : (int)left;
}

void health_child_late(struct health_child *c) {
  if (c->pid && clock_mono_ms() >= c->until_ms)
    kill(-c->pid, SIGKILL);
}
