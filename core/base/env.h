/* SPDX-License-Identifier: MIT
 *
 * The environment as something that others can read: /proc/PID/environ shows a process's first one
 * to everybody of the same user, for as long as it lives.
 */
#ifndef BASE_ENV_H
#define BASE_ENV_H

#include <stddef.h>

/* First thing in a program: moves the environment into memory of its own and overwrites where the
 * kernel looks for it. */
void env_hide(void);
/* What a program that runs foreign code gets of it: the names that every program may need, and
 * those in `more` ("NAME", or "PREFIX*"; NULL-terminated or NULL).  Never a LATHE_SECRET_*.  One
 * block, NULL-terminated; the caller frees it.  Valid until the environment changes. */
char **env_for_others(const char *const *more);

#endif
