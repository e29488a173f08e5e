/* SPDX-License-Identifier: MIT
 *
 * What is to be tried: files x sets x backends.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "base/nearest_word.h"
#include "base/units.h"
#include "bench/program.h"
#include "form.h"
#include "http_client.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

extern const unsigned char bench_sample_block[], bench_sample_bracket[];

static const struct {
  const char *name;
  const unsigned char *bytes;
} samples[] = {{"block.step", bench_sample_block}, {"bracket.step", bench_sample_bracket}};
enum { SAMPLES = sizeof samples / sizeof *samples };

enum {
  ROUNDS_MIN = 5,
  ROUNDS_MAX = 20,
  TIMEOUT_MAX_MS = 7 * 86400 * 1000,
  PATIENCE_MS = 3600 * 1000
};

/* What a result says of how good it is, where its kind does not name it. */
static const char *const usual_values[] = {"score", "total_elements", "total_nodes"};

void bench_plan_free(struct bench_plan *p) {
  for (size_t i = 0; p->inputs && i < p->bench.case_count; i++)
    free(p->inputs[i].blob);
  free(p->inputs);
  json_decref(p->values);
  free(p->timeout);
  free(p->results);
  bench_free(&p->bench);
}

/* ---- options ---- */

static char *now_text(void) {
  time_t now = (time_t)(clock_wall_us() / 1000000);
  char text[40];
  struct tm tm;
  strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
  return mem_dup(text);
}

static int take_share(const struct cli *c, double *share) {
  const char *text = option_get(c, "within");
  if (text && (units_share(text, share, NULL) != 0 || !(*share > 0) || *share > 1))
    return fail(CLI_USAGE, "--within takes a share, as 5%%, not \"%s\"", text);
  return CLI_OK;
}

static int take_timeout(const struct cli *c, struct bench_plan *p) {
  int64_t ms = 0;
  int code = option_duration(c, "timeout", &ms);
  if (code == CLI_OK && ms > TIMEOUT_MAX_MS)
    code = fail(CLI_USAGE, "--timeout %s is longer than a server takes; it goes up to 7d",
                option_get(c, "timeout"));
  if (code == CLI_OK && ms > 0)
    p->timeout = mem_printf("%lld.%03d", (long long)(ms / 1000), (int)(ms % 1000));
  return code;
}

static int take_numbers(struct cli *c, struct bench_plan *p) {
  struct bench *b = &p->bench;
  int64_t least = ROUNDS_MIN, most = -1, warmup = 1, prefer_ms = 2000;
  int64_t seed = clock_wall_us() % 1000000000;
  b->within = 0.05;
  p->patience_ms = PATIENCE_MS;
  if (option_int(c, "rounds", 1, BENCH_ROUNDS_MAX, &least) != CLI_OK ||
      option_int(c, "max-rounds", 1, BENCH_ROUNDS_MAX, &most) != CLI_OK ||
      option_int(c, "warmup", 0, 100, &warmup) != CLI_OK ||
      option_int(c, "seed", 0, INT64_MAX, &seed) != CLI_OK ||
      option_duration(c, "prefer-local", &prefer_ms) != CLI_OK ||
      option_duration(c, "patience", &p->patience_ms) != CLI_OK ||
      take_share(c, &b->within) != CLI_OK || take_timeout(c, p) != CLI_OK)
    return CLI_USAGE;
  if (most >= 0 && most < least)
    return fail(CLI_USAGE, "--max-rounds %lld is less than the %lld rounds of --rounds",
                (long long)most, (long long)least);
  b->rounds_min = (int)least;
  b->rounds_max = (int)(most >= 0 ? most : least > ROUNDS_MAX ? least : ROUNDS_MAX);
  b->warmup = (int)warmup;
  b->seed = (uint64_t)seed;
  b->prefer_local = (double)prefer_ms / 1000;
  b->timestamp = now_text();
  b->server = mem_dup(c->server);
  b->client_version = mem_dup(LATHE_VERSION);
  return CLI_OK;
}

/* ---- cases ---- */

/* -p of all sets, below those of the set. */
static int take_params(const struct cli *c, json_t *params) {
  size_t pos = 0;
  for (const char *text; (text = option_each(c, "param", &pos));) {
    const char *equals = strchr(text, '=');
    if (!equals || equals == text)
      return fail(CLI_USAGE, "-p takes name=value, not %s", text);
    json_object_setn_new(params, text, (size_t)(equals - text), json_string(equals + 1));
  }
  return CLI_OK;
}

