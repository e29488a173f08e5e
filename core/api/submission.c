/* SPDX-License-Identifier: MIT
 *
 * The keys that every kind has are a table; all other fields of a form are parameters of the kind.
 * In JSON parameters lie in "params", and an unknown key beside it is a mistake worth saying.
 */
#include "api/submission.h"

#include "api/upload.h"
#include "base/mem.h"
#include "base/sha256.h"

#include <math.h>
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
  int rc;
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
  json_t *object = NULL;
  json_error_t e;
  if (json_is_null(v))
    return 0;
  if (f->from_text && json_is_string(v)) {
    object = json_loadb(json_string_value(v), json_string_length(v), JSON_REJECT_DUPLICATES, &e);
    if (!object)
      return refuse(f->no, "bad-json", "params is not valid JSON: %.200s (line %d, column %d).",
                    e.text, e.line, e.column);
  } else {
    object = json_incref((json_t *)v);
  }
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

static const struct {
  const char *name;
  int (*set)(struct fields *f, const json_t *v);
} reserved[] = {
    {"input", set_input},     {"input_name", set_input_name}, {"params", set_params},
    {"backend", set_backend}, {"priority", set_priority},     {"timeout_s", set_timeout},
    {"client", set_client},
};

/* 1: the key is none of the reserved ones. */
static int set_reserved(struct fields *f, const char *key, const json_t *v) {
  for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
    if (strcmp(reserved[i].name, key) == 0)
      return reserved[i].set(f, v);
  return 1;
}

/* ---- JSON ---- */

static bool is_param(const struct kind *kind, const char *name) {
  size_t i;
  const json_t *p;
  json_array_foreach(json_object_get(kind_json(kind), "params"), i, p) {
    const char *known = json_string_value(json_object_get(p, "name"));
    if (known && strcmp(known, name) == 0)
      return true;
  }
  return false;
}

static int parse_json(struct fields *f, const json_t *body) {
  const char *key;
  json_t *v;
  if (!json_is_object(body))
    return refuse(f->no, "bad-request", "The body must be a JSON object.");
  json_object_foreach((json_t *)body, key, v) {
    int rc = set_reserved(f, key, v);
    if (rc < 0)
      return rc;
    if (rc == 1)
      return refuse(f->no, "unknown-parameter", "There is no key '%.60s' in the body%s", key,
                    is_param(f->s->kind, key)
                        ? "; it is a parameter and belongs into \"params\"."
                        : "; the keys are input, input_name, params, backend, priority, "
                          "timeout_s, client.");
  }
  return f->input ? inputs_parse(&f->s->inputs, f->input, f->input_name, f->no) : 0;
}

/* ---- forms ---- */

/* Takes over a file that came with the request, and the hold on its blob. */
static int add_file(struct fields *f, const char *field, struct api_file *file) {
  static const char *const names[] = {"file", "files", "file[]", "image"};
  bool known = false;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    known |= strcmp(names[i], field) == 0;
  if (!known)
    return refuse(f->no, "unknown-parameter", "The form has a file as '%.60s'; send it as 'file'.",
                  field);
  struct input *x = inputs_add(&f->s->inputs, file->name, f->no);
  if (!x)
    return ERR_INVAL;
  memcpy(x->sha256, file->sha256, sizeof x->sha256);
  x->bytes = file->bytes;
  x->made_here = !file->existed;
  x->held = file->held;
  file->held = false;
  return 0;
}

static void on_part(void *arg, const char *field, const char *value, size_t len, void *file) {
  struct fields *f = arg;
  if (f->rc < 0)
    return;
  if (file) {
    f->rc = add_file(f, field, file);
    return;
  }
  json_t *text = json_stringn(value ? value : "", len);
  if (!text) {
    f->rc = refuse(f->no, "bad-parameter", "The field '%.60s' is no UTF-8 text.", field);
  } else if (strcmp(field, "file") == 0) {
    f->rc = refuse(f->no, "bad-request", "The part 'file' has no file name, so it is no file.");
    json_decref(text);
  } else if (json_object_get(f->form, field)) {
    f->rc = refuse(f->no, "bad-parameter", "The field '%.60s' is there twice.", field);
    json_decref(text);
  } else if (json_object_set_new(f->form, field, text) != 0) {
    f->rc = refuse(f->no, "bad-parameter", "The name of a field is no UTF-8 text.");
  }
}

/* Parameters given as fields are text; those of `params` become text too where both are used. */
static int merge_params(struct fields *f, json_t *fields) {
  const char *key;
  json_t *v;
  if (json_object_size(fields) == 0) {
    f->from_text = false;
    return 0;
  }
  json_object_foreach(f->params, key, v) {
    if (json_object_get(fields, key))
      return refuse(f->no, "bad-parameter", "'%.60s' is given as a field and in params.", key);
    if (json_is_string(v)) {
      json_object_set(fields, key, v);
      continue;
    }
    char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
    json_object_set_new(fields, key, json_string(text));
    free(text);
  }
  json_decref(f->params);
  f->params = json_incref(fields);
  return 0;
}

