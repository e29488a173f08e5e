/* SPDX-License-Identifier: MIT
 *
 * Refusals name the entry that they are about: files[3] 'part.step', sets[1] 'fine'.
 */
#include "api/batch_request.h"

#include "api/fields.h"
#include "base/json64.h"
#include "base/mem.h"
#include "base/path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Some system calls for each: with so many the loop is held for some milliseconds. */
enum { CHECKED_AT_ONCE = 100 };

struct batch_reading { /* of a request, while it is parsed */
  struct batch_request *b;
  json_t *base, *list; /* of "params": an object, or a list of sets without names */
  json_t *sets, *files;
  char *kind;         /* its name */
  json_t *fields;     /* parameters that came as fields of a form */
  struct map by_name; /* of the sets */
  bool from_text, has_files;
  size_t jobs_max; /* as configured when the request came: a reload may come meanwhile */
  struct refusal *no;
};

/* `no` says what; the entry goes in front of it. */
static int refuse_entry(struct refusal *no, const char *list, size_t i, const char *name) {
  struct err why = no->err;
  return err_set(&no->err, ERR_INVAL, "%s[%zu]%s%.100s%s: %s", list, i, name[0] ? " '" : "", name,
                 name[0] ? "'" : "", why.text);
}

/* ---- keys ---- */

/* A member that came as the text of a form's field is JSON in it. */
static int set_json(struct batch_reading *f, const char *key, const json_t *v, json_t **out) {
  json_t *value = f->from_text && json_is_string(v) ? fields_json_text(key, v, f->no)
                                                    : json_incref((json_t *)v);
  if (!value)
    return ERR_INVAL;
  json_decref(*out);
  *out = value;
  return 0;
}

static int set_params(struct batch_reading *f, const json_t *v) {
  json_t *value = NULL;
  int rc = set_json(f, "params", v, &value);
  if (rc == 0 && json_is_array(value))
    f->list = value;
  else if (rc == 0 && json_is_object(value))
    f->base = value;
  else
    json_decref(value);
  if (rc == 0 && !f->list && !f->base && !json_is_null(v))
    return refuse(f->no, "bad-parameter", "params must be an object, or a list of objects.");
  return rc;
}

static int set_sets(struct batch_reading *f, const json_t *v) {
  int rc = set_json(f, "sets", v, &f->sets);
  if (rc == 0 && !json_is_array(f->sets))
    return refuse(f->no, "bad-parameter",
                  "sets must be a list of {\"name\": ..., \"params\": {...}}.");
  return rc;
}

static int set_files(struct batch_reading *f, const json_t *v) {
  int rc = set_json(f, "files", v, &f->files);
  f->has_files = true;
  if (rc == 0 && !json_is_array(f->files))
    return refuse(f->no, "bad-input", "files must be a list of inputs.");
  if (rc == 0 && json_array_size(f->files) == 0)
    return refuse(f->no, "bad-input", "files is empty; a batch needs at least one.");
  return rc;
}

static int set_name(struct batch_reading *f, const json_t *v) {
  if (!json_is_string(v) || json_string_length(v) > 200)
    return refuse(f->no, "bad-parameter", "name must be text of at most 200 bytes.");
  free(f->b->name);
  f->b->name = mem_dup(json_string_value(v));
  return 0;
}

static int set_kind(struct batch_reading *f, const json_t *v) {
  if (!json_is_string(v))
    return refuse(f->no, "bad-parameter", "kind must be the name of a kind.");
  free(f->kind);
  f->kind = mem_dup(json_string_value(v));
  return 0;
}

static const struct {
  const char *name;
  int (*set)(struct batch_reading *f, const json_t *v);
} keys[] = {{"kind", set_kind},
            {"name", set_name},
            {"params", set_params},
            {"sets", set_sets},
            {"files", set_files}};

static const char *const names[] = {"kind",    "files",    "params",    "sets",  "name",
                                    "backend", "priority", "timeout_s", "client"};

static int set_key(struct batch_reading *f, const char *key, const json_t *v) {
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
    if (strcmp(keys[i].name, key) == 0)
      return keys[i].set(f, v);
  int rc = submission_set(&f->b->s, key, v, f->from_text, f->no);
  if (rc != 1)
    return rc;
  if (f->from_text)
    return json_object_set(f->fields, key, (json_t *)v);
  return fields_unknown(f->no, "unknown-parameter", "The body has no key", key, names,
                        sizeof names / sizeof *names);
}

/* ---- files ---- */