static int take_sets(const struct cli *c, json_t *sets) {
  size_t pos = 0, i;
  json_t *params = json_object(), *set;
  int code = take_params(c, params);
  for (const char *text; code == CLI_OK && (text = option_each(c, "set", &pos));) {
    code = form_add_set(sets, text);
    set = json_array_get(sets, json_array_size(sets) - 1);
    if (code == CLI_OK && !json_object_get(set, "name")) /* what it sets is its name */
      json_object_set_new(set, "name", json_string(text));
  }
  if (json_array_size(sets) == 0)
    json_array_append_new(sets, json_pack("{s:s, s:{}}", "name", "", "params"));
  json_array_foreach(sets, i, set) {
    json_object_update_missing(json_object_get(set, "params"), params);
  }
  json_decref(params);
  return code;
}

static void add_cases(struct bench_plan *p, const json_t *sets, const char *name, int64_t bytes,
                      struct bench_input input) {
  struct bench *b = &p->bench;
  size_t i, count = b->case_count + json_array_size(sets);
  json_t *set;
  b->cases = mem_grow(b->cases, count * sizeof *b->cases);
  p->inputs = mem_grow(p->inputs, count * sizeof *p->inputs);
  json_array_foreach(sets, i, set) {
    const char *text = json_string_value(json_object_get(set, "name"));
    p->inputs[b->case_count] = input;
    b->cases[b->case_count++] = (struct bench_case){
        .file = mem_dup(name),
        .set = mem_dup(text ? text : ""),
        .bytes = bytes,
        .upload = NAN,
        .params = json_incref(json_object_get(set, "params")),
    };
  }
}

static int add_file(struct bench_plan *p, const json_t *sets, const char *path) {
  struct stat st;
  const char *slash = strrchr(path, '/');
  if (stat(path, &st) || access(path, R_OK))
    return fail(CLI_USAGE, "cannot read %s: %s", path, strerror(errno));
  if (!S_ISREG(st.st_mode))
    return fail(CLI_USAGE, "%s is not a regular file; a benchmark reads it again and again", path);
  add_cases(p, sets, slash ? slash + 1 : path, st.st_size, (struct bench_input){.path = path});
  return CLI_OK;
}

static bool takes_ending(const json_t *kind, const char *name) {
  const json_t *inputs = json_object_get(kind, "inputs"),
               *formats = json_object_get(inputs, "formats");
  size_t i, len = strlen(name);
  json_t *ending;
  json_array_foreach(formats, i, ending) {
    size_t end = json_string_length(ending);
    if (end && end < len && !strcasecmp(name + len - end, json_string_value(ending)))
      return true;
  }
  return false;
}

/* No file was named: the parts that ship with lathe, or none where the kind needs none. */
static int add_samples(struct bench_plan *p, const json_t *sets, const json_t *kind) {
  for (size_t i = 0; i < SAMPLES; i++)
    if (takes_ending(kind, samples[i].name))
      add_cases(p, sets, samples[i].name, (int64_t)strlen((const char *)samples[i].bytes),
                (struct bench_input){.sample = samples[i].bytes});
  if (p->bench.case_count)
    return CLI_OK;
  const json_t *inputs = json_object_get(kind, "inputs");
  if (json_real_of(inputs, "min") > 0)
    return fail(
        CLI_USAGE,
        "lathe has no sample for the kind %s; name files, as in: lathe bench --kind %s FILE",
        p->bench.kind, p->bench.kind);
  add_cases(p, sets, "", 0, (struct bench_input){0});
  return CLI_OK;
}

static int plan_cases(struct cli *c, struct bench_plan *p, const json_t *kind) {
  json_t *sets = json_array();
  int code = take_sets(c, sets);
  if (json_real_of(json_object_get(kind, "inputs"), "min") > 1)
    code = fail(CLI_USAGE, "the kind %s needs several inputs for a job, and lathe bench sends one",
                p->bench.kind);
  for (size_t i = 0; i < c->operand_count && code == CLI_OK; i++)
    code = add_file(p, sets, c->operands[i]);
  if (code == CLI_OK && c->operand_count == 0)
    code = add_samples(p, sets, kind);
  if (code == CLI_OK && p->bench.case_count > BENCH_CASES_MAX)
    code = fail(CLI_USAGE, "%zu files and sets are too many; a benchmark has at most %d",
                p->bench.case_count, BENCH_CASES_MAX);
  json_decref(sets);
  return code;
}

/* ---- backends ---- */

static bool has_text(const json_t *list, const char *text) {
  size_t i;
  json_t *one;
  json_array_foreach(list, i, one) {
    const char *value = json_string_value(one);
    if (value && !strcmp(value, text))
      return true;
  }
  return false;
}

static bool is_wanted(const struct cli *c, const char *name) {
  size_t pos = 0;
  bool any = false;
  for (const char *text; (text = option_each(c, "backend", &pos)); any = true)
    if (!strcmp(text, name))
      return true;
  return !any;
}

static const char *backend_at(const void *ctx, size_t i) {
  return json_text(json_array_get(ctx, i), "name");
}

