/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cad/common_volume.h"

#include "task/task.h"

#include <errno.h>
#include <gmshc.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void common_beside(int a, int b, int fd, pid_t parent) {
  int one[2] = {3, a}, other[2] = {3, b}, *made = NULL, **of = NULL, e = 0;
  size_t n = 0, *of_n = NULL, lists = 0;
  double sum = 0;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() == parent)
    gmshModelOccIntersect(one, 2, other, 2, &made, &n, &of, &of_n, &lists, -1, 0, 0, &e);
  for (size_t i = 0; e == 0 && i + 1 < n; i += 2) {
    double mass = 0;
    if (made[i] == 3)
      gmshModelOccGetMass(3, made[i + 1], &mass, &e);
    sum += fabs(mass);
  }
  if (e == 0 && write(fd, &sum, sizeof sum) == (ssize_t)sizeof sum)
    _exit(0);
  _exit(1);
}

double common_volume(int a, int b, double seconds) {
  double volume = 0;
  int fds[2];
  pid_t self = getpid();
  if (!(seconds > 0) || pipe(fds) < 0)
    return 0;
  pid_t pid = fork();
  if (pid == 0)
    common_beside(a, b, fds[1], self);
  close(fds[1]);
  struct pollfd p = {.fd = fds[0], .events = POLLIN};
  double end = task_now() + seconds;
  int got = 0;
  do
    got = pid > 0 ? poll(&p, 1, (int)(1000 * fmax(0, end - task_now()))) : 0;
  while (got < 0 && errno == EINTR);
  if (got <= 0 || read(fds[0], &volume, sizeof volume) != (ssize_t)sizeof volume ||
      !isfinite(volume))
    volume = 0;
  close(fds[0]);
  if (pid > 0) {
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
      ;
  }
  return volume;
}
