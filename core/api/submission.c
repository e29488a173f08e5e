/* SPDX-License-Identifier: MIT
 *
 * The keys that every kind has are a table; all other fields of a form are parameters of the kind.
 * In JSON parameters lie in "params", and an unknown key beside it is a mistake worth saying.
 */
#include "api/submission.h"

#include "api/fields.h"
#include "api/upload.h"
#include "api/via.h"
#include "base/json64.h"
#include "base/mem.h"
#include "base/sha256.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TIMEOUT_MAX_S 604800.0

struct fields { /* of a request, while it is parsed */
  struct submission *s;
  json_t *params;         /* object, or NULL */
  const json_t *input;    /* borrowed */
  const char *input_name; /* borrowed */
  json_t *form;           /* keeps the texts of a form alive */
  bool from_text;
  struct refusal *no;
};

/* ---- the reserved keys ---- */

static int set_backend(struct fields *f, const json_t *v) {
  if (json_is_null(v))
    return 0;
  if (!json_is_string(v))
    return refuse(f->no, "bad-parameter", "backend must be the name of a backend.");
  free(f->s->backend);
  f->s->backend = json_string_length(v) ? mem_dup(json_string_value(v)) : NULL;
  return 0;
}

/* A number, or its text where the request is a form. */
static bool number_of(const struct fields *f, const json_t *v, double *out) {
  char *rest;
  if (json_is_number(v)) {
    *out = json_number_value(v);
    return isfinite(*out);
  }
  if (!f->from_text || !json_is_string(v) || !json_string_length(v))
    return false;
  *out = strtod(json_string_value(v), &rest);
  return *rest == 0 && isfinite(*out);
}

static int set_priority(struct fields *f, const json_t *v) {
  double n;
  if (json_is_null(v))
    return 0;
  if (!number_of(f, v, &n) || n < -100 || n > 100 || n != (int)n)
    return refuse(f->no, "bad-parameter", "priority must be a whole number from -100 to 100.");
  f->s->priority = (int)n;
  return 0;
}

static int set_timeout(struct fields *f, const json_t *v) {
  double n;
  if (json_is_null(v))
    return 0;
  if (!number_of(f, v, &n) || n < 0 || n > TIMEOUT_MAX_S)
    return refuse(f->no, "bad-parameter",
                  "timeout_s must be a number of seconds from 0 (the kind's own) to %.0f.",
                  TIMEOUT_MAX_S);
  f->s->timeout_ms = (int64_t)(n * 1000 + 0.999);
  return 0;
}

static int set_client(struct fields *f, const json_t *v) {
  if (json_is_null(v))
    return 0;
  if (!json_is_string(v) || json_string_length(v) > 100)
    return refuse(f->no, "bad-parameter", "client must be text of at most 100 bytes.");
  free(f->s->client);
  f->s->client = mem_dup(json_string_value(v));
  return 0;
}

static int set_params(struct fields *f, const json_t *v) {
  if (json_is_null(v))
    return 0;
  json_t *object = f->from_text && json_is_string(v) ? fields_json_text("params", v, f->no)
                                                     : json_incref((json_t *)v);
  if (!object)
    return ERR_INVAL;
  if (!json_is_object(object)) {
    json_decref(object);
    return refuse(f->no, "bad-parameter", "params must be a JSON object.");
  }
  json_decref(f->params);
  f->params = object;
  return 0;
}

static int set_input(struct fields *f, const json_t *v) {
  f->input = v;
  return 0;
}

static int set_input_name(struct fields *f, const json_t *v) {
  if (json_is_null(v))
    return 0;
  if (!json_is_string(v))
    return refuse(f->no, "bad-parameter", "input_name must be text.");
  f->input_name = json_string_value(v);
  return 0;
}

struct reserved {
  const char *name;
  int (*set)(struct fields *f, const json_t *v);
};
static const struct reserved common[] = {{"backend", set_backend},
                                         {"priority", set_priority},
                                         {"timeout_s", set_timeout},
                                         {"client", set_client},
                                         {NULL, NULL}};
static const struct reserved of_a_job[] = {
    {"input", set_input}, {"input_name", set_input_name}, {"params", set_params}, {NULL, NULL}};

static int set_one(const struct reserved *table, struct fields *f, const char *key,
                   const json_t *v) {
  for (; table->name; table++)
    if (strcmp(table->name, key) == 0)
      return table->set(f, v);
  return 1;
}

int submission_set(struct submission *s, const char *key, const json_t *v, bool from_text,
                   struct refusal *no) {
  struct fields f = {.s = s, .from_text = from_text, .no = no};
  return set_one(common, &f, key, v);
}

