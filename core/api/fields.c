/* SPDX-License-Identifier: MIT */
#include "api/fields.h"

#include "base/json64.h"
#include "base/json_check.h"
#include "base/nearest_word.h"
#include "base/units.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Of a body that says nothing: it is parsed on the loop. */
enum { EMPTY_MAX = 16 << 10 };

/* ---- JSON ---- */

static bool is_json_type(const char *type) {
  size_t len = strcspn(type, "; ");
  return (len == 16 && strncasecmp(type, "application/json", len) == 0) ||
         (len > 5 && strncasecmp(type + len - 5, "+json", 5) == 0);
}

/* Before anything is allocated. */
static int check_bounds(const char *text, size_t len, struct refusal *no) {
  size_t values = FIELDS_VALUES_MAX, at;
  switch (json_measure(text, len, FIELDS_DEPTH_MAX, &values, &at)) {
  case JSON_TOO_DEEP:
    return refuse(no, "bad-json",
                  "The JSON is nested more than %d levels deep (at byte %zu of it).",
                  FIELDS_DEPTH_MAX, at);
  case JSON_TOO_MANY:
    return refuse(no, "too-large", "The JSON has more than %d values; send it in several requests.",
                  FIELDS_VALUES_MAX);
  case JSON_FITS:
    break;
  }
  return 0;
}

static int parse_body(const char *body, size_t len, const char *type, json_t **out,
                      struct refusal *no) {
  *out = NULL;
  if (len == 0)
    return 0;
  if (type && !is_json_type(type))
    return refuse(no, "unsupported-media-type",
                  "'%.80s' is not understood: send application/json or multipart/form-data.", type);
  json_error_t e;
  int rc = check_bounds(body, len, no);
  if (rc < 0)
    return rc;
  *out = json64_load(body, len, JSON_REJECT_DUPLICATES, &e);
  if (!*out)
    return refuse(no, "bad-json", "The body is not valid JSON: %.200s (line %d, column %d).",
                  e.text, e.line, e.column);
  return 0;
}

int fields_json(const struct http_content *c, const char *type, json_t **out, struct refusal *no) {
  size_t len = 0;
  const char *body = http_content_body(c, &len);
  return parse_body(body, len, type, out, no);
}

json_t *fields_json_text(const char *name, const json_t *text, struct refusal *no) {
  json_error_t e;
  const char *data = json_string_value(text);
  size_t len = json_string_length(text);
  if (check_bounds(data, len, no) < 0)
    return NULL;
  json_t *v = json64_load(data, len, JSON_REJECT_DUPLICATES, &e);
  if (!v)
    refuse(no, "bad-json", "%s is not valid JSON: %.200s (line %d, column %d).", name, e.text,
           e.line, e.column);
  return v;
}

int fields_unknown(struct refusal *no, const char *slug, const char *what, const char *key,
                   const char *const *names, size_t count) {
  const char *near = words_nearest_of(key, names, count);
  if (near)
    return refuse(no, slug, "%s '%.60s'; did you mean '%s'?", what, key, near);
  char list[300] = "";
  for (size_t i = 0, used = 0; i < count && used < sizeof list; i++)
    used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", names[i]);
  return refuse(no, slug, "%s '%.60s'; the keys are %s.", what, key, list);
}

bool fields_is_param(const struct kind *kind, const char *name) {
  size_t i;
  const json_t *p;
  json_array_foreach(json_object_get(kind_json(kind), "params"), i, p) {
    const char *known = json_string_value(json_object_get(p, "name"));
    if (known && strcmp(known, name) == 0)
      return true;
  }
  return false;
}

static const char *nth_param(const void *ctx, size_t i) {
  return json_string_value(json_object_get(json_array_get(ctx, i), "name"));
}

int fields_misspelt(const struct kind *kind, const char *key, const char *const *names,
                    size_t count, struct refusal *no) {
  const json_t *params = json_object_get(kind_json(kind), "params");
  const char *near = words_nearest_of(key, names, count);
  const char *param = words_nearest(key, nth_param, params, json_array_size(params));
  if (!near || fields_is_param(kind, key) ||
      (param && words_distance(key, param) <= words_distance(key, near)))
    return 1; /* kind_check says more */
  return refuse(no, "unknown-parameter", "The form has no field '%.60s'; did you mean '%s'?", key,
                near);
}

int fields_small(struct http_request *r, size_t max, json_t **out, struct refusal *no) {
  size_t len = 0;
  const char *body = http_body(r, &len);
  if (len > max)
    return refuse(no, "too-large", "The body has %zu bytes; here it may have %zu.", len, max);
  return parse_body(body, len, http_header(r, "Content-Type"), out, no);
}