static struct inputs *add_entry(struct batch_request *b) {
  if (b->file_count == b->file_cap) {
    b->file_cap = b->file_cap ? b->file_cap * 2 : 16;
    b->files = mem_grow(b->files, b->file_cap * sizeof *b->files);
  }
  struct inputs *in = &b->files[b->file_count++];
  *in = (struct inputs){0};
  return in;
}

static int add_upload(void *arg, struct api_file *file) {
  struct batch_request *b = arg;
  input_take(inputs_add(add_entry(b), file->name, &b->s.no), file);
  return 0;
}

static int add_listed(struct batch_reading *f) {
  size_t i;
  json_t *one;
  json_array_foreach(f->files, i, one) {
    struct inputs *in = add_entry(f->b);
    int rc = inputs_parse(in, one, NULL, f->no);
    const char *name = json_string_value(json_object_get(one, "name"));
    if (rc < 0)
      return refuse_entry(f->no, "files", i, name ? name : "");
    if (in->count == 0) {
      refuse(f->no, "bad-input",
             "it is empty; give a blob's id, {\"name\", \"blob\" or \"data\"}, "
             "or a list of those.");
      return refuse_entry(f->no, "files", i, "");
    }
  }
  return 0;
}

static const char *name_of(const struct inputs *in) {
  return in->count > 0 ? in->list[0].name : "";
}

static int need_files(struct batch_reading *f) {
  struct batch_request *b = f->b;
  if (b->file_count == 0 && kind_inputs_min(b->s.kind) > 0)
    return refuse(f->no, "bad-input",
                  "There are no files. Send them as parts 'file' of a form, or in the JSON as "
                  "'files'.");
  if (b->file_count == 0)
    add_entry(b);
  return 0;
}

bool batch_check_files(struct batch_request *b) {
  struct submission *s = &b->s;
  for (size_t n = 0; b->at < b->file_count && n < CHECKED_AT_ONCE; b->at++, n++) {
    s->rc = inputs_check(s->call.api, &b->files[b->at], s->kind, &s->no);
    if (s->rc < 0)
      s->rc = refuse_entry(&s->no, "files", b->at, name_of(&b->files[b->at]));
    if (s->rc < 0)
      return false;
  }
  if (b->at < b->file_count)
    return true;
  b->at = 0;
  return false;
}

/* ---- sets ---- */

/* The set's own parameters over those of all sets. */
static json_t *merged(const struct batch_reading *f, const json_t *own) {
  json_t *all = json_object();
  json_object_update(all, f->fields);
  const json_t *parts[] = {f->base, own};
  for (int i = 0; i < 2; i++) {
    if (f->from_text)
      fields_add_as_text(all, parts[i]);
    else if (parts[i])
      json_object_update(all, (json_t *)parts[i]);
  }
  return all;
}

/* The parameters that were given, with the values that they have once they are checked. */
static json_t *as_checked(const json_t *given, const char *checked) {
  json_t *all = checked ? json64_load(checked, strlen(checked), 0, NULL) : NULL,
         *out = json_object();
  const char *key;
  json_t *v;
  json_object_foreach((json_t *)given, key, v) if (json_object_get(all, key))
      json_object_set(out, key, json_object_get(all, key));
  json_decref(all);
  return out;
}

static int add_set(struct batch_reading *f, const char *name, const json_t *own, json_t *shown) {
  struct batch_request *b = f->b;
  struct batch_set *set = &b->sets[b->set_count++];
  set->name = mem_dup(name);
  map_put(&f->by_name, set->name, set);
  json_t *all = merged(f, own);
  int rc = submission_check_params(b->s.kind, all, f->from_text, &set->params, f->no);
  json_array_append_new(
      shown, json_pack("{s:s, s:o}", "name", name, "params", as_checked(all, set->params.data)));
  json_decref(all);
  return rc;
}

/* One element of "sets" or of a list in "params". */
static int read_set(struct batch_reading *f, const char *list, size_t i, const json_t *one,
                    bool named, json_t *shown) {
  const json_t *params = named ? json_object_get(one, "params") : one;
  const char *name = named ? json_string_value(json_object_get(one, "name")) : NULL, *key;
  static const char *const of_a_set[] = {"name", "params"};
  char number[24];
  json_t *v;
  snprintf(number, sizeof number, "%zu", i + 1);
  int rc = 0;
  if (!json_is_object(one) || (params && !json_is_object(params)))
    rc = refuse(f->no, "bad-parameter", "it must be %s.",
                named ? "{\"name\": ..., \"params\": {...}}" : "an object of parameters");
  if (named)
    json_object_foreach((json_t *)one, key,
                        v) if (rc == 0 && strcmp(key, "name") != 0 && strcmp(key, "params") != 0)
        rc = fields_unknown(f->no, "unknown-parameter", "a set has no key", key, of_a_set, 2);
  if (rc == 0 && name && (!*name || strlen(name) > 60))
    rc = refuse(f->no, "bad-parameter", "its name must have 1 to 60 bytes.");
  const struct batch_set *same = name && rc == 0 ? map_get(&f->by_name, name) : NULL;
  if (same)
    rc = refuse(f->no, "bad-parameter", "sets[%zu] has the same name; names of sets differ.",
                (size_t)(same - f->b->sets));
  if (rc == 0)
    rc = add_set(f, name ? name : number, params, shown);
  return rc < 0 ? refuse_entry(f->no, list, i, name ? name : "") : 0;
}

