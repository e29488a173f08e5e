/* SPDX-License-Identifier: MIT
 *
 * The system calls that a jailed process may not make: a seccomp filter of the threads of the
 * process that installs it and of all that they beget.  A refused call fails with EPERM; nothing is
 * killed.
 *
 * With a listener the calls that need a judgement (a new process, a signal) and those that are
 * refused come to the supervisor (guard.h), who so knows what the job ran into.
 */
#ifndef WORKER_FILTER_H
#define WORKER_FILTER_H

#include <stdbool.h>

/* What a call that came to the supervisor is about. */
enum filter_kind {
  FILTER_REFUSE, /* never allowed */
  FILTER_SPAWN,  /* begins a process or a thread */
  FILTER_TARGET, /* the first argument is a process */
  FILTER_WHO,    /* the second argument is a process, the first says so with FILTER_WHO_PROCESS */
};

struct filter_wishes {
  bool listen;
  bool signals_are_scoped; /* Landlock keeps them inside the jail, so that they need no judgement */
  bool network, files;     /* sockets are allowed; so are modes, owners and attributes of files */
};
/* Installs the filter in all threads; no new privileges must have been set.  Returns the listener
 * (close on exec), -1 when it works without one, -2 when the kernel has no filters (errno says
 * why). */
int filter_install(const struct filter_wishes *wishes);
/* Afterwards, once the listener is with the supervisor: no descriptor is passed on any more, for
 * what is on its way is in nobody's table, and the user may have only so many there.  The
 * supervisor is not told of such a call.  -1 with errno. */
int filter_end_passing(void);
/* Does the kernel have filters, and tell of their calls? */
bool filter_is_known(void);
bool filter_can_listen(void);
/* The kind of a call that came to the listener. */
enum filter_kind filter_kind_of(int nr);
/* "socket"; "a forbidden call" for one that is not one of ours. */
const char *filter_word(int nr);

#endif
