/* SPDX-License-Identifier: MIT
 *
 * What a jailed process finds where programs look without being told: the current folder, TMPDIR
 * and HOME lie where it may write.  Those of lathed, which it inherits, are behind the jail.
 *
 *            current folder      TMPDIR, HOME
 *   FORK     the job's folder    the same
 *   PROCESS  the job's folder    <cell>/home, from before create() to the worker's end
 */
#ifndef WORKER_HOME_H
#define WORKER_HOME_H

/* Before the job is known: variables that name what it cannot see are unset, and it gets a name of
 * its own, for there is no /etc/passwd to look one up in. */
void home_leave(void);
/* TMPDIR and HOME.  While there is one thread. */
void home_set(const char *folder);
/* The current folder; a failure leaves the one before. */
void home_enter(int folder);

#endif
