/* SPDX-License-Identifier: MIT
 *
 * @NAME@: a plugin of lathe.  The example counts the words of a text; put your work into count().
 *
 * Each job runs in a process of its own, forked after create(): it may leak and crash, and is
 * killed when it is cancelled.  What each function may do is in <lathe/plugin.h>.
 */
#include <lathe/plugin.h>

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct self { /* of the one backend that this process serves */
  const struct lathe_host *host;
  long long max_bytes;
};

struct task {                                  /* one job */
  char input[4200], words[4200], result[4200]; /* paths */
  json_int_t min_length, pause_ms;
  long long bytes, count, listed;
};

/* Says why, and gives the result that makes the job fail so. */
static int32_t fail(const struct self *self, struct lathe_job *job, int32_t result,
                    const char *what, const char *why) {
  char text[900];
  snprintf(text, sizeof text, "%.400s: %.400s", what, why);
  self->host->error(job, text);
  return result;
}

/* The specification is JSON that lathe has checked against the kind: every parameter is there. */
static int32_t read_task(const struct self *self, struct lathe_job *job,
                         const struct lathe_request *r, struct task *t) {
  json_error_t why;
  json_t *spec = json_loads(r->spec, 0, &why);
  const json_t *input = json_array_get(json_object_get(spec, "inputs"), 0);
  const char *name = json_string_value(json_object_get(input, "name"));
  struct stat st;
  if (!name) {
    json_decref(spec);
    return fail(self, job, LATHE_BAD_INPUT, "the specification",
                spec ? "it has no input" : why.text);
  }
  const json_t *params = json_object_get(spec, "params");
  t->min_length = json_integer_value(json_object_get(params, "min_length"));
  t->pause_ms = json_integer_value(json_object_get(params, "pause_ms"));
  snprintf(t->input, sizeof t->input, "%s/in/%s", r->workdir, name);
  snprintf(t->words, sizeof t->words, "%s/words.txt", r->workdir);
  snprintf(t->result, sizeof t->result, "%s/result.json", r->workdir);
  json_decref(spec);
  t->bytes = stat(t->input, &st) == 0 ? st.st_size : 0;
  if (t->bytes > self->max_bytes)
    return fail(self, job, LATHE_BAD_INPUT, "the text",
                "it is larger than this backend takes (max_bytes)");
  return LATHE_OK;
}

/* The work itself. */
static int32_t count(const struct self *self, struct lathe_job *job, struct task *t, FILE *in,
                     FILE *out) {
  char word[1001];
  while (fscanf(in, "%1000s", word) == 1) {
    t->count++;
    if ((json_int_t)strlen(word) >= t->min_length) {
      t->listed++;
      fprintf(out, "%s\n", word);
    }
    usleep((useconds_t)t->pause_ms * 1000);
    if (t->pause_ms > 0 || t->count % 1000 == 0) { /* now and then: how far, and whether to go on */
      self->host->progress(job, (int32_t)(ftell(in) * 1000 / (t->bytes + 1)), "count");
      if (self->host->cancelled(job))
        return LATHE_CANCELLED;
    }
  }
  return LATHE_OK;
}

static int32_t give_result(const struct self *self, struct lathe_job *job, const struct task *t) {
  FILE *f = fopen(t->result, "w");
  if (!f)
    return fail(self, job, LATHE_RETRY, t->result, strerror(errno));
  fprintf(f, "{\"words\": %lld, \"listed\": %lld}\n", t->count, t->listed);
  if (fclose(f) != 0)
    return fail(self, job, LATHE_RETRY, t->result, strerror(errno));
  int32_t rc = self->host->artifact(job, "words.txt", "words.txt", "text/plain");
  if (rc == LATHE_OK)
    rc = self->host->artifact(job, "result.json", "result.json", "application/json");
  return rc;
}

static const char *const kinds[] = {"@NAME@", NULL};

static int32_t run(void *data, struct lathe_job *job, const struct lathe_request *r) {
  const struct self *self = data;
  struct task t = {0};
  if (strcmp(r->kind, kinds[0]) != 0) /* a second kind in the table gets its own work here */
    return fail(self, job, LATHE_PERMANENT, r->kind, "this plugin does no such kind");
  int32_t rc = read_task(self, job, r, &t);
  if (rc != LATHE_OK)
    return rc;
  FILE *in = fopen(t.input, "r"), *out = fopen(t.words, "w");
  if (!in || !out)
    rc = fail(self, job, LATHE_RETRY, in ? t.words : t.input, strerror(errno));
  else
    rc = count(self, job, &t, in, out);
  if (in)
    fclose(in);
  if (out && fclose(out) != 0 && rc == LATHE_OK)
    rc = fail(self, job, LATHE_RETRY, t.words, strerror(errno));
  if (rc == LATHE_OK)
    self->host->progress(job, 1000, "count");
  self->host->report(job, "model", "\"spaces\""); /* a fact of this attempt, as JSON */
  return rc == LATHE_OK ? give_result(self, job, &t) : rc;
}

/* Once in each process: load and warm up here what every job needs. */
static int32_t create(const struct lathe_host *host, void **data) {
  struct self *self = calloc(1, sizeof *self);
  if (!self)
    return LATHE_RETRY_MEM;
  self->host = host;
  self->max_bytes = atoll(host->config(host, "max_bytes"));
  *data = self;
  return LATHE_OK;
}

static void destroy(void *self) {
  free(self);
}

static const struct lathe_option max_bytes = {
    .struct_size = sizeof max_bytes,
    .type = LATHE_BYTES,
    .key = "max_bytes",
    .fallback = "64M",
    .range = "1..",
    .help = "Largest text that is taken.",
};
static const struct lathe_option *const options[] = {&max_bytes, NULL};
static const struct lathe_plugin plugin = {
    LATHE_PLUGIN_INIT,
    .name = "@NAME@",
    .version = "0.1",
    .summary = "Counts the words of a text",
    .license = "MIT",
    .kinds = kinds,
    .options = options,
    .device = "cpu",
    .isolation = LATHE_FORK,
    .max_concurrency = 1,
    .create = create,
    .destroy = destroy,
    .run = run,
};

const struct lathe_plugin *lathe_plugin_v1(void) {
  return &plugin;
}
