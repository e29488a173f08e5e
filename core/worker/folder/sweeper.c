/* SPDX-License-Identifier: MIT */
#include "worker/folder/sweeper.h"

#include "base/mem.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct left {
  struct list ring;
  char path[];
};

void sweeper_init(struct sweeper *s) {
  *s = (struct sweeper){.pidfd = -1};
  list_init(&s->waiting);
}

/* In the child.  It holds nothing open: by the ends of sockets others see who is gone. */
static _Noreturn void sweep(const char *path, pid_t zygote) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != zygote)
    _exit(0);
  prctl(PR_SET_NAME, "lathe-sweeper");
  close_range(3, ~0U, 0);
  path_remove_tree(path, NULL);
  _exit(0);
}

/* Where no process can be begun the rest waits for the daemon, which removes all folders of a
 * worker that has ended. */
static void sweeper_begin(struct sweeper *s) {
  struct list *it = s->pid ? NULL : list_pop_front(&s->waiting);
  if (!it)
    return;
  struct left *left = container_of(it, struct left, ring);
  pid_t self = getpid(), pid = fork();
  if (pid == 0)
    sweep(left->path, self);
  free(left);
  if (pid < 0)
    return;
  s->pid = pid;
  s->pidfd = pidfd_open(pid, 0);
  if (s->pidfd >= 0)
    fcntl(s->pidfd, F_SETFD, FD_CLOEXEC);
  else
    sweeper_heard(s); /* no descriptor is left: this one is waited for */
}

void sweeper_remove(struct sweeper *s, const char *path) {
  size_t size = strlen(path) + 1;
  if (rmdir(path) == 0 || (errno != ENOTEMPTY && errno != EEXIST))
    return;
  struct left *left = mem_alloc(sizeof *left + size);
  memcpy(left->path, path, size);
  list_push_back(&s->waiting, &left->ring);
  sweeper_begin(s);
}

void sweeper_heard(struct sweeper *s) {
  while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
    ;
  if (s->pidfd >= 0)
    close(s->pidfd);
  s->pidfd = -1;
  s->pid = 0;
  sweeper_begin(s);
}
