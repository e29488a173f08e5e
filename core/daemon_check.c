/* SPDX-License-Identifier: MIT
 *
 * What --check-config asks the plugins.  lathed loads none itself: lathe-worker does, and a plugin
 * that crashes there says so here.
 */
#include "base/mem.h"
#include "daemon.h"

#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

extern char **environ;

/* lathe-worker --check-options PLUGIN [KEY VALUE WHERE]... with its output on ours. */
static int ask(const char *program, const struct config_backend *b) {
  const char **argv = mem_array(b->option_count * 3 + 4, sizeof *argv);
  size_t n = 0;
  pid_t pid;
  int status = 0;
  argv[n++] = program;
  argv[n++] = "--check-options";
  argv[n++] = b->plugin_path;
  for (size_t i = 0; i < b->option_count; i++) {
    argv[n++] = b->options[i].key;
    argv[n++] = b->options[i].value;
    argv[n++] = b->options[i].where;
  }
  fflush(NULL);
  int rc = posix_spawn(&pid, program, NULL, NULL, (char *const *)(uintptr_t)argv, environ);
  free(argv);
  if (rc != 0)
    return -rc;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
    ;
  return status;
}

int daemon_check_plugins(const struct config *config, FILE *out) {
  char *program = daemon_worker_program();
  int bad = 0;
  for (size_t i = 0; i < config->backend_count; i++) {
    const struct config_backend *b = &config->backends[i];
    if (!b->enabled)
      continue;
    int status = ask(program, b);
    if (status == 0)
      continue;
    bad++;
    if (status < 0)
      fprintf(out, "error: [backend %s] %s cannot be started: %s\n", b->name, program,
              strerror(-status));
    else if (WIFSIGNALED(status))
      fprintf(out, "error: [backend %s] the plugin %s crashed while it was loaded (%s)\n", b->name,
              b->plugin_path, strsignal(WTERMSIG(status)));
    else
      fprintf(out,
              "error: [backend %s] the plugin %s does not take this configuration (see above)\n",
              b->name, b->plugin_path);
  }
  free(program);
  return bad;
}
