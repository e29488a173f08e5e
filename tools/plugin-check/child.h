/* SPDX-License-Identifier: MIT
 *
 * A function in a process of its own, with a time limit.
 */
#ifndef CHECK_CHILD_H
#define CHECK_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct ending {
  bool finished; /* the function returned */
  bool late;     /* killed at its limit */
  int signal, exit_code;
};

struct child {
  pid_t pid;
  int pidfd;
};

/* Forks; the child leads a group of its own and dies with us.  It calls fn(arg) and ends.
 * Its stdout and stderr go to output_fd, unless that is -1. */
struct child child_start(void (*fn)(void *), void *arg, int output_fd);
/* Waits until now_ms() is `until`, then kills it and what it started. */
struct ending child_wait(struct child *c, int64_t until);
struct ending child_run(void (*fn)(void *), void *arg, int64_t limit_ms);
bool ending_is_clean(const struct ending *e);
/* "died by SIGSEGV (invalid memory access)", "did not end in time", ...; a static buffer */
const char *ending_text(const struct ending *e);

#endif
