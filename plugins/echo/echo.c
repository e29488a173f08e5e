/* SPDX-License-Identifier: MIT
 *
 * echo: gives its input back.  The smallest plugin that does everything a plugin can do, the no-op
 * of every throughput figure, and the place where tests make jobs fail on purpose.
 *
 * A no-op (no input, nothing asked) touches no file and allocates a few small objects for the JSON.
 */
#include <lathe/plugin.h>

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_MS = 1 /* how long a sleep goes on before cancelled() is asked again */ };

static const struct lathe_host *host; /* of the one instance in this process */

struct wish { /* the parameters, all checked by the daemon */
  json_int_t sleep_ms, steps, log_lines, output_bytes;
  const char *fail, *input; /* point into the parsed specification */
};

static struct wish read_wish(json_t *spec) {
  const json_t *p = json_object_get(spec, "params");
  const json_t *first = json_array_get(json_object_get(spec, "inputs"), 0);
  return (struct wish){
      .sleep_ms = json_integer_value(json_object_get(p, "sleep_ms")),
      .steps = json_integer_value(json_object_get(p, "steps")),
      .log_lines = json_integer_value(json_object_get(p, "log_lines")),
      .output_bytes = json_integer_value(json_object_get(p, "output_bytes")),
      .fail = json_string_value(json_object_get(p, "fail")),
      .input = json_string_value(json_object_get(first, "name")),
  };
}

static int64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* False: the job was cancelled meanwhile. */
static bool sleep_until(struct lathe_job *job, int64_t end_ms) {
  for (;;) {
    if (host->cancelled(job))
      return false;
    int64_t left = end_ms - now_ms();
    if (left <= 0)
      return true;
    long ms = left < LOOK_MS ? (long)left : LOOK_MS;
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL);
  }
}

static bool take_time(struct lathe_job *job, const struct wish *w) {
  int64_t start = now_ms();
  for (json_int_t i = 1; i <= w->steps; i++) {
    char what[60];
    if (!sleep_until(job, start + w->sleep_ms * i / w->steps))
      return false;
    snprintf(what, sizeof what, "echo %" JSON_INTEGER_FORMAT "/%" JSON_INTEGER_FORMAT, i, w->steps);
    host->progress(job, (int32_t)(i * 1000 / w->steps), what);
  }
  return w->sleep_ms == 0 || sleep_until(job, start + w->sleep_ms);
}

static int32_t fail_as_asked(struct lathe_job *job, const char *how) {
  static const struct {
    const char *word;
    int32_t result;
    const char *message;
  } ways[] = {
      {"bad_input", LATHE_BAD_INPUT, "the job asked to fail with bad_input; ask for fail=none"},
      {"retry", LATHE_RETRY, "the job asked to fail with retry; ask for fail=none"},
      {"permanent", LATHE_PERMANENT, "the job asked to fail with permanent; ask for fail=none"},
  };
  if (strcmp(how, "crash") == 0)
    abort();
  if (strcmp(how, "hang") == 0)
    for (;;)
      pause(); /* deaf to cancelled(), as a hung library is */
  for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
    if (strcmp(how, ways[i].word) == 0) {
      host->error(job, ways[i].message);
      return ways[i].result;
    }
  }
  host->error(job, "fail is none of: none bad_input retry permanent crash hang");
  return LATHE_BAD_INPUT;
}

static int32_t write_output(struct lathe_job *job, const struct lathe_request *r,
                            json_int_t bytes) {
  char path[4200], piece[65536], text[300];
  json_int_t done = 0;
  snprintf(path, sizeof path, "%s/output.bin", r->workdir);
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  memset(piece, 'e', sizeof piece);
  while (fd >= 0 && done < bytes && !host->cancelled(job)) {
    json_int_t left = bytes - done;
    ssize_t n = write(fd, piece, left < (json_int_t)sizeof piece ? (size_t)left : sizeof piece);
    if (n < 0 && errno != EINTR)
      break;
    done += n > 0 ? n : 0;
  }
  int why = errno;
  if (fd >= 0)
    close(fd);
  if (host->cancelled(job))
    return LATHE_CANCELLED;
  if (done == bytes)
    return host->artifact(job, "output.bin", "output.bin", "application/octet-stream");
  snprintf(text, sizeof text, "output.bin cannot be written: %s", strerror(why));
  host->error(job, text);
  return LATHE_RETRY;
}

static int32_t give_back(struct lathe_job *job, const char *input) {
  char path[300];
  snprintf(path, sizeof path, "in/%s", input);
  return host->artifact(job, input, path, "application/octet-stream");
}

static int32_t echo(struct lathe_job *job, const struct lathe_request *r, const struct wish *w) {
  int32_t rc = LATHE_OK;
  for (json_int_t i = 1; i <= w->log_lines; i++)
    printf("line %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT "\n", i, w->log_lines);
  if (!take_time(job, w))
    return LATHE_CANCELLED;
  if (w->fail && strcmp(w->fail, "none") != 0)
    return fail_as_asked(job, w->fail);
  if (w->output_bytes > 0)
    rc = write_output(job, r, w->output_bytes);
  if (rc == LATHE_OK && w->input)
    rc = give_back(job, w->input);
  return rc;
}

static int32_t run(void *self, struct lathe_job *job, const struct lathe_request *r) {
  (void)self;
  json_error_t why;
  if (strcmp(r->kind, "echo") != 0) {
    host->error(job, "this plugin does jobs of the kind echo only");
    return LATHE_BAD_INPUT;
  }
  json_t *spec = json_loads(r->spec, 0, &why);
  if (!spec) {
    host->error(job, why.text);
    return LATHE_BAD_INPUT;
  }
  struct wish w = read_wish(spec);
  int32_t rc = echo(job, r, &w);
  json_decref(spec);
  return rc;
}

static int32_t create(const struct lathe_host *h, void **self) {
  host = h;
  *self = NULL;
  return LATHE_OK;
}

static void destroy(void *self) {
  (void)self;
}

static const char *const kinds[] = {"echo", NULL};
static const struct lathe_option *const options[] = {NULL};
static const struct lathe_plugin plugin = {
    LATHE_PLUGIN_INIT,
    .name = "echo",
    .version = "1.0",
    .summary = "Gives its input back; for learning, tests and benchmarks",
    .license = "MIT",
    .kinds = kinds,
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
