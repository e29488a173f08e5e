/* SPDX-License-Identifier: MIT
 *
 * What is wrong with a configuration, and how it is told: also what --check-config and a reload ask
 * the plugins about their options.  lathed loads none itself: lathe-worker does, and a plugin that
 * crashes there says so here.
 */
#include "base/clock.h"
#include "base/env.h"
#include "base/mem.h"
#include "daemon.h"
#include "observe/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
  LOAD_MS = 10000, /* for all that the dynamic linker and the plugin's constructors do */
  SAID_MAX = 65536,
  WRONG_OPTIONS = 4, /* lathe-worker's exit code; any other is of a plugin that does not load */
};

/* lathe-worker --check-options PLUGIN [KEY VALUE WHERE]...; `where` is of a jail that is required.
 */
static const char **command(const char *program, const struct config_backend *b,
                            const char *where) {
  const char **argv = mem_array(b->option_count * 3 + 7, sizeof *argv);
  size_t n = 0;
  argv[n++] = program;
  argv[n++] = "--check-options";
  argv[n++] = b->plugin_path;
  for (size_t i = 0; i < b->option_count; i++) {
    argv[n++] = b->options[i].key;
    argv[n++] = b->options[i].value;
    argv[n++] = b->options[i].where;
  }
  if (b->jail == BACKEND_JAIL_REQUIRED) {
    argv[n++] = "jail";
    argv[n++] = "required";
    argv[n++] = where;
  }
  return argv;
}

/* Reads until its end, or until `deadline`.  False: the time is over. */
static bool read_all(int fd, struct buf *out, int64_t deadline) {
  char piece[4096];
  for (;;) {
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int64_t left = deadline - clock_mono_ms();
    if (left <= 0 || (poll(&p, 1, (int)left) == 0))
      return false;
    ssize_t n = read(fd, piece, sizeof piece);
    if (n == 0 || (n < 0 && errno != EINTR))
      return true;
    if (n > 0 && out->len < SAID_MAX)
      buf_put(out, piece, (size_t)n);
  }
}

/* Runs it with its output into `out`.  Returns the wait status, or a negative errno. */
static int ask(const char *program, const struct config_backend *b, const char *const *env_names,
               struct buf *out) {
  char *where = mem_printf("[backend %s] jail", b->name);
  const char **argv = command(program, b, where);
  posix_spawn_file_actions_t actions;
  pid_t pid;
  int fds[2], status = 0;
  if (pipe2(fds, O_CLOEXEC) < 0) {
    free(argv);
    free(where);
    return -errno;
  }
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, fds[1], STDERR_FILENO);
  char **env = env_for_others(env_names);
  int rc = posix_spawn(&pid, program, &actions, NULL, (char *const *)(uintptr_t)argv, env);
  free(env);
  posix_spawn_file_actions_destroy(&actions);
  close(fds[1]);
  if (rc == 0) {
    bool timely = read_all(fds[0], out, clock_mono_ms() + LOAD_MS);
    if (!timely)
      kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
      ;
    if (!timely)
      rc = ETIMEDOUT;
  }
  close(fds[0]);
  free(argv);
  free(where);
  return rc == 0 ? status : -rc;
}

static void judge_backend(const char *program, const struct config_backend *b, int status,
                          const struct buf *said, struct daemon_complaints *out) {
  struct buf *to = WIFEXITED(status) && WEXITSTATUS(status) == WRONG_OPTIONS ? &out->options
                                                                             : &out->plugins;
  if (status == -ETIMEDOUT)
    buf_printf(
        to,
        "[backend %s] the plugin %s was not loaded after %d s; look at what it does while it "
        "is loaded, or set enabled = no\n",
        b->name, b->plugin_path, LOAD_MS / 1000);
  else if (status < 0)
    buf_printf(to, "[backend %s] %s cannot be started: %s; install lathe anew\n", b->name, program,
               strerror(-status));
  else if (WIFSIGNALED(status))
    buf_printf(to,
               "[backend %s] the plugin %s crashed while it was loaded (%s); "
               "lathe-plugin-check PLUGIN tells more\n",
               b->name, b->plugin_path, strsignal(WTERMSIG(status)));
  else if (status != 0 && said->len)
    buf_put(to, said->data, said->len);
  else if (status != 0)
    buf_printf(to,
               "[backend %s] the plugin %s ended its process while it was loaded (exit code %d)\n",
               b->name, b->plugin_path, WEXITSTATUS(status));
}

void daemon_check_plugins(const struct config *config, struct daemon_complaints *out) {
  char *program = daemon_worker_program();
  *out = (struct daemon_complaints){0};
  for (size_t i = 0; i < config->backend_count; i++) {
    const struct config_backend *b = &config->backends[i];
    if (!b->enabled)
      continue;
    if (b->plugin_missing) {
      out->missing = true;
      continue;
    }
    struct buf said = {0};
    judge_backend(program, b, ask(program, b, config->server.worker_env.items, &said), &said, out);
    buf_free(&said);
  }
  free(program);
}

void daemon_complaints_free(struct daemon_complaints *c) {
  buf_free(&c->options);
  buf_free(&c->plugins);
}

void daemon_configure_log(const struct config_log *log) {
  log_configure(
      &(struct log_options){.level = (enum log_level)log->level, .json = log->format == 1});
}

void daemon_log_problems(const struct config_problems *problems) {
  for (size_t i = 0; i < problems->count; i++)
    log_write(problems->items[i].warning ? LOG_WARN : LOG_ERROR, "config.problem", "%s: %s",
              problems->items[i].where, problems->items[i].text);
}

void daemon_log_lines(enum log_level level, const char *what, struct buf *lines) {
  char *rest = buf_take(lines), *all = rest;
  for (char *line; (line = strsep(&rest, "\n"));)
    if (*line)
      log_write(level, what, "%s", line);
  free(all);
}

void daemon_log_routes(const struct config *config, const struct kinds *kinds) {
  struct buf lines = {0};
  daemon_check_routes(config, kinds, &lines);
  daemon_log_lines(LOG_WARN, "config.route", &lines);
}