/* Is each backend that was named one that does the kind? */
static int check_names(const struct cli *c, const struct bench *b, const json_t *list) {
  size_t pos = 0, i;
  json_t *one, *found;
  for (const char *text; (text = option_each(c, "backend", &pos));) {
    found = NULL;
    json_array_foreach(list, i, one) {
      if (!strcmp(json_text(one, "name"), text))
        found = one;
    }
    if (!found) {
      const char *near = words_nearest(text, backend_at, list, json_array_size(list));
      return fail(CLI_USAGE, "the server has no backend %s%s%s%s; `lathe backends` lists them",
                  text, near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    }
    /* One that is not ready may not know its kinds yet; it is told apart later. */
    if (!strcmp(json_text(found, "state"), "ready") &&
        !has_text(json_object_get(found, "kinds"), b->kind))
      return fail(CLI_USAGE,
                  "the backend %s does no jobs of the kind %s; `lathe backends` lists the kinds of "
                  "each, and --kind chooses one",
                  text, b->kind);
  }
  return CLI_OK;
}

/* Does it take jobs? */
static bool is_in_use(const json_t *backend) {
  return !strcmp(json_text(backend, "state"), "ready") &&
         !json_is_object(json_object_get(backend, "drained"));
}

static void add_backend(struct bench *b, const json_t *one) {
  const char *state = json_text(one, "state"), *message = json_text(one, "message");
  if (!strcmp(state, "ready")) {
    state = "drained";
    message = json_text(json_object_get(one, "drained"), "why");
  }
  b->backends[b->backend_count++] = (struct bench_backend){
      .name = mem_dup(json_text(one, "name")),
      .plugin = mem_dup(json_text(one, "plugin")),
      .version = mem_dup(json_text(one, "version")),
      .device = mem_dup(json_text(one, "device")),
      .local = !has_text(json_object_get(one, "rights"), "network"),
      .error = is_in_use(one) ? NULL
                              : mem_printf("it is %s%s%s", state, *message ? ": " : "", message)};
}

static int plan_backends(struct cli *c, struct bench_plan *p) {
  struct bench *b = &p->bench;
  json_t *document = NULL, *one;
  size_t i, ready = 0;
  int code = http_fetch(c, NULL, "/api/backends", "backends[]", &document);
  const json_t *list = json_object_get(document, "backends");
  if (code == CLI_OK)
    code = check_names(c, b, list);
  b->backends = mem_array(json_array_size(list) + 1, sizeof *b->backends);
  json_array_foreach(list, i, one) {
    b->others += (int64_t)(json_real_of(one, "running") + json_real_of(one, "queued"));
    bool named = option_get(c, "backend") && is_wanted(c, json_text(one, "name"));
    bool does = has_text(json_object_get(one, "kinds"), b->kind);
    if (code != CLI_OK || !(named || does) || !is_wanted(c, json_text(one, "name")))
      continue;
    if (b->backend_count < BENCH_BACKENDS_MAX)
      add_backend(b, one);
    ready += is_in_use(one);
  }
  if (code == CLI_OK && ready == 0)
    code = fail(CLI_SERVER,
                "no backend of the server is ready for the kind %s; `lathe backends` says why",
                b->kind);
  json_decref(document);
  return code;
}

/* ---- the whole ---- */

/* The kind says by which values its results are compared, or the usual ones are taken. */
static void plan_values(struct bench_plan *p, const json_t *kind) {
  size_t i;
  json_t *one;
  p->values = json_array();
  json_array_foreach(json_object_get(kind, "compare"), i, one) {
    if (*json_text(one, "value"))
      json_array_append(p->values, json_object_get(one, "value"));
  }
  for (i = 0; i < sizeof usual_values / sizeof *usual_values; i++)
    if (!has_text(p->values, usual_values[i]))
      json_array_append_new(p->values, json_string(usual_values[i]));
}

static int fetch_version(struct cli *c, struct bench *b) {
  json_t *health = NULL;
  int code = http_fetch(c, NULL, "/api/health", "version", &health);
  b->server_version = mem_dup(json_text(health, "version"));
  json_decref(health);
  return code;
}

int bench_plan_make(struct cli *c, struct bench_plan *p) {
  const char *kind_name = option_get(c, "kind");
  json_t *kind = NULL;
  p->bench.kind = mem_dup(kind_name ? kind_name : "mesh");
  int code = take_numbers(c, p);
  char *path = http_path(c, "/api/kinds/%s", p->bench.kind);
  if (code == CLI_OK)
    code = fetch_version(c, &p->bench);
  if (code == CLI_OK)
    code = http_fetch(c, NULL, path, "kind", &kind);
  if (code == CLI_OK)
    code = plan_cases(c, p, kind);
  if (code == CLI_OK)
    code = plan_backends(c, p);
  if (code == CLI_OK)
    plan_values(p, kind);
  json_decref(kind);
  free(path);
  return code;
}
