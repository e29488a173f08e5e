/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * OpenCASCADE crashes on some damaged files while it reads them.  The first attempt of a job takes
 * that risk, as reading twice would cost every sound file; a later one reads in a process to spare
 * first, so that the user hears what is wrong instead of "crashed".
 */
#include "import/trial.h"

#include "import/import.h"
#include "task/task.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

int32_t trial_import(struct task *t) {
  pid_t self = getpid(), pid;
  int status = 0;
  if (t->request->attempt <= 1)
    return LATHE_OK;
  fflush(NULL);
  if ((pid = fork()) == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == self)
      import_model(t);
    _exit(0);
  }
  while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
    ;
  if (pid < 0 || !WIFSIGNALED(status) || WTERMSIG(status) == SIGKILL)
    return LATHE_OK; /* SIGKILL: of a limit, which the host explains */
  return task_fail(
      t, LATHE_BAD_INPUT,
      "%s is damaged: the CAD kernel crashes while it reads it (%s), each time. Export "
      "the part again, or in another format",
      t->name, strsignal(WTERMSIG(status)));
}
