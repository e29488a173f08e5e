/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The volume of the CAD's solids by the CAD kernel (of an STL by its facets), which a mesh is held
 * against.  On parts with many free-form faces it takes as long as the import, and nobody asks for
 * it before the mesh is there: so it is reckoned by a process beside this one.
 *
 *   mass_begin --fork--> [reckon -> a shared page] --ends--> the pipe is closed: mass_of sees it
 */
#include "cad/mass.h"

#include "base/out.h"
#include "facets/facets.h"
#include "task/task.h"

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

/* page[0]: of all, 0 where the kernel knows none; then of each solid. */
static void reckon(const struct task *t) {
  double *page = t->mass.page, sum = 0;
  int e = 0;
  for (size_t i = 0; i < t->mass.count; i++) {
    double mass = 0;
    gmshModelOccGetMass(3, t->mass.tags[i], &mass, &e);
    page[1 + i] = e == 0 && isfinite(mass) ? fabs(mass) : 0;
    sum += fabs(mass);
  }
  page[0] = e == 0 && isfinite(sum) ? sum : 0;
}

static _Noreturn void reckon_beside(const struct task *t, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() == parent)
    reckon(t);
  _exit(0);
}

/* False: it could not be started. */
static bool begin_beside(struct task *t) {
  int fds[2];
  pid_t self = getpid();
  if (pipe2(fds, O_CLOEXEC) < 0)
    return false;
  pid_t pid = fork();
  if (pid == 0)
    reckon_beside(t, self);
  close(fds[1]);
  if (pid < 0) {
    close(fds[0]);
    return false;
  }
  t->mass.pipe = fds[0];
  return true;
}

static bool mass_take_tags(struct task *t) {
  int *entities = NULL, e = 0;
  size_t n = 0;
  gmshModelGetEntities(&entities, &n, 3, &e); /* the kernel may keep more, as in fluid.c */
  t->mass.count = e == 0 ? n / 2 : 0;
  t->mass.tags = out_alloc(t->mass.count, sizeof *t->mass.tags);
  for (size_t i = 0; i < t->mass.count; i++)
    t->mass.tags[i] = entities[2 * i + 1];
  gmshFree(entities);
  return t->mass.count > 0;
}

void mass_begin(struct task *t) {
  t->mass.page = NULL;
  t->mass.pipe = -1;
  if (!task_fills(t) || t->format == FORMAT_STL || !mass_take_tags(t))
    return;
  double *page = mmap(NULL, (1 + t->mass.count) * sizeof *page, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED)
    return;
  *page = NAN;
  t->mass.page = page;
  if (t->import_seconds < WORTH_A_PROCESS || !begin_beside(t))
    reckon(t);
}

double mass_of(const struct task *t) {
  struct pollfd p = {.fd = t->mass.pipe};
  if (!t->mass.page)
    return t->geometry.volume;
  while (t->mass.pipe >= 0 && poll(&p, 1, -1) < 0 && errno == EINTR)
    ;
  if (isnan(*t->mass.page)) /* the process was killed, or it died */
    reckon(t);
  return *t->mass.page;
}

double mass_of_solid(const struct task *t, int tag) {
  double all = mass_of(t);
  if (t->facets)
    return tag >= 1 && (size_t)tag <= t->facets->body_count ? t->facets->body_volumes[tag - 1] : 0;
  for (size_t i = 0; t->mass.page && i < t->mass.count; i++)
    if (t->mass.tags[i] == tag)
      return t->mass.page[1 + i];
  return t->geometry.volumes <= 1 ? all : 0;
}