static int parse_form(struct fields *f) {
  const char *key;
  json_t *v, *others = json_object();
  f->from_text = true;
  f->form = json_object();
  http_form_each(f->s->call.r, on_part, f);
  json_object_foreach(f->form, key, v) {
    if (f->rc < 0)
      break;
    f->rc = set_reserved(f, key, v);
    if (f->rc == 1)
      f->rc = json_object_set(others, key, v);
  }
  if (f->rc >= 0)
    f->rc = merge_params(f, others);
  if (f->rc >= 0 && f->input)
    f->rc = inputs_parse(&f->s->inputs, f->input, f->input_name, f->no);
  json_decref(others);
  return f->rc;
}

/* ---- the whole request ---- */

static int check_backend(struct submission *s, struct refusal *no) {
  struct workers *w = s->call.api->at.workers;
  if (!s->backend)
    return 0;
  struct backend *b = workers_find(w, s->backend);
  const char *const *kinds = b ? backend_kinds(b) : NULL;
  if (!b || (kinds && kinds[0] && !backend_does(b, kind_name(s->kind))))
    return refuse(no, "unknown-backend", "The backend '%.60s' %s; see GET /api/backends.",
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

static int read_headers(struct submission *s, struct refusal *no) {
  struct http_request *r = s->call.r;
  s->anew = wants_anew(http_header(r, "Cache-Control"));
  s->wait_s = prefer_wait(http_header(r, "Prefer"), s->call.api->options.wait_max_s);
  const char *key = http_header(r, "Idempotency-Key");
  if (!key)
    return 0;
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

static bool is_json_type(const char *type) {
  size_t len = strcspn(type, "; ");
  return (len == 16 && strncasecmp(type, "application/json", len) == 0) ||
         (len > 5 && strncasecmp(type + len - 5, "+json", 5) == 0);
}

/* Numbers past 64 bits are JSON all the same: as reals they meet the range of their parameter. */
static json_t *load_json(const char *text, size_t len, json_error_t *e) {
  json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, e);
  if (!json && json_error_code(e) == json_error_numeric_overflow)
    json = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, e);
  return json;
}

static int parse_body(struct fields *f) {
  struct http_request *r = f->s->call.r;
  size_t len = 0;
  const char *body = http_body(r, &len), *type = http_header(r, "Content-Type");
  if (http_is_form(r))
    return parse_form(f);
  if (!body || len == 0)
    return 0;
  if (type && !is_json_type(type))
    return refuse(f->no, "unsupported-media-type",
                  "'%.80s' is not understood: send application/json or multipart/form-data.", type);
  json_error_t e;
  json_t *json = load_json(body, len, &e);
  if (!json)
    return refuse(f->no, "bad-json", "The body is not valid JSON: %.200s (line %d, column %d).",
                  e.text, e.line, e.column);
  int rc = parse_json(f, json);
  json_decref(json);
  return rc;
}

int submission_parse(struct submission *s, struct refusal *no) {
  struct fields f = {.s = s, .no = no};
  int rc = read_headers(s, no);
  if (rc == 0)
    rc = parse_body(&f);
  if (rc >= 0)
    rc = check_backend(s, no);
  const char *slug = "bad-parameter";
  if (rc >= 0 && (rc = kind_check(s->kind, f.params, f.from_text, &s->params, &slug, &no->err)) < 0)
    no->slug = slug;
  if (rc >= 0)
    rc = inputs_check(s->call.api, &s->inputs, s->kind, no);
  const char *token_client = http_client(s->call.r);
  if (token_client && *token_client) {
    free(s->client);
    s->client = mem_dup(token_client);
  }
  json_decref(f.params);
  json_decref(f.form);
  return rc < 0 ? rc : 0;
}

/* ---- the fingerprint ---- */

static void add_text(struct sha256 *h, const char *text) {
  if (text)
    sha256_add(h, text, strlen(text));
  sha256_add(h, text ? "\0" : "\1", 1);
}

void submission_fingerprint(struct submission *s) {
  struct sha256 *h = sha256_begin();
  int64_t numbers[2] = {s->priority, s->timeout_ms};
  add_text(h, kind_name(s->kind));
  add_text(h, s->client ? s->client : "");
  add_text(h, s->backend);
  add_text(h, s->params.data);
  sha256_add(h, numbers, sizeof numbers);
  for (size_t i = 0; i < s->inputs.count; i++) {
    add_text(h, s->inputs.list[i].name);
    add_text(h, s->inputs.list[i].sha256);
  }
  sha256_end(h, s->fingerprint);
}

void submission_free(struct submission *s, bool refused) {
  if (s->upload)
    storage_upload_abort(s->upload);
  inputs_release(s->call.api, &s->inputs, refused);
  buf_free(&s->params);
  free(s->backend);
  free(s->client);
  free(s->idem_key);
  free(s);
}
