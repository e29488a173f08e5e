/* SPDX-License-Identifier: MIT */
#include "example.h"

#include "base/json64.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/sha256.h"
#include "sample.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { INPUT_BYTES_MAX = 512 << 20 };

/* ---- parameters ---- */

/* A value for a parameter that has no default. */
static json_t *invented(const struct kind *kind, const json_t *param) {
  json_t *example = kind_example(kind, json_string_value(json_object_get(param, "name")));
  const char *type = json_string_value(json_object_get(param, "type"));
  json_t *min = json_object_get(param, "min");
  if (example)
    return example;
  if (strcmp(type, "enum") == 0)
    return json_incref(json_array_get(json_object_get(param, "choices"), 0));
  if (strcmp(type, "bool") == 0)
    return json_false();
  if (strcmp(type, "array") == 0)
    return json_array();
  if (strcmp(type, "object") == 0 || strcmp(type, "json") == 0)
    return json_object();
  if (strcmp(type, "string") == 0)
    return json_string("example");
  return min ? json_incref(min) : json_integer(1);
}

/* Parameters from --params: those for this kind, and of those for all the ones that it has. */
static void add_given(const struct tool *t, const char *kind, const json_t *declared, json_t *to) {
  for (size_t i = 0; i < t->param_count; i++) {
    const struct given *g = &t->params[i];
    if (g->kind && strcmp(g->kind, kind) != 0)
      continue;
    json_t *object = json64_load(g->value, strlen(g->value), 0, NULL), *value;
    const char *key;
    json_object_foreach(object, key, value) {
      bool known = g->kind != NULL;
      for (size_t p = 0; p < json_array_size(declared); p++)
        known |= strcmp(json_string_value(json_object_get(json_array_get(declared, p), "name")),
                        key) == 0;
      if (known)
        json_object_set(to, key, value);
    }
    json_decref(object);
  }
}

/* The full object of parameters into `out`. */
static int put_params(const struct tool *t, const struct kind *kind, struct buf *out,
                      struct err *err) {
  const json_t *declared = json_object_get(kind_json(kind), "params");
  struct kind_faults faults = {0};
  json_t *params = json_object();
  for (size_t i = 0; i < json_array_size(declared); i++) {
    const json_t *p = json_array_get(declared, i);
    if (!json_object_get(p, "default"))
      json_object_set_new(params, json_string_value(json_object_get(p, "name")), invented(kind, p));
  }
  add_given(t, kind_name(kind), declared, params);
  int rc = kind_check(kind, params, 0, out, &faults);
  *err = faults.err;
  kind_faults_free(&faults);
  json_decref(params);
  return rc;
}

/* ---- inputs ---- */

/* The n-th --input for the kind; one without a kind is for all. */
static const char *given_input(const struct tool *t, const char *kind, size_t n) {
  for (size_t i = 0; i < t->input_count; i++) {
    const struct given *g = &t->inputs[i];
    if ((!g->kind || strcmp(g->kind, kind) == 0) && n-- == 0)
      return g->value;
  }
  return NULL;
}

/* The role of the n-th input: what must be there first.  NULL: the kind has no roles. */
static const struct kind_role *role_of(const struct kind *kind, size_t n) {
  size_t count;
  const struct kind_role *roles = kind_roles(kind, &count);
  for (size_t i = 0; i < count; i++) {
    if (n < (size_t)roles[i].min)
      return &roles[i];
    n -= (size_t)roles[i].min;
  }
  for (size_t i = 0; i < count; i++) {
    if (n < (size_t)(roles[i].max - roles[i].min))
      return &roles[i];
    n -= (size_t)(roles[i].max - roles[i].min);
  }
  return NULL;
}

/* The content and the name of the n-th input. */
static bool find_input(struct tool *t, const struct kind *kind, size_t n, struct buf *content,
                       char *name, size_t size) {
  const char *path = given_input(t, kind_name(kind), n), *ending = "";
  const struct kind_role *role = role_of(kind, n);
  const json_t *formats = json_object_get(json_object_get(kind_json(kind), "inputs"), "formats");
  formats = role && role->formats ? role->formats : formats;
  struct err err = {0};
  if (path) {
    char *data;
    size_t len;
    if (path_read_file(path, INPUT_BYTES_MAX, &data, &len, &err) < 0) {
      fail(t, "%s", err.text);
      return false;
    }
    buf_put(content, data, len);
    free(data);
    path_plain_name(path, name, size);
    return true;
  }
  bool found = json_array_size(formats) == 0 && sample_put("", content);
  for (size_t i = 0; !found && i < json_array_size(formats); i++) {
    ending = json_string_value(json_array_get(formats, i));
    found = sample_put(ending, content);
  }
  if (!found)
    skip(t, "no example of an input for the kind %s is known here; give one: --input %s=FILE",
         kind_name(kind), kind_name(kind));
  snprintf(name, size, "example%zu%s", n + 1, *ending ? ending : ".txt");
  return found;
}

static bool write_file(const char *path, const struct buf *content) {
  FILE *f = fopen(path, "w");
  if (!f)
    return false;
  bool ok = fwrite(content->data, 1, content->len, f) == content->len;
  return fclose(f) == 0 && ok;
}

