/* SPDX-License-Identifier: MIT
 *
 * The secrets of a worker: those that the options of its backend name, and no others.
 */
#ifndef WORKER_SECRETS_H
#define WORKER_SECRETS_H

#include "worker/plugin.h"

/* First thing in the process: takes LATHE_SECRET_* out of the environment, so that neither the
 * plugin nor /proc has them. */
void secrets_hide(void);
/* One that lathed sent.  Copied. */
void secrets_add(const char *name, const char *value);
/* Once the options are known: keeps what they name, of what lathed sent or from systemd's
 * credentials, and forgets the rest. */
void secrets_keep(const struct plugin_value *values, size_t count);
/* Is there any? */
bool secrets_any(void);
/* The value as it is now, without the end of its line; NULL: there is none of that name.  That of a
 * credential is read anew each time, where the file can be read; else it is the last one that was.
 * The caller frees it with secrets_free().  For any thread. */
char *secrets_read(const char *name);
void secrets_free(char *value);
/* Reads all credentials anew, for a process that will not be able to. */
void secrets_renew(void);
/* Where another process reads for this one, which is locked in: as secrets_read().  NULL from it:
 * the value that is known stays. */
void secrets_ask(char *(*ask)(void *arg, const char *name), void *arg);

#endif
