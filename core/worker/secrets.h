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
/* The value, without the end of its line; NULL: there is none of that name.  Ours to keep. */
const char *secrets_get(const char *name);

#endif
