/* SPDX-License-Identifier: MIT
 *
 * Between the worker and the command stands a keeper, a small process that does nothing but wait:
 *
 *   worker <--parent-- keeper (a session of its own) <--parent-- command <-- what it starts
 *
 * Whatever the command starts and wherever that puts itself (setsid, a second fork), it becomes the
 * keeper's child when its parent has gone.  So when the command has ended, or the worker has, by
 * whatever hand, the keeper ends all that is left, and ends as the command did.
 */
#include "exec.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Forked from a process with threads: nothing here may take a lock, so files are read by hand. */
static ssize_t read_children(char *out, size_t size) {
  int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
  ssize_t n = fd >= 0 ? read(fd, out, size - 1) : -1;
  if (fd >= 0)
    close(fd);
  out[n > 0 ? n : 0] = '\0';
  char *last = strrchr(out, ' '); /* a number may be cut */
  if (last)
    *last = '\0';
  return n;
}

/* Those of the killed become ours, until there is none.  A kernel without lists of children leaves
 * the command alone to be killed. */
static void end_all(pid_t command, int *status) {
  char list[4096];
  for (;;) {
    char *at = list, *end;
    if (read_children(list, sizeof list) < 0)
      kill(command, SIGKILL);
    for (long pid; (pid = strtol(at, &end, 10)) > 0; at = end)
      kill((pid_t)pid, SIGKILL);
    int how;
    pid_t pid = waitpid(-1, &how, 0);
    if (pid < 0 && errno == ECHILD)
      return;
    if (pid == command)
      *status = how;
  }
}

static _Noreturn void end_like(int status) {
  if (WIFSIGNALED(status)) {
    sigset_t none;
    sigemptyset(&none);
    signal(WTERMSIG(status), SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    kill(getpid(), WTERMSIG(status));
  }
  _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 127);
}

static _Noreturn void keep(pid_t command) {
  int status = 0, how;
  bool over = false;
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGCHLD);
  sigaddset(&signals, SIGTERM);
  while (!over) {
    over = sigwaitinfo(&signals, NULL) == SIGTERM;
    for (pid_t pid; (pid = waitpid(-1, &how, WNOHANG)) > 0;)
      if (pid == command) {
        status = how;
        over = true;
      }
  }
  end_all(command, &status);
  end_like(status);
}

static void stand_apart(void) {
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  setsid(); /* what kills the worker's group is not to kill the one who cleans up after it */
}

void keeper_main(const struct keeper *k) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, NULL);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != k->parent)
    _exit(1);
  prctl(PR_SET_NAME, "exec-keeper");
  if (!k->jailed)
    stand_apart();
  pid_t command = fork();
  if (command == 0)
    k->become(k->arg);
  int said[2] = {command < 0 ? KEEPER_FAILED : KEEPER_PID, command < 0 ? errno : (int)command};
  if (write(k->report, said, sizeof said) < 0 || command < 0)
    _exit(1);
  close_range(0, ~0U, 0); /* the ends of the command's pipes, and all that the worker has open */
  keep(command);
}
