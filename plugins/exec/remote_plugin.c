/* SPDX-License-Identifier: MIT
 *
 * The plugin exec-remote: its descriptor.
 */
#include "remote.h"

#include <stdlib.h>

static int32_t create(const struct lathe_host *h, void **self) {
  struct exec *x;
  int32_t code = setup_create(h, true, false, &x);
  struct remote *c = code == LATHE_OK ? link_open(x) : NULL;
  if (code == LATHE_OK && !c) {
    h->error(NULL, "the thread that talks to the command cannot be started");
    code = LATHE_RETRY;
  }
  if (code != LATHE_OK && x)
    setup_release(x);
  if (code != LATHE_OK)
    return code;
  c->request_ms = atoll(h->config(h, "request_timeout"));
  c->transfer_ms = atoll(h->config(h, "transfer_timeout"));
  *self = c;
  return LATHE_OK;
}

static void destroy(void *self) {
  struct remote *c = self;
  struct exec *x = c->x;
  link_close(c);
  setup_release(x);
}

static const struct lathe_option table[] = {
    SETUP_OPTIONS,
    {sizeof *table, LATHE_MILLIS, "request_timeout", "30s", "1..",
     "How long the command may take to answer find, poll or cancel; keep it below four times the "
     "backend's heartbeat_timeout."},
    {sizeof *table, LATHE_MILLIS, "transfer_timeout", "10m", "1..",
     "How long it may take to answer submit or fetch, which carry files."},
};

static const struct lathe_option *const options[] = {&table[0], &table[1], &table[2], &table[3],
                                                     &table[4], &table[5], &table[6], &table[7],
                                                     &table[8], NULL};
static const struct lathe_plugin plugin = {
    LATHE_PLUGIN_INIT,
    .rights = LATHE_NEEDS_NETWORK | LATHE_NEEDS_FILES,
    .name = "exec-remote",
    .version = "1.0",
    .summary = "Jobs that run elsewhere, by a program of any language that speaks lines of JSON",
    .license = "MIT",
    .options = options,
    .device = "net",
    .isolation = LATHE_SHARED,
    .max_concurrency = CALLS_MOST,
    .create = create,
    .destroy = destroy,
    .remote = &steps,
};

const struct lathe_plugin *lathe_plugin_v1(void) {
  return &plugin;
}
