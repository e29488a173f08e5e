/* SPDX-License-Identifier: MIT
 *
 * The command as a process, below a keeper that ends with the worker and sees to what is left.
 */
#include "exec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_MS 1000 /* for a command that closed its stdout to end */

enum { IN, OUT, ERR, REPORT, PIPES };

int64_t exec_now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

struct start { /* what the command's process needs to know */
  const struct exec *x;
  int (*pipes)[2];
};

/* In the child, from fork to exec: nothing that takes a lock. */
static void become(void *arg) {
  const struct exec *x = ((struct start *)arg)->x;
  int(*pipes)[2] = ((struct start *)arg)->pipes;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  signal(SIGPIPE, SIG_DFL);
  dup2(pipes[IN][0], STDIN_FILENO);
  dup2(pipes[OUT][1], STDOUT_FILENO);
  dup2(pipes[ERR][1], STDERR_FILENO);
  int why[2] = {KEEPER_EXEC, 0}; /* which step failed, and errno */
  if (*x->directory && chdir(x->directory) < 0) {
    why[0] = KEEPER_CHDIR;
  } else {
    setenv("LATHE_EXEC", "1", 1);
    if (x->python_path)
      setenv("PYTHONPATH", x->python_path, 1);
    for (char **e = x->environment; *e; e++)
      putenv(*e);
    execvp(x->argv[0], x->argv);
  }
  why[1] = errno;
  if (write(pipes[REPORT][1], why, sizeof why) < 0)
    _exit(126);
  _exit(127);
}

static bool open_pipes(int pipes[PIPES][2]) {
  for (int i = 0; i < PIPES; i++)
    pipes[i][0] = pipes[i][1] = -1;
  for (int i = 0; i < PIPES; i++)
    if (pipe2(pipes[i], O_CLOEXEC) < 0)
      return false;
  return true;
}

static void close_one(int *fd) {
  if (*fd >= 0)
    close(*fd);
  *fd = -1;
}

static void close_pipes(int pipes[PIPES][2]) {
  for (int i = 0; i < PIPES; i++) {
    close_one(&pipes[i][0]);
    close_one(&pipes[i][1]);
  }
}

/* Our ends of the pipes are ours from now on. */
static void keep(struct exec *x, int pipes[PIPES][2]) {
  int *const ours[] = {&pipes[IN][1], &pipes[OUT][0], &pipes[ERR][0]};
  int *const fields[] = {&x->in, &x->out, &x->err};
  for (size_t i = 0; i < 3; i++) {
    *fields[i] = *ours[i];
    *ours[i] = -1;
    fcntl(*fields[i], F_SETFL, O_NONBLOCK);
  }
  x->sending.len = x->reading.len = x->taken = 0;
  x->ended = x->dead = x->pings = false;
  for (int i = 0; i < (int)RLIM_NLIMITS; i++)
    getrlimit((__rlimit_resource_t)i, &x->limits[i]);
}

/* Until the command runs, or has failed to.  False: it has, and `why` says at what. */
static bool hear_start(struct exec *x, int report, int why[2]) {
  int said[2];
  bool failed = false, known = false;
  while (read(report, said, sizeof said) == (ssize_t)sizeof said) {
    if (said[0] == KEEPER_PID) {
      x->command = said[1];
      known = true;
      continue;
    }
    memcpy(why, said, sizeof said);
    failed = true;
  }
  if (!failed && !known) {
    why[0] = KEEPER_FAILED;
    why[1] = ECHILD;
  }
  return known && !failed;
}

int32_t process_start(struct exec *x) {
  int pipes[PIPES][2], why[2] = {KEEPER_FAILED, 0};
  struct start start = {.x = x, .pipes = pipes};
  struct keeper keeper = {.parent = getpid(), .jailed = x->jailed, .become = become, .arg = &start};
  if (!open_pipes(pipes) || (x->pid = fork()) < 0) {
    snprintf(x->fault, sizeof x->fault, "the command \"%s\" cannot be started: %s", x->label,
             strerror(errno));
    x->pid = 0;
    close_pipes(pipes);
    return LATHE_RETRY;
  }
  if (x->pid == 0) {
    keeper.report = pipes[REPORT][1];
    keeper_main(&keeper);
  }
  close_one(&pipes[REPORT][1]);
  bool started = hear_start(x, pipes[REPORT][0], why);
  x->pidfd = pidfd_open(x->pid, 0);
  keep(x, pipes);
  close_pipes(pipes);
  if (started && x->pidfd >= 0)
    return LATHE_OK;
  if (started)
    why[1] = errno;
  if (why[0] == KEEPER_FAILED || started)
    snprintf(x->fault, sizeof x->fault, "the command \"%s\" cannot be started: %s", x->label,
             strerror(why[1]));
  else if (why[0] == KEEPER_CHDIR)
    snprintf(x->fault, sizeof x->fault, "the folder %s cannot be entered: %s (directory)",
             x->directory, strerror(why[1]));
  else
    snprintf(x->fault, sizeof x->fault,
             "the command \"%s\" cannot be started: %s: %s; write an absolute path, or a program "
             "that is "
             "found in the PATH of lathed",
             x->label, x->argv[0], strerror(why[1]));
  process_kill(x);
  return why[0] == KEEPER_FAILED || started ? LATHE_RETRY : LATHE_PERMANENT;
}

