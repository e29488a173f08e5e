/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <gmshc.h>
#include <jansson.h>
#include <lathe/plugin.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct shared { /* between the job's process and us */
  char error[2048], stages[512];
  char artifacts[32][64];
  int artifact_count, code;
};
static struct shared *shared; /* the callbacks get no context of ours but the job */

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static const char *host_config(const struct lathe_host *h, const char *key) {
  (void)h;
  return strcmp(key, "threads") == 0 ? "1" : NULL;
}

static void host_log(const struct lathe_host *h, struct lathe_job *job, int32_t level,
                     const char *msg) {
  (void)h;
  (void)job;
  fprintf(stderr, "log %d: %s\n", level, msg);
}

static void host_error(struct lathe_job *job, const char *msg) {
  (void)job;
  snprintf(shared->error, sizeof shared->error, "%s", msg);
}

static void host_retry_after(struct lathe_job *job, int64_t ms) {
  (void)job;
  (void)ms;
}

static void host_progress(struct lathe_job *job, int32_t permille, const char *what) {
  size_t len = strlen(shared->stages);
  (void)job;
  snprintf(shared->stages + len, sizeof shared->stages - len, "%s%s:%d", len ? " " : "", what,
           permille);
}

static int32_t host_cancelled(struct lathe_job *job) {
  (void)job;
  return 0;
}

static int32_t host_checkpoint(struct lathe_job *job, const void *ref, size_t len) {
  (void)job;
  (void)ref;
  (void)len;
  return LATHE_PERMANENT;
}

static int32_t host_artifact(struct lathe_job *job, const char *name, const char *relpath,
                             const char *media_type) {
  (void)job;
  (void)media_type;
  if (shared->artifact_count == 32 || access(relpath, R_OK) < 0)
    return LATHE_PERMANENT;
  snprintf(shared->artifacts[shared->artifact_count++], 64, "%s", name);
  return LATHE_OK;
}

static int32_t host_secret(const struct lathe_host *h, const char *name, char *buf, size_t *len) {
  (void)h;
  (void)name;
  (void)buf;
  (void)len;
  return LATHE_PERMANENT;
}

static const void *host_extension(const struct lathe_host *h, const char *id) {
  (void)h;
  (void)id;
  return NULL;
}

static const struct lathe_host HOST = {
    .struct_size = sizeof HOST,
    .abi_major = LATHE_ABI_MAJOR,
    .abi_minor = LATHE_ABI_MINOR,
    .config = host_config,
    .log = host_log,
    .error = host_error,
    .retry_after = host_retry_after,
    .progress = host_progress,
    .cancelled = host_cancelled,
    .checkpoint = host_checkpoint,
    .artifact = host_artifact,
    .secret = host_secret,
    .extension = host_extension,
};

static json_t *value_of(const char *text) {
  char *end = NULL;
  if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
    return json_boolean(text[0] == 't');
  if (text[0] == '{')
    return json_loads(text, 0, NULL);
  double number = strtod(text, &end);
  return end != text && *end == '\0' ? json_real(number) : json_string(text);
}

/* request->spec; free it. */
static char *make_spec(const struct bare_job *job, const char *name) {
  json_t *params = json_object();
  for (size_t i = 0; i < job->param_count; i++) {
    char key[64];
    const char *equals = strchr(job->params[i], '=');
    if (!equals)
      continue;
    snprintf(key, sizeof key, "%.*s", (int)(equals - job->params[i]), job->params[i]);
    json_object_set_new(params, key, value_of(equals + 1));
  }
  json_t *spec = json_pack("{s:o, s:[{s:s}]}", "params", params, "inputs", "name", name);
  char *text = json_dumps(spec, JSON_COMPACT);
  json_decref(spec);
  return text;
}

