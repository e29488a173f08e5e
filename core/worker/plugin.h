/* SPDX-License-Identifier: MIT
 *
 * One plugin, loaded for good: it is never closed, because libraries leave threads, handlers and
 * thread-local data behind.
 */
#ifndef WORKER_PLUGIN_H
#define WORKER_PLUGIN_H

#include "base/err.h"
#include "wire/messages.h"

#include <lathe/plugin.h>

#define HOST_MINOR LATHE_ABI_MINOR

struct plugin {
  struct lathe_plugin d;      /* our copy: min(sizes), the rest zero, but for kinds: never NULL */
  struct lathe_remote remote; /* likewise, where d.remote is set */
  const char *path;
  const struct lathe_plugin *theirs;
};

/* dlopen, look up, check.  ERR_UNSUPPORTED or ERR_INVAL with a sentence that names both versions.
 */
int plugin_load(struct plugin *p, const char *path, struct err *err);
/* May its kinds be called so? */
int plugin_check_kinds(const struct plugin *p, struct err *err);
const char *plugin_isolation_word(const struct plugin *p);

/* Prints the descriptor and the option table as one JSON object. */
void plugin_describe(const struct plugin *p, struct buf *out);

/* ---- options ---- */
struct plugin_value {
  char *key, *value;
};
/* Checks settings against the option table; every error is a line in `errors`.  On success *values
 * (the caller frees with plugin_values_free) holds each option's value in its plain form: sizes in
 * bytes, times in milliseconds, booleans as 1 or 0; fallbacks filled in. */
int plugin_check_options(const struct plugin *p, const struct wire_setting *settings, size_t count,
                         struct plugin_value **values, size_t *value_count, struct buf *errors);
void plugin_values_free(struct plugin_value *values, size_t count);

#endif