void process_kill(struct exec *x) {
  if (x->pid > 0) {
    kill(x->pid, SIGTERM); /* the keeper, which kills the command and all that is left of it */
    while (waitpid(x->pid, NULL, 0) < 0 && errno == EINTR)
      ;
  }
  pthread_mutex_lock(&x->lock); /* the watch thread reads there */
  x->pid = 0;
  x->dead = true;
  close_one(&x->in);
  close_one(&x->out);
  close_one(&x->err);
  close_one(&x->pidfd);
  pthread_mutex_unlock(&x->lock);
}

void process_limit(struct exec *x) {
  for (int i = 0; i < (int)RLIM_NLIMITS; i++) {
    struct rlimit now;
    if (getrlimit((__rlimit_resource_t)i, &now) == 0 &&
        (now.rlim_cur != x->limits[i].rlim_cur || now.rlim_max != x->limits[i].rlim_max) &&
        prlimit(x->command, (__rlimit_resource_t)i, &now, NULL) == 0)
      x->limits[i] = now;
  }
}

/* ---- how it ended ---- */

static bool ran_out_of_memory(const char *last) {
  static const char *const words[] = {"bad_alloc", "ut of memory", "Cannot allocate memory",
                                      "MemoryError", "not enough memory"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (strstr(last, words[i]))
      return true;
  return false;
}

static double mib(rlim_t bytes) {
  return (double)bytes / (1 << 20);
}

/* The sentence about a status of wait, and the class. */
static int32_t judge_command(const struct exec *x, int status, const char *last, char *text,
                             size_t size) {
  rlim_t file = x->limits[RLIMIT_FSIZE].rlim_cur;
  int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  if (signal == SIGXFSZ && file != RLIM_INFINITY) {
    snprintf(
        text, size,
        "wrote a file of more than %.0f MiB; use coarser parameters, or raise job_output of the "
        "backend",
        mib(file));
    return LATHE_PERMANENT;
  }
  if (signal != SIGKILL && ran_out_of_memory(last)) {
    snprintf(text, size, "ran out of memory; use a simpler input or coarser parameters");
    return LATHE_RETRY_MEM;
  }
  if (signal == SIGKILL)
    snprintf(
        text, size,
        "was killed by the system or by a person (SIGKILL); if the machine ran out of memory, the "
        "kernel's log says so");
  else if (signal)
    snprintf(text, size, "died by signal %d (%s)", signal, strsignal(signal));
  else
    snprintf(text, size, "ended with exit code %d", WEXITSTATUS(status));
  return LATHE_RETRY_CRASH;
}

/* True: it ended by itself, with *status. */
static bool wait_for_end(struct exec *x, int *status) {
  struct pollfd end = {.fd = x->pidfd, .events = POLLIN};
  if (poll(&end, 1, EXIT_MS) <= 0 || waitpid(x->pid, status, WNOHANG) != x->pid)
    return false;
  x->pid = 0;
  return true;
}

int32_t process_fault(struct exec *x, const char *what) {
  char how[400], last[250], said[300] = "";
  int32_t code = LATHE_PERMANENT;
  int status = 0;
  bool ended = !what && wait_for_end(x, &status);
  watch_last_lines(x, last, sizeof last);
  if (ended)
    code = judge_command(x, status, last, how, sizeof how);
  else
    snprintf(how, sizeof how, "%s", what ? what : "closed its standard output and did not end");
  if (*last)
    snprintf(said, sizeof said, "; its last lines: %s", last);
  snprintf(x->fault, sizeof x->fault, "the command \"%s\" %s%s", x->label, how, said);
  process_kill(x);
  return code;
}
