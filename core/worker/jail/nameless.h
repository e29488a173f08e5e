/* SPDX-License-Identifier: MIT
 *
 * What a job's processes hold of files that have no name any more: no walk through its folder finds
 * them.  Those that a process has open are measured, each once.  One that is only mapped cannot be
 * looked at from outside: if it came from the job's folder, nobody can tell what the job holds.
 */
#ifndef WORKER_NAMELESS_H
#define WORKER_NAMELESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct nameless_file {
  dev_t device;
  ino_t inode;
  int64_t bytes;
};

struct nameless { /* zeroed: nothing was looked at */
  struct nameless_file *open;
  ino_t *mapped;
  size_t open_count, mapped_count, lines;
  bool lost; /* more than is looked at */
};

/* Adds what a process holds; `below`: the path, with a slash at its end, under which the
 * job's files were. */
void nameless_add(struct nameless *n, pid_t pid, const char *below);
/* Bytes; INT64_MAX: they cannot be told.  Frees what was gathered. */
int64_t nameless_bytes(struct nameless *n);

#endif
