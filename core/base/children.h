/* SPDX-License-Identifier: MIT
 *
 * The children of this thread, as the kernel has them.  None of their numbers can be another
 * process's before this process reaps it.
 */
#ifndef BASE_CHILDREN_H
#define BASE_CHILDREN_H

#include <sys/types.h>

/* Some of them (a long list comes in pieces: reap, and ask again).  Returns how many. */
size_t children_list(pid_t *out, size_t max);

#endif
