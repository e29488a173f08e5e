/* SPDX-License-Identifier: MIT
 *
 * The plugins exec and, with EXEC_JAILED, exec-jailed: their descriptors.  What a job may do is a
 * matter of the plugin, which the host locks in before the command is started; so the second one
 * is a plugin of its own, see docs/adr/0038-exec-is-three-plugins.md.
 */
#include "exec.h"

#ifdef EXEC_JAILED
#define NAME "exec-jailed"
#define SUMMARY                                                                                    \
  "As exec, but locked in: without the network, and with the files that are named alone"
#define RIGHTS 0
#else
#define NAME    "exec"
#define SUMMARY "Runs jobs in a warm process of any language that speaks lines of JSON"
#define RIGHTS  (LATHE_NEEDS_NETWORK | LATHE_NEEDS_FILES)
#endif

static int32_t create(const struct lathe_host *h, void **self) {
  struct exec *x;
  int32_t code = setup_create(h, false, !RIGHTS, &x);
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

static const struct lathe_option table[] = {
    SETUP_OPTIONS,
#ifdef EXEC_JAILED
    {sizeof *table, LATHE_PATH, "readable", "", NULL,
     "One more file or folder that the command may read, beside `directory` and system files."},
#endif
};

static const struct lathe_option *const options[] = {
    &table[0], &table[1], &table[2], &table[3], &table[4], &table[5], &table[6],
#ifdef EXEC_JAILED
    &table[7],
#endif
    NULL,
};
static const struct lathe_plugin plugin = {
    LATHE_PLUGIN_INIT,    .rights = RIGHTS,   .name = NAME,
    .version = "1.0",     .summary = SUMMARY, .license = "MIT",
    .options = options,   .device = "cpu",    .isolation = LATHE_PROCESS,
    .max_concurrency = 1, .create = create,   .destroy = destroy,
    .run = run,
};

const struct lathe_plugin *lathe_plugin_v1(void) {
  return &plugin;
}
