/* SPDX-License-Identifier: MIT
 *
 * The plugin exec: its descriptor.
 */
#include "exec.h"

static int32_t create(const struct lathe_host *h, void **self) {
  struct exec *x;
  int32_t code = setup_create(h, false, &x);
  if (code != LATHE_OK) {
    if (x)
      setup_release(x);
    return code;
  }
  watch_idle(x);
  *self = x;
  return LATHE_OK;
}

static int32_t run(void *self, struct lathe_job *job, const struct lathe_request *r) {
  return job_run(self, job, r);
}

static void destroy(void *self) {
  struct exec *x = self;
  watch_busy(x);
  setup_stop(x);
  setup_release(x);
}

static const struct lathe_option table[] = {SETUP_OPTIONS};

static const struct lathe_option *const options[] = {&table[0], &table[1], &table[2], &table[3],
                                                     &table[4], &table[5], &table[6], NULL};
static const struct lathe_plugin plugin = {
    LATHE_PLUGIN_INIT,
    .rights = LATHE_NEEDS_NETWORK | LATHE_NEEDS_FILES,
    .name = "exec",
    .version = "1.0",
    .summary = "Runs jobs in a warm process of any language that speaks lines of JSON",
    .license = "MIT",
    .options = options,
    .device = "cpu",
    .isolation = LATHE_PROCESS,
    .max_concurrency = 1,
    .create = create,
    .destroy = destroy,
    .run = run,
};

const struct lathe_plugin *lathe_plugin_v1(void) {
  return &plugin;
}
