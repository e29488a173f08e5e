/* SPDX-License-Identifier: MIT */
#include "kinds/parse.h"

#include "kinds/schema.h"

#include <string.h>

static const char *const reserved[] = {"file",   "files",   "input",    "inputs",    "input_name",
                                       "params", "backend", "priority", "timeout_s", "client"};

static bool has_type(const json_t *v, char type) {
  switch (type) {
  case 's':
    return json_is_string(v) && !json64_is_number(v);
  case 'a':
    return json_is_array(v);
  case 'o':
    return json_is_object(v);
  case 'i':
    return json_is_integer(v) && json_integer_value(v) >= 0;
  case 'n':
    return json64_is_number(v);
  case 'b':
    return json_is_boolean(v);
  case 'z':
  case 't':
    return json_is_string(v) || json_is_integer(v);
  default:
    return true;
  }
}

int parse_fields(const struct parse *p, json_t *object, const struct field *fields) {
  const char *key;
  json_t *value;
  if (!json_is_object(object))
    return err_set(p->err, ERR_INVAL, "%s: %s must be an object", p->file, p->where);
  for (const struct field *f = fields; f->key; f++)
    if (f->required && !json_object_get(object, f->key))
      return err_set(p->err, ERR_INVAL, "%s: %s lacks \"%s\"", p->file, p->where, f->key);
  json_object_foreach(object, key, value) {
    const struct field *f = fields;
    while (f->key && strcmp(f->key, key) != 0)
      f++;
    if (!f->key && schema_may_ignore(p->may_ignore, key))
      continue;
    if (!f->key)
      return err_set(p->err, ERR_INVAL, "%s: %s has the unknown key \"%.100s\"", p->file, p->where,
                     key);
    if (!has_type(value, f->type))
      return err_set(p->err, ERR_INVAL, "%s: \"%s\" of %s is of the wrong type", p->file, key,
                     p->where);
  }
  return 0;
}

int parse_quantity(const struct parse *p, const json_t *object, const char *key,
                   int (*read)(const char *, int64_t *, struct err *), int64_t *out) {
  const json_t *v = json_object_get(object, key);
  struct err inner;
  *out = json_integer_value(v);
  if (json_is_string(v) && read(json_string_value(v), out, &inner))
    return err_set(p->err, ERR_INVAL, "%s: \"%s\" of %s: %s", p->file, key, p->where, inner.text);
  if (*out < 0)
    return err_set(p->err, ERR_INVAL, "%s: \"%s\" of %s is negative", p->file, key, p->where);
  return 0;
}

bool parse_is_word(const char *text, const char *also) {
  if (!text[0] || strlen(text) > 60)
    return false;
  for (const char *c = text; *c; c++)
    if (!(*c >= 'a' && *c <= 'z') && !(*c >= '0' && *c <= '9') && !strchr(also, *c))
      return false;
  return true;
}

bool parse_is_reserved(const char *name) {
  for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
    if (strcmp(reserved[i], name) == 0)
      return true;
  return false;
}