/* 1: the key is not a reserved one. */
static int set_reserved(struct fields *f, const char *key, const json_t *v) {
  int rc = set_one(of_a_job, f, key, v);
  return rc == 1 ? set_one(common, f, key, v) : rc;
}

/* ---- JSON ---- */

static const char *const names[] = {"input",    "input_name", "params", "backend",
                                    "priority", "timeout_s",  "client"};

static int parse_json(struct fields *f, const json_t *body) {
  const char *key;
  json_t *v;
  if (!json_is_object(body))
    return refuse(f->no, "bad-request",
                  "The body must be a JSON object, or a form (multipart/form-data).");
  json_object_foreach((json_t *)body, key, v) {
    int rc = set_reserved(f, key, v);
    if (rc < 0)
      return rc;
    if (rc == 1 && fields_is_param(f->s->kind, key))
      return refuse(f->no, "unknown-parameter",
                    "The body has no key '%.60s'; it is a parameter of the kind and goes into "
                    "\"params\".",
                    key);
    if (rc == 1)
      return fields_unknown(f->no, "unknown-parameter", "The body has no key", key, names,
                            sizeof names / sizeof *names);
  }
  return f->input ? inputs_parse(&f->s->inputs, f->input, f->input_name, f->no) : 0;
}

/* ---- forms ---- */

static int add_file(void *arg, struct api_file *file) {
  struct submission *s = arg;
  struct input *x = inputs_add(&s->inputs, file->name, &s->no);
  if (!x)
    return ERR_INVAL;
  input_take(x, file);
  const struct kind_role *role = kind_role(s->kind, file->field);
  snprintf(x->role, sizeof x->role, "%.60s", role ? role->name : "");
  return 0;
}

/* Parameters given as fields are text; those of `params` become text too where both are used. */
static int merge_params(struct fields *f, json_t *fields) {
  const char *key;
  json_t *v;
  if (json_object_size(fields) == 0) {
    f->from_text = false;
    return 0;
  }
  json_object_foreach(f->params, key, v) if (json_object_get(fields, key)) return refuse(
      f->no, "bad-parameter",
      "The parameter '%.60s' is given as a field and in params; give it once.", key);
  fields_add_as_text(fields, f->params);
  json_decref(f->params);
  f->params = json_incref(fields);
  return 0;
}

static int parse_form(struct fields *f) {
  const char *key;
  json_t *v, *others = json_object();
  f->from_text = true;
  int rc = fields_form(f->s->content, &f->form, f->no);
  json_object_foreach(f->form, key, v) {
    if (rc < 0)
      break;
    rc = set_reserved(f, key, v);
    if (rc == 1 && kind_role(f->s->kind, key))
      rc = inputs_parse_role(&f->s->inputs, v, key, f->no);
    if (rc == 1)
      rc = fields_misspelt(f->s->kind, key, names, sizeof names / sizeof *names, f->no);
    if (rc == 1)
      rc = json_object_set(others, key, v);
  }
  if (rc >= 0)
    rc = merge_params(f, others);
  if (rc >= 0 && f->input)
    rc = inputs_parse(&f->s->inputs, f->input, f->input_name, f->no);
  json_decref(others);
  return rc;
}

/* ---- the whole request ---- */

int submission_check_backend(struct submission *s, struct refusal *no) {
  struct workers *w = s->call.api->at.workers;
  if (!s->backend)
    return 0;
  struct backend *b = workers_find(w, s->backend);
  const char *const *kinds = b ? backend_kinds(b) : NULL;
  if (!b || (kinds && kinds[0] && !backend_does(b, kind_name(s->kind))))
    return refuse(no, "unknown-backend", "The backend '%.60s' %s; GET /api/backends lists all.",
                  s->backend, b ? "does not do this kind" : "does not exist");
  return 0;
}

/* Cache-Control of a request (RFC 9111): must the answer be made for it? */
static bool wants_anew(const char *header) {
  while (header && *header) {
    header += strspn(header, " \t,");
    size_t len = strcspn(header, " \t,=");
    if ((len == 8 && strncasecmp(header, "no-cache", len) == 0) ||
        (len == 8 && strncasecmp(header, "no-store", len) == 0))
      return true;
    header += strcspn(header, ",");
  }
  return false;
}

