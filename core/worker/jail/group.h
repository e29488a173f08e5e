/* SPDX-License-Identifier: MIT
 *
 * The processes of a job: those of its process group, which the jail lets none leave.
 */
#ifndef WORKER_GROUP_H
#define WORKER_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct group_process {
  pid_t pid, parent, group;
  pid_t seen; /* whose files in /proc tell: another thread where the first one has ended */
  char state; /* as in /proc/PID/stat; of `seen` */
  int64_t cpu_ms, threads;
};

/* As proc_read() of /proc/PID/NAME. */
bool group_read_file(pid_t pid, const char *name, char *out, size_t size);
bool group_read_process(pid_t pid, struct group_process *p);
/* Bytes of its memory, in use or swapped out: anonymous and shared, not files that it maps, which
 * the kernel takes back at will.  Pages that several share count whole. */
int64_t group_memory(pid_t pid);
/* The same, those pages in part; -1: not known.  The kernel walks its memory for it. */
int64_t group_share(pid_t pid);
/* Calls `each` for every process of the group, also for those that have ended and whose parent, of
 * the same group, has not waited for them ('Z').  `also`: another group of the same job, or 0. Adds
 * to *reaped_us the CPU time of those that are reaped here. */
void group_each(pid_t group, pid_t also, void (*each)(const struct group_process *, void *),
                void *arg, int64_t *reaped_us);

#endif