bool fields_none(struct http_request *r) {
  struct refusal no = {.slug = "bad-request"};
  json_t *json = NULL;
  size_t len = 0;
  const char *body = http_body(r, &len);
  int rc = len > EMPTY_MAX ? refuse(&no, "too-large", "This request takes no body; leave it out.")
                           : parse_body(body, len, http_header(r, "Content-Type"), &json, &no);
  if (rc == 0 && json && !json_is_object(json))
    rc = refuse(&no, "bad-request", "This request takes no body; leave it out.");
  void *first = json_object_iter(json);
  if (rc == 0 && first)
    rc = refuse(&no, "unknown-parameter", "This request takes no body, and it has the key '%.60s'.",
                json_object_iter_key(first));
  json_decref(json);
  if (rc < 0)
    http_problem(r, 0, no.slug, 0, "%s", no.err.text);
  return rc == 0;
}

bool fields_flag(struct http_request *r, const char *name, bool *out) {
  const char *text = http_query(r, name);
  int value = 0;
  if (!text || !*text)
    return true;
  if (units_bool(text, &value, NULL) < 0) {
    http_problem(r, 0, "bad-request", 0, "%s must be 1 or 0, not '%.40s'.", name, text);
    return false;
  }
  *out = value;
  return true;
}

/* ---- forms ---- */

struct form_reader {
  json_t *fields;
  const struct kind *kind;
  int (*file)(void *arg, struct api_file *file);
  void *arg;
  struct refusal *no;
  int rc;
};

static int take_file(struct form_reader *f, const char *field, struct api_file *file) {
  static const char *const names[] = {"file", "files", "file[]", "image"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(names[i], field) == 0)
      return f->file(f->arg, file);
  if (f->kind && kind_role(f->kind, field))
    return f->file(f->arg, file);
  return refuse(f->no, "unknown-parameter", "The form has a file as '%.60s'; send it as 'file'%s.",
                field,
                f->kind && kind_inputs_max(f->kind) > 1 ? ", or as one of the kind's roles" : "");
}

static void on_part(void *arg, const char *field, const char *value, size_t len, void *file) {
  struct form_reader *f = arg;
  if (f->rc < 0)
    return;
  (void)file;
  json_t *text = json_stringn(value ? value : "", len);
  if (!text) {
    f->rc = refuse(f->no, "bad-parameter", "The field '%.60s' is not UTF-8 text.", field);
  } else if (strcmp(field, "file") == 0) {
    f->rc =
        refuse(f->no, "bad-request",
               "The part 'file' has no file name; send it as a file, with filename=\"...\" in its "
               "Content-Disposition.");
    json_decref(text);
  } else if (json_object_get(f->fields, field)) {
    f->rc = refuse(f->no, "bad-parameter", "The form has the field '%.60s' twice; send it once.",
                   field);
    json_decref(text);
  } else if (json_object_set_new(f->fields, field, text) != 0) {
    f->rc = refuse(f->no, "bad-parameter", "The name of a field is not UTF-8 text.");
  }
}

int fields_form(const struct http_content *c, json_t **out, struct refusal *no) {
  struct form_reader f = {.fields = json_object(), .no = no};
  http_content_each(c, on_part, &f);
  *out = f.fields;
  return f.rc;
}

static void on_file(void *arg, const char *field, const char *value, size_t len, void *file) {
  struct form_reader *f = arg;
  (void)value, (void)len;
  if (f->rc >= 0 && file)
    f->rc = take_file(f, field, file);
}

int fields_files(struct http_request *r, const struct kind *kind,
                 int (*file)(void *arg, struct api_file *file), void *arg, struct refusal *no) {
  struct form_reader f = {.kind = kind, .file = file, .arg = arg, .no = no};
  http_form_each(r, on_file, &f);
  return f.rc;
}

void fields_add_as_text(json_t *to, const json_t *from) {
  const char *key;
  json_t *v;
  json_object_foreach((json_t *)from, key, v) {
    if (json_is_string(v) && !json64_is_number(v)) {
      json_object_set(to, key, v);
      continue;
    }
    char *text = json64_dump(v, JSON_ENCODE_ANY | JSON_COMPACT);
    json_object_set_new(to, key, json_string(text));
    free(text);
  }
}

void input_take(struct input *x, struct api_file *file) {
  memcpy(x->sha256, file->sha256, sizeof x->sha256);
  x->bytes = file->bytes;
  x->made_here = !file->existed;
  x->held = file->held;
  file->held = false;
}