static int read_sets(struct batch_reading *f) {
  json_t *shown = json_array();
  const char *list = f->list ? "params" : "sets";
  const json_t *sets = f->list ? f->list : f->sets;
  int rc = 0;
  if (f->list && f->sets)
    rc = refuse(f->no, "bad-parameter",
                "params is a list, and sets are given too; give one of them.");
  else if (sets && json_array_size(sets) == 0)
    rc = refuse(f->no, "bad-parameter", "%s is empty; leave it out for the defaults.", list);
  f->b->sets = mem_array(json_array_size(sets) + 1, sizeof *f->b->sets);
  for (size_t i = 0; i < json_array_size(sets) && rc == 0; i++)
    rc = read_set(f, list, i, json_array_get(sets, i), !f->list, shown);
  if (!sets && rc == 0)
    rc = add_set(f, "", NULL, shown);
  f->b->sets_json = json64_dump(shown, JSON_COMPACT);
  json_decref(shown);
  return rc;
}

/* ---- the whole ---- */

static int read_keys(struct batch_reading *f) {
  const struct submission *s = &f->b->s;
  json_t *body = NULL, *v;
  const char *key;
  f->from_text = s->is_form;
  int rc = f->from_text ? fields_form(s->content, &body, f->no)
                        : fields_json(s->content, s->media_type, &body, f->no);
  if (rc == 0 && !json_is_object(body))
    rc = refuse(f->no, "bad-request", "The body must be a JSON object or a form.");
  if (rc == 0)
    json_object_foreach(body, key, v) if (rc == 0) rc = set_key(f, key, v);
  json_decref(body);
  return rc < 0 ? rc : 0;
}

/* Fields that are not keys must be parameters of the kind, which is known by now. */
static int check_fields(struct batch_reading *f) {
  const char *key;
  json_t *v;
  int rc = 1;
  json_object_foreach(f->fields, key, v) if (rc == 1)
      rc = fields_misspelt(f->b->s.kind, key, names, sizeof names / sizeof *names, f->no);
  return rc < 0 ? rc : 0;
}

static int check_count(struct batch_reading *f) {
  const struct batch_request *b = f->b;
  size_t files = b->file_count ? b->file_count : 1, jobs = files * b->set_count;
  size_t max = f->jobs_max;
  if (jobs > max)
    return refuse(
        f->no, "too-large",
        "%zu %s times %zu %s makes %zu jobs; a batch has at most %zu, so send it in parts.", files,
        files == 1 ? "file" : "files", b->set_count, b->set_count == 1 ? "set" : "sets", jobs, max);
  return 0;
}

static void reading_free(struct batch_request *b) {
  struct batch_reading *f = b->reading;
  if (!f)
    return;
  json_decref(f->base);
  json_decref(f->list);
  json_decref(f->sets);
  json_decref(f->files);
  json_decref(f->fields);
  map_free(&f->by_name);
  free(f->kind);
  free(f);
  b->reading = NULL;
}

void batch_begin(struct batch_request *b) {
  b->reading = mem_alloc(sizeof *b->reading);
  *b->reading = (struct batch_reading){.b = b,
                                       .no = &b->s.no,
                                       .fields = json_object(),
                                       .jobs_max = (size_t)b->s.call.api->options.batch_max};
  b->s.rc = submission_take(&b->s, add_upload, b);
}

void batch_digest_keys(void *batch_request) {
  struct batch_request *b = batch_request;
  b->s.rc = read_keys(b->reading);
  http_content_forget(b->s.content);
}

static int find_kind(struct batch_reading *f) {
  const struct kinds *kinds = f->b->s.call.api->at.kinds;
  const char *word = f->kind;
  if (!word)
    return refuse(f->no, "bad-request",
                  "The body does not say which 'kind'; GET /api/kinds lists all.");
  f->b->s.kind = kinds_find(kinds, word);
  if (f->b->s.kind)
    return 0;
  const char *near = kinds_nearest(kinds, word);
  return refuse(f->no, "unknown-kind", "There is no kind '%.60s'%s%s%s GET /api/kinds lists all.",
                word, near ? "; did you mean '" : ".", near ? near : "", near ? "'?" : "");
}

