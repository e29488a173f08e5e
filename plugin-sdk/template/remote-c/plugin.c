/* SPDX-License-Identifier: MIT
 *
 * @NAME@: a plugin of lathe whose jobs run elsewhere.
 *
 * "Elsewhere" is a folder here, `spool`: each job is a subfolder in which a detached process runs
 * `command` on the input, and goes on when lathe does not.  Put your service in place of start(),
 * state_of() and the copying; what must stay is the order of things:
 *
 *   submit   begins the work under request->idem_key, and makes the reference durable
 *
 *   find     was something begun under that key?  lathe asks after a crash, before it submits
 *
 *   poll     is it over?
 *
 *   fetch    brings the result
 *
 *   cancel   stops it
 *
 * What a service answers, as lathe wants it: 401, 403 LATHE_AUTH and 402 LATHE_QUOTA pause the backend, 429
 * LATHE_RETRY_RATE (with retry_after()) slows it, and no job loses an attempt; no answer and 5xx
 * LATHE_RETRY_DOWN; 400, 422 LATHE_BAD_INPUT.  error_code() keeps its own word and its id of the request.
 *
 * Each may be repeated, in any process, with nothing but the reference; no state is kept here. They
 * are called on several threads at once.
 */
#include <lathe/plugin.h>

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATH_SIZE = 4200, FILE_SIZE = PATH_SIZE + 20, POLL_MS = 50 };

struct self { /* strings of the host, which live as long as the process */
  const struct lathe_host *host;
  const char *spool, *command;
};

static int32_t fail(const struct self *self, struct lathe_job *job, int32_t result,
                    const char *what, const char *why) {
  char text[900];
  snprintf(text, sizeof text, "%.400s: %.400s", what, why);
  self->host->error(job, text);
  return result;
}

/* Runs a program to its end; its exit code, -1 when it could not be run or was killed. */
static int run_program(char *const argv[]) {
  extern char **environ;
  pid_t pid;
  int status;
  if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) != 0)
    return -1;
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR)
      return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int copy(char *from, char *to) {
  char *argv[] = {"cp", "--", from, to, NULL};
  return run_program(argv);
}

/* ---- the service: here a folder with a process in it ---- */

/* Begins the work, or does nothing where it was begun before: the lock is held while it runs. */
static int start(const struct self *self, char *folder) {
  static char script[] = "cd \"$1\" || exit 1\n"
                         "setsid sh -c '\n"
                         "  flock -n 9 || exit 0\n"
                         "  test -e exit && exit 0\n"
                         "  echo $$ >pid\n"
                         "  sh -c \"$1\" <input >output.txt 2>log\n"
                         "  echo $? >exit.new && mv exit.new exit\n"
                         "' sh \"$2\" 9>lock </dev/null >/dev/null 2>&1 &\n";
  char *argv[] = {"sh", "-c", script, "sh", folder, (char *)self->command, NULL};
  return run_program(argv);
}

/* The number in a file of the folder; -1: there is none. */
static int number_in(const char *folder, const char *name) {
  char path[FILE_SIZE];
  int number = -1;
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *f = fopen(path, "r");
  if (f && fscanf(f, "%d", &number) != 1)
    number = -1;
  if (f)
    fclose(f);
  return number;
}

static int is_running(const char *folder) {
  char path[FILE_SIZE];
  snprintf(path, sizeof path, "%s/lock", folder);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  int held = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0;
  if (fd >= 0)
    close(fd);
  return held;
}

enum state { WAITING, RUNNING, DONE, FAILED, LOST };

static enum state state_of(const char *folder) {
  int running = is_running(folder); /* first: it may end while we look */
  int code = number_in(folder, "exit");
  if (code >= 0)
    return code == 0 ? DONE : FAILED;
  if (running)
    return RUNNING;
  return number_in(folder, "pid") > 0 ? LOST : WAITING;
}

/* ---- the five steps ---- */

static void folder_of(const struct self *self, const char *name, size_t len, char *folder) {
  int n = snprintf(folder, PATH_SIZE, "%s/%.*s", self->spool, (int)len, name);
  for (char *p = folder + strlen(self->spool) + 1; n > 0 && *p; p++)
    if (*p == '/' || (*p == '.' && p[-1] == '/'))
      *p = '_';
}

/* Begun or not, what is there goes on from here; the reference is the name of the folder. */
static int32_t go_on(const struct self *self, struct lathe_job *job, char *folder) {
  const char *name = strrchr(folder, '/') + 1;
  if (start(self, folder) != 0)
    return fail(self, job, LATHE_RETRY_DOWN, folder, "the command cannot be started there");
  return self->host->checkpoint(job, name, strlen(name));
}

static int32_t find(void *data, struct lathe_job *job, const struct lathe_request *r,
                    const void *ref, size_t len) {
  char folder[PATH_SIZE];
  const struct self *self = data;
  (void)ref, (void)len;
  folder_of(self, r->idem_key, strlen(r->idem_key), folder);
  return access(folder, F_OK) == 0 ? go_on(self, job, folder) : LATHE_NOT_FOUND;
}

static int input_of(const struct lathe_request *r, char *path) {
  json_t *spec = json_loads(r->spec, 0, NULL);
  const json_t *input = json_array_get(json_object_get(spec, "inputs"), 0);
  const char *name = json_string_value(json_object_get(input, "name"));
  if (name)
    snprintf(path, PATH_SIZE, "%s/in/%s", r->workdir, name);
  json_decref(spec);
  return name ? 0 : -1;
}

