/* SPDX-License-Identifier: MIT
 *
 * One declaration (plugin-sdk/kinds/README.md has the schema) becomes a struct
 * kind.  Everything that a slip of the pen could get wrong is an error here, so
 * that it does not wait for a client to find it.
 */
#include "base/mem.h"
#include "base/units.h"
#include "kinds/private.h"

#include <math.h>
#include <string.h>

struct field {
  const char *key;
  char type; /* s string, a array, o object, i int, n number, b bool, z size, t time, * any */
  bool required;
};

static const struct field kind_fields[] = {
    {"kind", 's', true},   {"title", 's', true},     {"summary", 's', true},
    {"inputs", 'o', true}, {"params", 'a', true},    {"artifacts", 'a', true},
    {"stages", 'a', true}, {"resources", 'o', true}, {"limits", 'o', true},
    {NULL, 0, false},
};
static const struct field input_fields[] = {
    {"min", 'i', true},        {"max", 'i', true},   {"formats", 'a', false},
    {"max_bytes", 'z', false}, {"help", 's', false}, {NULL, 0, false},
};
static const struct field param_fields[] = {
    {"name", 's', true},     {"type", 's', true}, {"default", '*', false},
    {"unit", 's', false},    {"min", 'n', false}, {"max", 'n', false},
    {"choices", 'a', false}, {"help", 's', true}, {NULL, 0, false},
};
static const struct field artifact_fields[] = {
    {"name", 's', true},  {"media_type", 's', true}, {"optional", 'b', false},
    {"help", 's', false}, {NULL, 0, false},
};
static const struct field resource_fields[] = {
    {"memory", 'z', false},
    {"memory_per_input_byte", 'n', false},
    {"threads", 'i', false},
    {NULL, 0, false},
};
static const struct field limit_fields[] = {
    {"attempts", 'i', false}, {"timeout", 't', false}, {NULL, 0, false}};

static const char *const type_words[] = {
    [PARAM_INT] = "int",       [PARAM_REAL] = "real", [PARAM_BOOL] = "bool",
    [PARAM_STRING] = "string", [PARAM_ENUM] = "enum", [PARAM_OBJECT] = "object",
};
static const char *const reserved[] = {"file",     "input",     "params", "backend",
                                       "priority", "timeout_s", "client"};

struct parse { /* for messages */
  const char *file, *where;
  struct err *err;
};

