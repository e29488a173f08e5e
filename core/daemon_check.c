/* SPDX-License-Identifier: MIT
 *
 * What --check-config and a reload ask the plugins about their options.  lathed loads none itself:
 * lathe-worker does, and a plugin that crashes there says so here.
 */
#include "base/mem.h"
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* lathe-worker --check-options PLUGIN [KEY VALUE WHERE]... */
static const char **command(const char *program, const struct config_backend *b) {
  const char **argv = mem_array(b->option_count * 3 + 4, sizeof *argv);
  size_t n = 0;
  argv[n++] = program;
  argv[n++] = "--check-options";
  argv[n++] = b->plugin_path;
  for (size_t i = 0; i < b->option_count; i++) {
    argv[n++] = b->options[i].key;
    argv[n++] = b->options[i].value;
    argv[n++] = b->options[i].where;
  }
  return argv;
}

static void read_all(int fd, struct buf *out) {
  char piece[4096];
  ssize_t n;
  while ((n = read(fd, piece, sizeof piece)) > 0 || (n < 0 && errno == EINTR))
    if (n > 0 && out->len < 65536)
      buf_put(out, piece, (size_t)n);
}

/* Runs it with its output into `out`.  Returns the wait status, or -errno. */
static int ask(const char *program, const struct config_backend *b, struct buf *out) {
  const char **argv = command(program, b);
  posix_spawn_file_actions_t actions;
  pid_t pid;
  int fds[2], status = 0;
  if (pipe2(fds, O_CLOEXEC) < 0) {
    free(argv);
    return -errno;
  }
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, fds[1], STDERR_FILENO);
  int rc = posix_spawn(&pid, program, &actions, NULL, (char *const *)(uintptr_t)argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(fds[1]);
  if (rc == 0) {
    read_all(fds[0], out);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
      ;
  }
  close(fds[0]);
  free(argv);
  return rc == 0 ? status : -rc;
}

int daemon_check_plugins(const struct config *config, struct buf *complaints) {
  char *program = daemon_worker_program();
  int bad = 0;
  for (size_t i = 0; i < config->backend_count; i++) {
    const struct config_backend *b = &config->backends[i];
    struct buf said = {0};
    int status = b->enabled ? ask(program, b, &said) : 0;
    if (status != 0)
      bad++;
    if (status < 0)
      buf_printf(complaints, "[backend %s] %s cannot be started: %s\n", b->name, program,
                 strerror(-status));
    else if (status != 0 && WIFSIGNALED(status))
      buf_printf(complaints, "[backend %s] the plugin %s crashed while it was loaded (%s)\n",
                 b->name, b->plugin_path, strsignal(WTERMSIG(status)));
    else if (status != 0)
      buf_put(complaints, said.data ? said.data : "", said.len);
    buf_free(&said);
  }
  free(program);
  return bad;
}