static bool make_folder(char *dir, const struct bare_job *job, const char *name) {
  char path[PATH_MAX], input[PATH_MAX];
  if (!job->out)
    snprintf(dir, PATH_MAX, "%s/gmsh-bare-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
  else
    snprintf(dir, PATH_MAX, "%s", job->out);
  if (!(job->out ? mkdir(dir, 0755) == 0 || errno == EEXIST : mkdtemp(dir) != NULL) ||
      !realpath(job->input, input))
    return false;
  char *real = realpath(dir, NULL);
  snprintf(dir, PATH_MAX, "%s", real ? real : dir);
  free(real);
  if (snprintf(path, sizeof path, "%s/in", dir) >= (int)sizeof path)
    return false;
  mkdir(path, 0755);
  if (snprintf(path, sizeof path, "%s/in/%s", dir, name) >= (int)sizeof path)
    return false;
  unlink(path);
  return symlink(input, path) == 0;
}

static void remove_files(const char *dir) {
  DIR *d = opendir(dir);
  for (struct dirent *e; d && (e = readdir(d)) != NULL;)
    unlinkat(dirfd(d), e->d_name, 0); /* folders stay */
  if (d)
    closedir(d);
}

static void remove_folder(const char *dir) {
  char in[PATH_MAX + 4];
  snprintf(in, sizeof in, "%s/in", dir);
  remove_files(in);
  rmdir(in);
  remove_files(dir);
  rmdir(dir);
}

static double ms_of(struct timeval t) {
  return (double)t.tv_sec * 1e3 + (double)t.tv_usec / 1e3;
}

static void report(const struct bare_job *job, int status, double ms, const struct rusage *used) {
  json_t *artifacts = json_array();
  for (int i = 0; i < shared->artifact_count; i++)
    json_array_append_new(artifacts, json_string(shared->artifacts[i]));
  int code = WIFSIGNALED(status) ? -WTERMSIG(status) : shared->code;
  json_t *o = json_pack("{s:s, s:i, s:s, s:s, s:o, s:f, s:f, s:f, s:I}", "kind", job->kind, "code",
                        code, "error", shared->error, "stages", shared->stages, "artifacts",
                        artifacts, "milliseconds", ms, "user_milliseconds", ms_of(used->ru_utime),
                        "system_milliseconds", ms_of(used->ru_stime), "page_faults",
                        (json_int_t)used->ru_minflt);
  char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
  printf("%s\n", text ? text : "{}");
  fflush(stdout);
  free(text);
  json_decref(o);
}

/* What the job prints goes to standard error, or nowhere. */
static void run(const struct bare_job *job, const struct lathe_plugin *plugin, void *self,
                const struct lathe_request *request) {
  int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (job->quiet)
    dup2(null, STDERR_FILENO);
  dup2(STDERR_FILENO, STDOUT_FILENO);
  close(null);
  shared->code = chdir(request->workdir) < 0 ? -1 : plugin->run(self, NULL, request);
  fflush(NULL);
}

/* As a host does it.  Returns how it ended. */
static int run_forked(const struct bare_job *job, const struct lathe_plugin *plugin, void *self,
                      const struct lathe_request *request, struct rusage *used) {
  int status = 0;
  pid_t pid = fork();
  if (pid == 0) {
    run(job, plugin, self, request);
    _exit(0);
  }
  while (wait4(pid, &status, 0, used) < 0 && errno == EINTR)
    ;
  return status;
}

/* In this process, which no host would do: what a fork costs shows beside it. */
static int run_here(const struct bare_job *job, const struct lathe_plugin *plugin, void *self,
                    const struct lathe_request *request, struct rusage *used) {
  struct rusage before;
  int kept[] = {dup(STDOUT_FILENO), dup(STDERR_FILENO)}, e = 0;
  getrusage(RUSAGE_SELF, &before);
  run(job, plugin, self, request);
  getrusage(RUSAGE_SELF, used);
  timersub(&used->ru_utime, &before.ru_utime, &used->ru_utime);
  timersub(&used->ru_stime, &before.ru_stime, &used->ru_stime);
  used->ru_minflt -= before.ru_minflt;
  gmshClear(&e);
  for (int i = 0; i < 2; i++) {
    dup2(kept[i], STDOUT_FILENO + i);
    close(kept[i]);
  }
  return 0;
}

static int one_job(const struct bare_job *job, const struct lathe_plugin *plugin, void *self) {
  char dir[PATH_MAX];
  const char *slash = strrchr(job->input, '/'), *name = slash ? slash + 1 : job->input;
  if (!make_folder(dir, job, name)) {
    fprintf(stderr, "no folder for the job: %s\n", strerror(errno));
    return -1;
  }
  char *spec = make_spec(job, name);
  struct lathe_request request = {.struct_size = sizeof request,
                                  .attempt = (uint32_t)job->attempt,
                                  .id = "bare",
                                  .kind = job->kind,
                                  .idem_key = "bare",
                                  .spec = spec,
                                  .workdir = dir};
  struct rusage used = {0};
  memset(shared, 0, sizeof *shared);
  double began = now_ms();
  int status = (job->here ? run_here : run_forked)(job, plugin, self, &request, &used);
  report(job, status, now_ms() - began, &used);
  free(spec);
  if (!job->out)
    remove_folder(dir);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : shared->code;
}

int host_run(const struct bare_job *job) {
  void *so = dlopen(job->plugin, RTLD_NOW | RTLD_LOCAL);
  const struct lathe_plugin *(*entry)(void) = NULL;
  void *self = NULL;
  int code = -1;
  if (so)
    *(void **)&entry = dlsym(so, "lathe_plugin_v1");
  if (!entry) {
    fprintf(stderr, "%s: %s\n", job->plugin, dlerror());
    return -1;
  }
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  double began = now_ms();
  if (shared == MAP_FAILED || entry()->create(&HOST, &self) != LATHE_OK) {
    fprintf(stderr, "%s: create() failed\n", job->plugin);
    return -1;
  }
  fprintf(stderr, "created in %.1f ms\n", now_ms() - began);
  for (int i = 0; i < job->repeat; i++)
    code = one_job(job, entry(), self);
  return code;
}