static bool put_input(struct tool *t, const struct kind *kind, size_t n, struct example *e,
                      struct buf *spec) {
  struct buf content = {0};
  char hex[SHA256_HEX_SIZE];
  char *name = e->inputs[n].name;
  if (!find_input(t, kind, n, &content, name, sizeof e->inputs[n].name)) {
    buf_free(&content);
    return false;
  }
  e->inputs[n].path = mem_printf("%s/in/%s", e->workdir, name);
  e->inputs[n].blob = mem_printf("%s/blobs/%s-%zu", t->folder, e->id, n);
  e->input_count = n + 1;
  bool ok = write_file(e->inputs[n].blob, &content) &&
            link(e->inputs[n].blob, e->inputs[n].path) == 0;
  if (!ok)
    fail(t, "the input %s cannot be written: %s", e->inputs[n].path, strerror(errno));
  sha256_of(content.data, content.len, hex);
  buf_printf(spec, "%s{\"name\":", n ? "," : "");
  buf_put_json_str(spec, name);
  buf_printf(spec, ",\"bytes\":%zu,\"sha256\":\"%s\"", content.len, hex);
  if (role_of(kind, n))
    buf_printf(spec, ",\"role\":\"%s\"", role_of(kind, n)->name);
  buf_putc(spec, '}');
  buf_free(&content);
  return ok;
}

static size_t inputs_wanted(const struct tool *t, const struct kind *kind) {
  size_t n = 0;
  while (given_input(t, kind_name(kind), n))
    n++;
  if (n == 0)
    n = kind_inputs_min(kind) > 0 ? (size_t)kind_inputs_min(kind) : kind_inputs_max(kind) > 0;
  if (n > (size_t)kind_inputs_max(kind))
    n = (size_t)kind_inputs_max(kind);
  return n > INPUTS_MAX ? INPUTS_MAX : n;
}

static void example_make_folder(const struct example *e) {
  char *in = path_join(e->workdir, "in");
  mkdir(e->workdir, 0700);
  mkdir(in, 0700);
  free(in);
}

bool example_make(struct tool *t, const char *kind_word, const char *name, struct example *e) {
  const struct kind *kind = kinds_find(t->kinds, kind_word);
  static int count; /* no two jobs have one key */
  struct buf spec = {0};
  struct err err = {0};
  *e = (struct example){.kind = kind_word, .workdir = path_join(t->folder, name)};
  count++;
  snprintf(e->id, sizeof e->id, "01CHECK%d%d", (int)getpid(), count);
  snprintf(e->idem_key, sizeof e->idem_key, "check-%llu-%d-%d", (unsigned long long)now_ms(),
           (int)getpid(), count);
  char *blobs = path_join(t->folder, "blobs");
  mkdir(blobs, 0700);
  free(blobs);
  example_make_folder(e);
  buf_puts(&spec, "{\"params\":");
  bool ok = put_params(t, kind, &spec, &err) == 0;
  if (!ok)
    fail(t, "the parameters for %s: %s", kind_word, err.text);
  buf_puts(&spec, ",\"inputs\":[");
  for (size_t i = 0; ok && i < inputs_wanted(t, kind); i++)
    ok = put_input(t, kind, i, e, &spec);
  buf_puts(&spec, "]}");
  e->spec = buf_take(&spec);
  return ok;
}

void example_again(struct tool *t, struct example *e) {
  path_remove_tree(e->workdir, NULL);
  example_make_folder(e);
  for (size_t i = 0; i < e->input_count; i++)
    if (link(e->inputs[i].blob, e->inputs[i].path) < 0)
      fail(t, "the input %s cannot be made: %s", e->inputs[i].path, strerror(errno));
}

void example_free(struct example *e) {
  path_remove_tree(e->workdir, NULL);
  for (size_t i = 0; i < e->input_count; i++) {
    unlink(e->inputs[i].blob);
    free(e->inputs[i].blob);
    free(e->inputs[i].path);
  }
  free(e->workdir);
  free(e->spec);
}

/* ---- what came of it ---- */

/* "*" stands for the name of the input; "frame-*.png" for each such name. */
static bool is_declared(const struct example *e, const json_t *artifact, const char *name) {
  const char *declared = json_string_value(json_object_get(artifact, "name"));
  if (strcmp(declared, "*") != 0)
    return kind_glob_fits(declared, name);
  for (size_t i = 0; i < e->input_count; i++)
    if (strcmp(e->inputs[i].name, name) == 0)
      return true;
  return false;
}

static void check_given(struct tool *t, const struct example *e, const json_t *declared,
                        const struct given_artifact *g) {
  const json_t *found = NULL;
  if (strcmp(g->name, "result.json") == 0) /* the job's result, whatever its kind */
    return;
  for (size_t i = 0; !found && i < json_array_size(declared); i++)
    if (is_declared(e, json_array_get(declared, i), g->name))
      found = json_array_get(declared, i);
  if (!found) {
    fail(t, "%s gave the artifact %s, which the kind does not declare", e->kind, g->name);
    return;
  }
  const char *type = json_string_value(json_object_get(found, "media_type"));
  if (strcmp(type, g->media_type) != 0)
    fail(t, "%s gave the artifact %s as %s and the kind declares %s", e->kind, g->name,
         g->media_type, type);
}

void example_check_artifacts(struct tool *t, const struct example *e,
                             const struct given_artifact *given, size_t count) {
  const json_t *declared = json_object_get(kind_json(kinds_find(t->kinds, e->kind)), "artifacts");
  for (size_t i = 0; i < count; i++)
    check_given(t, e, declared, &given[i]);
  for (size_t i = 0; i < json_array_size(declared); i++) {
    const json_t *a = json_array_get(declared, i);
    bool found = json_is_true(json_object_get(a, "optional"));
    for (size_t g = 0; !found && g < count; g++)
      found = is_declared(e, a, given[g].name);
    if (!found)
      fail(t, "%s did not give the artifact %s, which the kind declares and does not call optional",
           e->kind, json_string_value(json_object_get(a, "name")));
  }
}
