/* SPDX-License-Identifier: MIT
 *
 * What a job began and its own processes left behind: it becomes a child of the zygote, because
 * that asked for it, and is killed and reaped.
 */
#ifndef WORKER_ORPHANS_H
#define WORKER_ORPHANS_H

#include <stdbool.h>
#include <sys/types.h>

/* From now on orphans come to this process, not to init. */
void orphans_adopt(void);
/* Reaps those that have ended.  `is_ours(arg, pid)`: leave this child alone; `may_live(arg,
 * group)`: a job of that group still runs, which will be killed as a whole.  Any other is killed.
 * True: some have yet to end, call again soon. */
bool orphans_reap(bool (*is_ours)(void *arg, pid_t pid), bool (*may_live)(void *arg, pid_t group),
                  void *arg);

#endif