static bool has_type(const json_t *v, char type) {
  switch (type) {
  case 's':
    return json_is_string(v);
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

static int check_fields(const struct parse *p, json_t *object, const struct field *fields) {
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
    if (!f->key)
      return err_set(p->err, ERR_INVAL, "%s: %s has the unknown key \"%s\"", p->file, p->where,
                     key);
    if (!has_type(value, f->type))
      return err_set(p->err, ERR_INVAL, "%s: \"%s\" of %s is of the wrong type", p->file, key,
                     p->where);
  }
  return 0;
}

static int read_quantity(const struct parse *p, const json_t *object, const char *key,
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

static bool is_word(const char *text, const char *also) {
  if (!text[0] || strlen(text) > 60)
    return false;
  for (const char *c = text; *c; c++)
    if (!(*c >= 'a' && *c <= 'z') && !(*c >= '0' && *c <= '9') && !strchr(also, *c))
      return false;
  return true;
}

/* An end of the range of an int, as written; or the next integer within. */
static wide_int end_of(const json_t *v, wide_int otherwise, bool up) {
  wide_int whole;
  if (!v)
    return otherwise;
  if (json64_int(v, &whole))
    return whole;
  double real = up ? ceil(json64_number(v)) : floor(json64_number(v));
  return real <= (double)WIDE_MIN ? WIDE_MIN : real >= (double)WIDE_MAX ? WIDE_MAX : (wide_int)real;
}

/* A default must be something that a client could have sent. */
static int check_default(const struct parse *p, const struct param *param) {
  const json_t *v = param->fallback;
  bool ok = !v || json_is_null(v);
  double number = json64_number(v);
  wide_int whole;
  switch (param->type) {
  case PARAM_INT:
    ok = ok || (!json_is_real(v) && json64_int(v, &whole) && whole >= param->least &&
                whole <= param->greatest);
    break;
  case PARAM_REAL:
    ok = ok || (json64_is_number(v) && (!param->has_min || number >= param->min) &&
                (!param->has_max || number <= param->max));
    break;
  case PARAM_BOOL:
    ok = ok || json_is_boolean(v);
    break;
  case PARAM_STRING:
    ok = ok || (json_is_string(v) && !json64_is_number(v));
    break;
  case PARAM_ENUM:
    for (size_t i = 0; !ok && i < json_array_size(param->choices); i++)
      ok = json_equal(v, json_array_get(param->choices, i));
    break;
  case PARAM_OBJECT:
    ok = ok || json_is_object(v);
    break;
  }
  return ok ? 0
            : err_set(p->err, ERR_INVAL, "%s: the default of the parameter %s is not acceptable",
                      p->file, param->name);
}

static int parse_param(const struct parse *p, struct param *out, json_t *json) {
  int rc = check_fields(p, json, param_fields);
  if (rc)
    return rc;
  const char *type = json_string_value(json_object_get(json, "type"));
  const json_t *min = json_object_get(json, "min"), *max = json_object_get(json, "max");
  size_t t = 0, types = sizeof type_words / sizeof *type_words;
  while (t < types && strcmp(type_words[t], type) != 0)
    t++;
  *out = (struct param){
      .name = json_string_value(json_object_get(json, "name")),
      .unit = json_string_value(json_object_get(json, "unit")),
      .type = (enum param_type)t,
      .fallback = json_object_get(json, "default"),
      .choices = json_object_get(json, "choices"),
      .has_min = min != NULL,
      .has_max = max != NULL,
      .min = json64_number(min),
      .max = json64_number(max),
      .least = end_of(min, INT64_MIN, true),
      .greatest = end_of(max, INT64_MAX, false),
  };
  if (!is_word(out->name, "_"))
    return err_set(p->err, ERR_INVAL, "%s: \"%s\" is not a name for a parameter (a-z 0-9 _)",
                   p->file, out->name);
  for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
    if (strcmp(reserved[i], out->name) == 0)
      return err_set(p->err, ERR_INVAL, "%s: the parameter name %s is reserved", p->file,
                     out->name);
  if (t == types)
    return err_set(p->err, ERR_INVAL, "%s: the parameter %s has the unknown type \"%s\"", p->file,
                   out->name, type);
  if ((out->type == PARAM_ENUM) != (json_array_size(out->choices) > 0))
    return err_set(p->err, ERR_INVAL,
                   "%s: the parameter %s: \"choices\" and the type enum go "
                   "together",
                   p->file, out->name);
  for (size_t i = 0; i < json_array_size(out->choices); i++)
    if (!json_is_string(json_array_get(out->choices, i)))
      return err_set(p->err, ERR_INVAL, "%s: the choices of the parameter %s must be strings",
                     p->file, out->name);
  return check_default(p, out);
}

static int parse_params(struct parse *p, struct kind *k, json_t *list) {
  k->params = mem_array(json_array_size(list) + 1, sizeof *k->params);
  p->where = "a parameter";
  for (size_t i = 0; i < json_array_size(list); i++) {
    int rc = parse_param(p, &k->params[i], json_array_get(list, i));
    if (rc)
      return rc;
    for (size_t before = 0; before < i; before++)
      if (strcmp(k->params[before].name, k->params[i].name) == 0)
        return err_set(p->err, ERR_INVAL, "%s: the parameter %s is declared twice", p->file,
                       k->params[i].name);
    k->param_count++;
  }
  return 0;
}

static int parse_inputs(struct parse *p, struct kind *k, json_t *json) {
  p->where = "inputs";
  int rc = check_fields(p, json, input_fields);
  if (rc || (rc = read_quantity(p, json, "max_bytes", units_size, &k->input_bytes_max)))
    return rc;
  k->inputs_min = (int)json_integer_value(json_object_get(json, "min"));
  k->inputs_max = (int)json_integer_value(json_object_get(json, "max"));
  if (k->inputs_min > k->inputs_max || k->inputs_max > 1000)
    return err_set(p->err, ERR_INVAL, "%s: inputs: min must not exceed max, nor max 1000", p->file);
  return 0;
}

static int parse_artifacts(struct parse *p, json_t *list) {
  p->where = "an artifact";
  for (size_t i = 0; i < json_array_size(list); i++) {
    int rc = check_fields(p, json_array_get(list, i), artifact_fields);
    if (rc)
      return rc;
  }
  return 0;
}

static int parse_resources(struct parse *p, struct kind *k, json_t *resources, json_t *limits) {
  p->where = "resources";
  int rc = check_fields(p, resources, resource_fields);
  if (rc || (rc = read_quantity(p, resources, "memory", units_size, &k->memory)))
    return rc;
  k->memory_per_input_byte = json_number_value(json_object_get(resources, "memory_per_input_byte"));
  if (!(k->memory_per_input_byte >= 0 && k->memory_per_input_byte <= 1e6))
    return err_set(p->err, ERR_INVAL, "%s: memory_per_input_byte must be 0 to 1000000", p->file);
  k->threads = (int)json_integer_value(json_object_get(resources, "threads"));
  p->where = "limits";
  if ((rc = check_fields(p, limits, limit_fields)) ||
      (rc = read_quantity(p, limits, "timeout", units_duration, &k->timeout_ms)))
    return rc;
  k->attempts = (int)json_integer_value(json_object_get(limits, "attempts"));
  return 0;
}

int kind_parse(struct kind *k, json_t *json, const char *file, struct err *err) {
  struct parse p = {.file = file, .where = "the kind", .err = err};
  int rc = check_fields(&p, json, kind_fields);
  if (rc)
    return rc;
  k->name = json_string_value(json_object_get(json, "kind"));
  if (!is_word(k->name, "_.-") || k->name[0] < 'a')
    return err_set(err, ERR_INVAL, "%s: \"%s\" is not a name for a kind (a-z 0-9 _ . -)", file,
                   k->name);
  if ((rc = parse_inputs(&p, k, json_object_get(json, "inputs"))) ||
      (rc = parse_params(&p, k, json_object_get(json, "params"))) ||
      (rc = parse_artifacts(&p, json_object_get(json, "artifacts"))))
    return rc;
  return parse_resources(&p, k, json_object_get(json, "resources"),
                         json_object_get(json, "limits"));
}