int submission_headers(struct submission *s, struct refusal *no) {
  struct http_request *r = s->call.r;
  s->anew = wants_anew(http_header(r, "Cache-Control"));
  s->wait_s = prefer_wait(http_header(r, "Prefer"), s->call.api->options.wait_max_s);
  int rc = via_take(r, store_instance(s->call.api->at.store), &s->via, no);
  const char *key = http_header(r, "Idempotency-Key");
  if (rc < 0 || !key)
    return rc;
  size_t len = strlen(key);
  if (len >= 2 && key[0] == '"' && key[len - 1] == '"') { /* the draft's form: a quoted string */
    key++;
    len -= 2;
  }
  bool plain = len >= 1 && len <= 255;
  for (size_t i = 0; i < len && plain; i++)
    plain = key[i] > ' ' && key[i] < 0x7f;
  if (!plain)
    return refuse(no, "bad-request", "Idempotency-Key must be 1 to 255 visible ASCII characters.");
  s->idem_key = mem_dup_n(key, len);
  return 0;
}

static int parse_body(struct fields *f) {
  if (f->s->is_form)
    return parse_form(f);
  json_t *json = NULL;
  int rc = fields_json(f->s->content, f->s->media_type, &json, f->no);
  if (rc == 0 && json)
    rc = parse_json(f, json);
  json_decref(json);
  return rc;
}

void submission_client(struct submission *s) {
  const char *token_client = http_client(s->call.r);
  if (!token_client || !*token_client)
    return;
  free(s->client);
  s->client = mem_dup(token_client);
}

int submission_take(struct submission *s, int (*file)(void *arg, struct api_file *file),
                    void *arg) {
  struct http_request *r = s->call.r;
  const char *type = http_header(r, "Content-Type");
  int rc = submission_headers(s, &s->no);
  s->media_type = type ? mem_dup(type) : NULL;
  s->is_form = http_is_form(r);
  if (rc == 0 && s->is_form)
    rc = fields_files(r, s->kind, file, arg, &s->no);
  if (rc >= 0)
    s->content = http_take_content(r);
  return rc < 0 ? rc : 0;
}

void submission_begin(struct submission *s) {
  s->rc = submission_take(s, add_file, s);
}

int submission_check_params(const struct kind *kind, const json_t *params, bool from_text,
                            struct buf *out, struct refusal *no) {
  struct kind_faults faults = {0};
  int rc = kind_check(kind, params, from_text, out, &faults);
  if (rc < 0) {
    no->slug = faults.slug;
    no->err = faults.err;
    free(no->errors);
    no->errors = buf_take(&faults.list);
  }
  kind_faults_free(&faults);
  return rc;
}

void submission_digest(void *submission) {
  struct submission *s = submission;
  struct fields f = {.s = s, .no = &s->no};
  s->rc = parse_body(&f);
  http_content_forget(s->content);
  if (s->rc >= 0)
    s->rc = submission_check_params(s->kind, f.params, f.from_text, &s->params, &s->no);
  json_decref(f.params);
  json_decref(f.form);
}

void submission_finish(struct submission *s) {
  s->rc = submission_check_backend(s, &s->no);
  if (s->rc >= 0)
    s->rc = inputs_check(s->call.api, &s->inputs, s->kind, &s->no);
  submission_client(s);
}

/* ---- the fingerprint ---- */

void fingerprint_text(struct sha256 *h, const char *text) {
  if (text)
    sha256_add(h, text, strlen(text));
  sha256_add(h, text ? "\0" : "\1", 1);
}

void fingerprint_common(struct sha256 *h, const struct submission *s) {
  int64_t numbers[2] = {s->priority, s->timeout_ms};
  fingerprint_text(h, kind_name(s->kind));
  fingerprint_text(h, s->client ? s->client : "");
  fingerprint_text(h, s->backend);
  fingerprint_text(h, s->params.data);
  sha256_add(h, numbers, sizeof numbers);
}

void fingerprint_inputs(struct sha256 *h, const struct inputs *in) {
  for (size_t i = 0; i < in->count; i++) {
    fingerprint_text(h, in->list[i].name);
    fingerprint_text(h, in->list[i].sha256);
    if (in->list[i].role[0])
      fingerprint_text(h, in->list[i].role);
  }
}

void submission_fingerprint(struct submission *s) {
  struct sha256 *h = sha256_begin();
  fingerprint_common(h, s);
  fingerprint_inputs(h, &s->inputs);
  sha256_end(h, s->fingerprint);
}

void submission_free(struct submission *s, bool refused) {
  storing_abort(&s->storing);
  inputs_release(s->call.api, &s->inputs, refused);
  http_content_free(s->content);
  buf_free(&s->params);
  free(s->media_type);
  free(s->backend);
  free(s->client);
  free(s->idem_key);
  free(s->via);
  free(s->no.errors);
  free(s);
}
