/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The volume of the CAD's solids by the CAD kernel, which a mesh is held against.  On parts with
 * many free-form faces it takes as long as the import, and nobody asks for it before the mesh is
 * there: so it is reckoned by a process beside this one.
 *
 *   mass_begin --fork--> [kernel_volume -> a shared page] --ends--> the pipe is closed: mass_of
 * sees
 */
#include "task.h"

#include <errno.h>
#include <fcntl.h>
#include <gmshc.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define WORTH_A_PROCESS 0.02 /* seconds of import: a process costs 2 ms */

/* 0 where it knows none. */
static double kernel_volume(void) {
  int *tags = NULL, e = 0;
  size_t n = 0;
  double sum = 0;
  gmshModelOccGetEntities(&tags, &n, 3, &e);
  for (size_t i = 0; e == 0 && i < n; i += 2) {
    double mass = 0;
    gmshModelOccGetMass(3, tags[i + 1], &mass, &e);
    sum += fabs(mass);
  }
  gmshFree(tags);
  return e == 0 && isfinite(sum) ? sum : 0;
}

static _Noreturn void reckon(double *page, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() == parent)
    *page = kernel_volume();
  _exit(0);
}

/* False: it could not be started. */
static bool begin_beside(struct task *t) {
  int fds[2];
  pid_t self = getpid();
  double *page = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                      0);
  if (page == MAP_FAILED || pipe2(fds, O_CLOEXEC) < 0)
    return false;
  *page = NAN;
  pid_t pid = fork();
  if (pid == 0)
    reckon(page, self);
  close(fds[1]);
  if (pid < 0) {
    close(fds[0]);
    return false;
  }
  t->mass.page = page;
  t->mass.pipe = fds[0];
  return true;
}

void mass_begin(struct task *t) {
  t->mass.page = NULL;
  if (!t->solid || t->format == FORMAT_STL)
    return;
  if (t->import_seconds < WORTH_A_PROCESS || !begin_beside(t))
    t->geometry.volume = kernel_volume();
}

double mass_of(const struct task *t) {
  struct pollfd p = {.fd = t->mass.pipe};
  if (!t->mass.page)
    return t->geometry.volume;
  while (poll(&p, 1, -1) < 0 && errno == EINTR)
    ;
  return isnan(*t->mass.page) ? kernel_volume() : *t->mass.page; /* it was killed, or it died */
}
