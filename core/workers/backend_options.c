/* SPDX-License-Identifier: MIT
 *
 * A backend's own copy of its options.
 */
#include "workers/internal.h"

#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>

void backend_copy_options(struct backend *b, const struct backend_options *o) {
  struct backend_option *options = mem_array(o->option_count + 1, sizeof *options);
  for (size_t i = 0; i < o->option_count; i++)
    options[i] = (struct backend_option){mem_dup(o->options[i].key), mem_dup(o->options[i].value),
                                         mem_dup(o->options[i].where)};
  b->o = *o;
  b->o.name = mem_dup(o->name);
  b->o.plugin_path = mem_dup(o->plugin_path);
  b->o.missing = mem_dup(o->missing);
  b->o.limit_group = mem_dup(o->limit_group);
  b->o.options = options;
  if (b->o.slots < 1)
    b->o.slots = 1;
  if (b->o.ready_timeout_ms <= 0)
    b->o.ready_timeout_ms = 60000;
  if (b->o.heartbeat_timeout_ms <= 0)
    b->o.heartbeat_timeout_ms = 30000;
  if (b->o.restart_backoff_max_ms < b->o.restart_backoff_ms)
    b->o.restart_backoff_max_ms = b->o.restart_backoff_ms;
}

void backend_free_options(struct backend_options *o) {
  for (size_t i = 0; i < o->option_count; i++) {
    free((char *)(uintptr_t)o->options[i].key);
    free((char *)(uintptr_t)o->options[i].value);
    free((char *)(uintptr_t)o->options[i].where);
  }
  free((void *)(uintptr_t)o->options);
  free((char *)(uintptr_t)o->name);
  free((char *)(uintptr_t)o->plugin_path);
  free((char *)(uintptr_t)o->missing);
  free((char *)(uintptr_t)o->limit_group);
}
