/* SPDX-License-Identifier: MIT
 *
 * Files of /proc, and the children of a thread as the kernel has them there.
 */
#ifndef BASE_PROC_H
#define BASE_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

/* The text of a file, as far as it fits; "" and false when there is none, or it is gone. */
bool proc_read(const char *path, char *out, size_t size);

struct proc_children {
  pid_t *pids; /* mem; the caller frees */
  size_t count;
};
/* All of them, those that have ended and were not waited for, too.  False: the kernel does not tell
 * (CONFIG_PROC_CHILDREN), or the thread is gone. */
bool proc_children_of(pid_t pid, const char *thread, struct proc_children *out);
/* Of this thread: none of the numbers can be another process's before this process reaps it. */
bool proc_own_children(struct proc_children *out);
/* Reaps a child that has ended, and adds its CPU time and that of those whom it had reaped.  False:
 * it lives, or is no child. */
bool proc_reap(pid_t pid, int64_t *cpu_us);
int64_t proc_cpu_us(const struct rusage *used);

#endif
