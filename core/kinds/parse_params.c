/* SPDX-License-Identifier: MIT
 *
 * The parameters of a declaration: each by its type, and by its schema where it has one.
 */
#include "kinds/parse.h"

#include "base/mem.h"
#include "kinds/schema.h"
#include "kinds/value.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct field param_fields[] = {
    {"name", 's', true}, {"type", 's', true}, {"default", '*', false}, {"unit", 's', false},
    {"min", 'n', false}, {"max", 'n', false}, {"choices", 'a', false}, {"schema", 'o', false},
    {"help", 's', true}, {NULL, 0, false},
};

static const struct {
  const char *word;
  const char *schema_type; /* what "type" of the schema may say; NULL: whatever */
} types[] = {
    [PARAM_INT] = {"int", "integer"},   [PARAM_REAL] = {"real", "number"},
    [PARAM_BOOL] = {"bool", "boolean"}, [PARAM_STRING] = {"string", "string"},
    [PARAM_ENUM] = {"enum", NULL},      [PARAM_OBJECT] = {"object", "object"},
    [PARAM_ARRAY] = {"array", "array"}, [PARAM_JSON] = {"json", NULL},
};
enum { TYPES = sizeof types / sizeof *types };

#define LETTERS_DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZ_"

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

static int refuse(const struct parse *p, const struct param *param, const char *what) {
  return err_set(p->err, ERR_INVAL, "%s: the parameter %s: %s", p->file, param->name, what);
}

/* ---- choices ---- */

static int check_choices(const struct parse *p, const struct param *param) {
  const json_t *choices = param->choices;
  if ((param->type == PARAM_ENUM) != (json_array_size(choices) > 0))
    return refuse(p, param, "\"choices\" and the type enum go together");
  for (size_t i = 0; i < json_array_size(choices); i++) {
    const json_t *one = json_array_get(choices, i);
    if (!json_is_string(one) && !json64_is_number(one))
      return refuse(p, param, "its choices must be strings or numbers");
    if (json64_is_number(one) != json64_is_number(json_array_get(choices, 0)))
      return refuse(p, param, "its choices must be all strings or all numbers");
  }
  return 0;
}

/* ---- the schema ---- */

/* A bound is said once, so that it cannot be said differently. */
static const struct {
  const char *field, *keyword;
} doubles[] = {{"min", "minimum"},     {"min", "exclusiveMinimum"}, {"min", "minLength"},
               {"max", "maximum"},     {"max", "exclusiveMaximum"}, {"max", "maxLength"},
               {"default", "default"}, {"choices", "enum"},         {"choices", "const"},
               {"help", "description"}};

static int check_doubles(const struct parse *p, const struct param *param, const json_t *json) {
  const json_t *schema = json_object_get(json, "schema");
  for (size_t i = 0; i < sizeof doubles / sizeof *doubles; i++) {
    if (!json_object_get(schema, doubles[i].keyword) ||
        (!json_object_get(json, doubles[i].field) && strcmp(doubles[i].keyword, "default") != 0))
      continue;
    return err_set(p->err, ERR_INVAL,
                   "%s: the parameter %s: its schema has \"%s\"; say it once, as \"%s\"", p->file,
                   param->name, doubles[i].keyword, doubles[i].field);
  }
  return 0;
}

static int parse_schema(const struct parse *p, struct param *param, const json_t *json) {
  const json_t *schema = json_object_get(json, "schema");
  const json_t *type = json_object_get(schema, "type");
  const char *own = types[param->type].schema_type;
  struct err why = {0};
  if (!schema)
    return 0;
  if (type && own && (!json_is_string(type) || strcmp(json_string_value(type), own) != 0))
    return err_set(p->err, ERR_INVAL,
                   "%s: the parameter %s: its schema's \"type\" must be %s, or be left out",
                   p->file, param->name, own);
  int rc = check_doubles(p, param, json);
  if (rc)
    return rc;
  param->schema = schema_parse(schema, p->may_ignore, &why);
  return param->schema ? 0 : refuse(p, param, why.text);
}

/* ---- the default ---- */

static bool is_choice(const struct param *param, const json_t *v) {
  char *text = value_canonical(v);
  bool found = false;
  for (size_t i = 0; !found && i < json_array_size(param->choices); i++) {
    char *choice = value_canonical(json_array_get(param->choices, i));
    found = strcmp(choice, text) == 0;
    free(choice);
  }
  free(text);
  return found;
}