void batch_keys_known(struct batch_request *b) {
  struct submission *s = &b->s;
  s->rc = find_kind(b->reading);
  if (s->rc == 0)
    s->rc = check_fields(b->reading);
  if (s->rc == 0)
    s->rc = submission_check_backend(s, &s->no);
  submission_client(s);
}

void batch_digest_lists(void *batch_request) {
  struct batch_request *b = batch_request;
  struct batch_reading *f = b->reading;
  int rc = read_sets(f);
  if (rc == 0)
    rc = add_listed(f);
  if (rc == 0)
    rc = check_count(f);
  if (rc == 0)
    rc = need_files(f);
  b->s.rc = rc;
  reading_free(b);
}

/* ---- jobs ---- */

/* "12-part-fine": one that no other job of the batch has, whatever the files are called. */
static void name_folder(char out[201], size_t n, const char *file, const char *set) {
  char text[400];
  const char *dot = strrchr(file, '.');
  int stem = (int)(dot && dot > file ? (size_t)(dot - file) : strlen(file));
  snprintf(text, sizeof text, "%zu%s%.*s%s%s", n, stem ? "-" : "", stem < 110 ? stem : 110, file,
           set[0] ? "-" : "", set);
  for (char *p = text; *p; p++)
    if (*p == '/' || *p == '\\')
      *p = '_';
  path_plain_name(text, out, 201);
}

void batch_make_jobs(void *batch_request) {
  struct batch_request *b = batch_request;
  size_t count = b->file_count * b->set_count, total = 0, n = 0, at = 0;
  struct jobs_request *jobs = mem_array(count, sizeof *jobs);
  struct record_batch_item *items = mem_array(count, sizeof *items);
  for (size_t i = 0; i < b->file_count; i++)
    total += b->files[i].count;
  b->inputs = mem_array(total + 1, sizeof *b->inputs);
  b->folders = mem_array(count, sizeof *b->folders);
  for (size_t i = 0; i < b->file_count; i++) {
    const struct inputs *in = &b->files[i];
    const struct record_input *first = &b->inputs[at];
    for (size_t k = 0; k < in->count; k++)
      b->inputs[at++] = input_record(&in->list[k]);
    for (size_t k = 0; k < b->set_count; k++, n++) {
      name_folder(b->folders[n], n + 1, name_of(in), b->sets[k].name);
      items[n] = (struct record_batch_item){name_of(in), b->sets[k].name, b->folders[n]};
      jobs[n] = (struct jobs_request){.kind = b->s.kind,
                                      .client = b->s.client ? b->s.client : "",
                                      .pin = b->s.backend,
                                      .priority = b->s.priority,
                                      .timeout_ms = b->s.timeout_ms,
                                      .params_json = b->sets[k].params.data,
                                      .inputs = first,
                                      .input_count = in->count,
                                      .anew = b->s.anew};
    }
  }
  b->batch = (struct jobs_batch){.name = b->name ? b->name : "",
                                 .sets_json = b->sets_json,
                                 .jobs = jobs,
                                 .items = items,
                                 .count = count};
  if (!b->s.idem_key)
    return;
  struct sha256 *h = sha256_begin();
  fingerprint_common(h, &b->s);
  fingerprint_text(h, b->name);
  fingerprint_text(h, b->sets_json);
  for (size_t i = 0; i < b->file_count; i++)
    fingerprint_inputs(h, &b->files[i]);
  sha256_end(h, b->s.fingerprint);
  b->batch.idem_key = b->s.idem_key;
  b->batch.fingerprint = b->s.fingerprint;
}

void batch_request_free(struct batch_request *b, bool refused) {
  struct api *a = b->s.call.api;
  storing_abort(&b->s.storing);
  reading_free(b);
  http_content_free(b->s.content);
  free(b->s.media_type);
  for (size_t i = 0; i < b->file_count; i++)
    inputs_release(a, &b->files[i], refused);
  for (size_t i = 0; i < b->set_count; i++) {
    free(b->sets[i].name);
    buf_free(&b->sets[i].params);
  }
  free((void *)b->batch.jobs);
  free((void *)b->batch.items);
  free(b->inputs);
  free(b->folders);
  free(b->files);
  free(b->sets);
  free(b->sets_json);
  free(b->name);
  free(b->s.backend);
  free(b->s.client);
  free(b->s.idem_key);
  free(b->s.no.errors);
  free(b);
}
