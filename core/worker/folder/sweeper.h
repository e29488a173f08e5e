/* SPDX-License-Identifier: MIT
 *
 * Folders that a job left go in a process of their own: there may be millions of files in one, and
 * the zygote has others to serve.
 *
 *   sweeper_remove --empty--> gone
 *                  --else---> waits --its turn--> removed by a child --> sweeper_heard: the next
 */
#ifndef WORKER_SWEEPER_H
#define WORKER_SWEEPER_H

#include "base/list.h"

#include <sys/types.h>

struct sweeper {
  struct list waiting;
  pid_t pid; /* of the child; 0: none */
  int pidfd; /* to be polled; -1: none */
};

void sweeper_init(struct sweeper *s);
void sweeper_remove(struct sweeper *s, const char *path);
/* Its pidfd can be read: the child has ended. */
void sweeper_heard(struct sweeper *s);

#endif