static const char *const kinds[] = {"@NAME@", NULL};

/* All is prepared aside and renamed in one step, so that a folder that is there is whole. */
static int32_t submit(void *data, struct lathe_job *job, const struct lathe_request *r,
                      const void *ref, size_t len) {
  char input[PATH_SIZE], folder[PATH_SIZE], aside[PATH_SIZE], target[FILE_SIZE];
  const struct self *self = data;
  (void)ref, (void)len;
  if (strcmp(r->kind, kinds[0]) != 0) /* a second kind in the table gets its own work here */
    return fail(self, job, LATHE_PERMANENT, r->kind, "this plugin does no such kind");
  if (input_of(r, input) != 0)
    return fail(self, job, LATHE_BAD_INPUT, "the specification", "it has no input");
  folder_of(self, r->idem_key, strlen(r->idem_key), folder);
  snprintf(aside, sizeof aside, "%s/.new-XXXXXX", self->spool);
  if (!mkdtemp(aside))
    return fail(self, job, LATHE_RETRY, aside, strerror(errno));
  snprintf(target, sizeof target, "%s/input", aside);
  int copied = copy(input, target);
  if (copied != 0 || rename(aside, folder) != 0) {
    int why = errno, there = copied == 0 && (why == ENOTEMPTY || why == EEXIST);
    unlink(target);
    rmdir(aside);
    if (!there)
      return fail(self, job, LATHE_RETRY, folder,
                  copied ? "the input cannot be copied" : strerror(why));
  }
  return go_on(self, job, folder);
}

static int32_t poll_job(void *data, struct lathe_job *job, const struct lathe_request *r,
                        const void *ref, size_t len) {
  char folder[PATH_SIZE];
  const struct self *self = data;
  (void)r;
  folder_of(self, ref, len, folder);
  switch (state_of(folder)) {
  case DONE:
    return LATHE_OK;
  case FAILED:
    return fail(self, job, LATHE_PERMANENT, folder,
                "the command failed; the file `log` there says more");
  case LOST:
    return fail(self, job, LATHE_RETRY_ANEW, folder, "the command was killed before it was done");
  case WAITING:
    start(self, folder);
    break;
  case RUNNING:
    self->host->progress(job, 500, "there");
  }
  self->host->retry_after(job, POLL_MS);
  return LATHE_PENDING;
}

static int32_t fetch(void *data, struct lathe_job *job, const struct lathe_request *r,
                     const void *ref, size_t len) {
  char folder[PATH_SIZE], from[FILE_SIZE], to[PATH_SIZE];
  const struct self *self = data;
  folder_of(self, ref, len, folder);
  snprintf(from, sizeof from, "%s/output.txt", folder);
  snprintf(to, sizeof to, "%s/output.txt", r->workdir);
  self->host->progress(job, 900, "fetch");
  if (copy(from, to) != 0)
    return fail(self, job, LATHE_RETRY, from, "it cannot be copied");
  return self->host->artifact(job, "output.txt", "output.txt", "text/plain");
}

static int32_t cancel(void *data, struct lathe_job *job, const struct lathe_request *r,
                      const void *ref, size_t len) {
  char folder[PATH_SIZE];
  (void)job, (void)r;
  folder_of(data, ref, len, folder);
  int pid = is_running(folder) ? number_in(folder, "pid") : -1;
  if (pid > 1)
    kill(-pid, SIGTERM);
  return LATHE_OK;
}

/* ---- the plugin ---- */

static int32_t create(const struct lathe_host *host, void **data) {
  struct self *self = calloc(1, sizeof *self);
  if (!self)
    return LATHE_RETRY_MEM;
  *self = (struct self){host, host->config(host, "spool"), host->config(host, "command")};
  if (access(self->spool, W_OK | X_OK) != 0) {
    int32_t rc = fail(self, NULL, LATHE_PERMANENT, self->spool, strerror(errno));
    free(self);
    return rc;
  }
  *data = self;
  return LATHE_OK;
}

static void destroy(void *self) {
  free(self);
}

static const struct lathe_option spool = {
    .struct_size = sizeof spool,
    .type = LATHE_PATH,
    .key = "spool",
    .help = "Folder in which the jobs run; it must be there.",
};
static const struct lathe_option command = {
    .struct_size = sizeof command,
    .type = LATHE_STRING,
    .key = "command",
    .fallback = "sort",
    .help = "What a shell runs there: it reads the input and writes the output.",
};
static const struct lathe_option *const options[] = {&spool, &command, NULL};
static const struct lathe_remote remote = {
    .struct_size = sizeof remote,
    .submit = submit,
    .find = find,
    .poll = poll_job,
    .fetch = fetch,
    .cancel = cancel,
};
static const struct lathe_plugin plugin = {
    LATHE_PLUGIN_INIT,
    .rights = LATHE_NEEDS_NETWORK | LATHE_NEEDS_FILES,
    .name = "@NAME@",
    .version = "0.1",
    .summary = "Runs a command on a text, detached",
    .license = "MIT",
    .kinds = kinds,
    .options = options,
    .device = "net",
    .isolation = LATHE_SHARED,
    .max_concurrency = 8,
    .create = create,
    .destroy = destroy,
    .remote = &remote,
};

const struct lathe_plugin *lathe_plugin_v1(void) {
  return &plugin;
}