/* Is it something that a client could have sent?  The schema aside. */
static bool fits_type(const struct param *param, const json_t *v) {
  double number = json64_number(v);
  wide_int whole;
  switch (param->type) {
  case PARAM_INT:
    return !json_is_real(v) && json64_int(v, &whole) && whole >= param->least &&
           whole <= param->greatest;
  case PARAM_REAL:
    return json64_is_number(v) && (!param->has_min || number >= param->min) &&
           (!param->has_max || number <= param->max);
  case PARAM_BOOL:
    return json_is_boolean(v);
  case PARAM_STRING:
    return json_is_string(v) && !json64_is_number(v);
  case PARAM_ENUM:
    return is_choice(param, v);
  case PARAM_OBJECT:
    return json_is_object(v);
  case PARAM_ARRAY:
    return json_is_array(v);
  case PARAM_JSON:
    return true;
  }
  return false;
}

static int check_default(const struct parse *p, struct param *param) {
  struct kind_faults faults = {0};
  struct buf at = {0};
  if (!param->fallback || json_is_null(param->fallback))
    return 0;
  if (!fits_type(param, param->fallback))
    return err_set(p->err, ERR_INVAL, "%s: the default of the parameter %s is not acceptable",
                   p->file, param->name);
  if (!param->schema)
    return 0;
  buf_putc(&at, '/');
  buf_puts(&at, param->name);
  param->filled = schema_fill(param->schema, json_deep_copy(param->fallback), KIND_TEXT_MAX);
  int rc = 0;
  if (!param->filled)
    rc = refuse(p, param, "its default is too large with those of its members");
  else if (!schema_check(param->schema, param->filled, "it", &at, &faults))
    rc = err_set(p->err, ERR_INVAL, "%s: the default of the parameter %s is not acceptable: %.300s",
                 p->file, param->name, faults.err.text);
  if (param->filled)
    param->fallback = param->filled;
  kind_faults_free(&faults);
  buf_free(&at);
  return rc;
}

/* ---- one parameter ---- */

static int check_name(const struct parse *p, const struct param *param) {
  if (!parse_is_word(param->name, LETTERS_DIGITS))
    return err_set(p->err, ERR_INVAL, "%s: \"%s\" is not a name for a parameter (a-z A-Z 0-9 _)",
                   p->file, param->name);
  if (parse_is_reserved(param->name))
    return err_set(p->err, ERR_INVAL, "%s: the parameter name %s is reserved", p->file,
                   param->name);
  return 0;
}

static int parse_param(const struct parse *p, struct param *out, json_t *json) {
  int rc = parse_fields(p, json, param_fields);
  if (rc)
    return rc;
  const char *type = json_string_value(json_object_get(json, "type"));
  const json_t *min = json_object_get(json, "min"), *max = json_object_get(json, "max");
  size_t t = 0;
  while (t < TYPES && strcmp(types[t].word, type) != 0)
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
  if ((rc = check_name(p, out)))
    return rc;
  if (t == TYPES)
    return err_set(p->err, ERR_INVAL, "%s: the parameter %s has the unknown type \"%s\"", p->file,
                   out->name, type);
  if ((rc = check_choices(p, out)) || (rc = parse_schema(p, out, json)))
    return rc;
  return check_default(p, out);
}

void param_free(struct param *param) {
  schema_free(param->schema);
  json_decref(param->filled);
}

/* Names that differ in case alone would be taken for each other. */
static int check_twice(const struct parse *p, const struct kind *k, const struct param *param) {
  for (const struct param *other = k->params; other < param; other++)
    if (strcasecmp(other->name, param->name) == 0)
      return err_set(p->err, ERR_INVAL, "%s: the parameter %s is declared twice%s", p->file,
                     param->name,
                     strcmp(other->name, param->name) ? ", in letters of another case" : "");
  return 0;
}

int parse_params(struct parse *p, struct kind *k, json_t *list) {
  k->params = mem_array(json_array_size(list) + 1, sizeof *k->params);
  p->where = "a parameter";
  for (size_t i = 0; i < json_array_size(list); i++) {
    struct param *param = &k->params[k->param_count++];
    int rc = parse_param(p, param, json_array_get(list, i));
    if (rc || (rc = check_twice(p, k, param)))
      return rc;
  }
  return 0;
}
