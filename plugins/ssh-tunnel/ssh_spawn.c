/* SPDX-License-Identifier: MIT
 *
 * ssh as a process, below a keeper that does nothing but wait:
 *
 *   tunnel's thread <--parent-- keeper (a session of its own) <--parent-- ssh <-- ssh to the jump host
 *
 * The keeper is told of the thread's death (that is: of the process's, by whatever hand, as the
 * thread lives as long) and of ssh's, and ends all that is left then.  What it does from fork to its
 * end takes no lock, for this process has threads.
 */
#include "ssh_private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OUT, ERR, REPORT, PIPES };

struct start {
  pid_t parent;
  char **argv, **environment;
  int (*pipes)[2];
};

/* ---- the keeper ---- */

static void run_ssh(const struct start *s) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  setpgid(0, 0);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  signal(SIGPIPE, SIG_DFL);
  int null = open("/dev/null", O_RDONLY);
  dup2(null, STDIN_FILENO);
  dup2(s->pipes[OUT][1], STDOUT_FILENO);
  dup2(s->pipes[ERR][1], STDERR_FILENO);
  execvpe(s->argv[0], s->argv, s->environment);
  int why = errno;
  _exit(write(s->pipes[REPORT][1], &why, sizeof why) < 0 ? 126 : 127);
}

/* "" where the kernel has no such lists. */
static void read_children(char *out, size_t size) {
  int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
  ssize_t n = fd >= 0 ? read(fd, out, size - 1) : -1;
  if (fd >= 0)
    close(fd);
  out[n > 0 ? n : 0] = '\0';
  char *last = strrchr(out, ' '); /* a number may be cut */
  if (last)
    *last = '\0';
}

/* Those that lost their parent have become ours, until there is none. */
static void end_all(pid_t ssh) {
  char list[2048];
  for (;;) {
    char *at = list, *end;
    kill(-ssh, SIGKILL);
    read_children(list, sizeof list);
    for (long pid; (pid = strtol(at, &end, 10)) > 0; at = end)
      kill((pid_t)pid, SIGKILL);
    if (waitpid(-1, NULL, 0) < 0 && errno == ECHILD)
      return;
  }
}

/* What ssh left is reaped by the way. */
static bool has_ended(pid_t ssh) {
  bool ended = false;
  for (pid_t pid; (pid = waitpid(-1, NULL, WNOHANG)) > 0;)
    ended |= pid == ssh;
  return ended;
}

static _Noreturn void keep(const struct start *s) {
  sigset_t signals, all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, NULL);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != s->parent)
    _exit(1);
  prctl(PR_SET_NAME, "ssh-keeper");
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  setsid();
  pid_t ssh = fork();
  if (ssh == 0)
    run_ssh(s);
  if (ssh < 0) {
    int why = -errno;
    _exit(write(s->pipes[REPORT][1], &why, sizeof why) < 0 ? 126 : 127);
  }
  setpgid(ssh, ssh);
  close_range(0, ~0U, 0);
  sigemptyset(&signals);
  sigaddset(&signals, SIGCHLD);
  sigaddset(&signals, SIGTERM);
  while (sigwaitinfo(&signals, NULL) != SIGTERM && !has_ended(ssh))
    ;
  end_all(ssh);
  _exit(0);
}

/* ---- the tunnel's side ---- */

/* A shell of the system for LocalCommand and ProxyCommand (the service's user may have none), texts
 * in English, for they are read, and nothing of an agent or a dialogue. */
static char **make_environment(void) {
  static const char *const wanted[] = {"PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH"};
  size_t count = sizeof wanted / sizeof *wanted, n = 0;
  static char shell[] = "SHELL=/bin/sh", language[] = "LC_ALL=C";
  char **list = calloc(count + 3, sizeof *list);
  if (!list)
    return NULL;
  list[n++] = shell;
  list[n++] = language;
  for (size_t i = 0; i < count; i++) {
    const char *value = getenv(wanted[i]);
    size_t size = value ? strlen(wanted[i]) + strlen(value) + 2 : 0;
    if (!value || !(list[n] = malloc(size)))
      continue;
    stpcpy(stpcpy(stpcpy(list[n++], wanted[i]), "="), value);
  }
  return list;
}

static void free_environment(char **list) {
  for (size_t i = 2; list && list[i]; i++)
    free(list[i]);
  free(list);
}

static void close_one(int *fd) {
  if (*fd >= 0)
    close(*fd);
  *fd = -1;
}

static bool open_pipes(int pipes[PIPES][2]) {
  for (int i = 0; i < PIPES; i++)
    pipes[i][0] = pipes[i][1] = -1;
  for (int i = 0; i < PIPES; i++)
    if (pipe2(pipes[i], O_CLOEXEC) < 0)
      return false;
  return true;
}

/* Until ssh runs (0), or has failed to. */
static int hear_start(int report, bool *exec_failed) {
  int why = 0;
  ssize_t n;
  while ((n = read(report, &why, sizeof why)) < 0 && errno == EINTR)
    ;
  if (n != (ssize_t)sizeof why)
    return 0;
  *exec_failed = why > 0;
  return why < 0 ? -why : why;
}

int ssh_spawn(struct ssh_process *p, const char *program, const char *config, bool *exec_failed) {
  int pipes[PIPES][2], why = 0;
  char *argv[] = {(char *)(uintptr_t)program, "-N",        "-F",
                  (char *)(uintptr_t)config,  "lathe-far", NULL};
  struct start s = {.parent = getpid(), .argv = argv, .pipes = pipes};
  *p = (struct ssh_process){.pidfd = -1, .out = -1, .err = -1};
  *exec_failed = false;
  s.environment = make_environment();
  if (!s.environment || !open_pipes(pipes) || (p->keeper = fork()) < 0) {
    why = errno;
    p->keeper = 0;
  } else if (p->keeper == 0) {
    keep(&s);
  } else {
    close_one(&pipes[REPORT][1]);
    why = hear_start(pipes[REPORT][0], exec_failed);
    p->pidfd = pidfd_open(p->keeper, 0);
    if (!why && p->pidfd < 0)
      why = errno;
    p->out = pipes[OUT][0];
    p->err = pipes[ERR][0];
    pipes[OUT][0] = pipes[ERR][0] = -1;
    fcntl(p->out, F_SETFL, O_NONBLOCK);
    fcntl(p->err, F_SETFL, O_NONBLOCK);
  }
  if (s.environment)
    for (int i = 0; i < PIPES; i++) {
      close_one(&pipes[i][0]);
      close_one(&pipes[i][1]);
    }
  free_environment(s.environment);
  if (why)
    ssh_end(p);
  return why;
}

void ssh_end(struct ssh_process *p) {
  if (p->keeper > 0) {
    kill(p->keeper, SIGTERM);
    while (waitpid(p->keeper, NULL, 0) < 0 && errno == EINTR)
      ;
  }
  p->keeper = 0;
  close_one(&p->pidfd);
  close_one(&p->out);
  close_one(&p->err);
}
