/* SPDX-License-Identifier: MIT
 *
 * What a job began and its own processes left behind: it becomes a child of the zygote, because
 * that asked for it, and is killed and reaped.
 */
#ifndef WORKER_ORPHANS_H
#define WORKER_ORPHANS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* From now on orphans come to this process, not to init. */
void orphans_adopt(void);
struct orphans_care {
  bool (*is_ours)(void *arg, pid_t pid); /* leave this child alone */
  bool (*may_live)(void *arg,
                   pid_t group); /* a job of that group runs; it will be killed as a whole */
  void (*ended)(void *arg, pid_t group, int64_t cpu_us); /* it was reaped */
  void *arg;
};

/* Reaps those that have ended, and kills those that may not live.  True: some have yet to end, call
 * again soon. */
bool orphans_reap(const struct orphans_care *care);

#endif
