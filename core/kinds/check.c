/* SPDX-License-Identifier: MIT
 *
 * A client's parameters against their declaration: each value is checked,
 * converted where it came as text, and written in the declared order.
 */
#include "base/mem.h"
#include "base/nearest_word.h"
#include "base/units.h"
#include "kinds/faults.h"
#include "kinds/private.h"
#include "kinds/schema_private.h"
#include "kinds/value.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct check {
  const struct param *param;
  const json_t *value; /* as the client sent it */
  struct buf *out;
  struct kind_faults *faults;
};

static int add_fault(const struct check *c, const char *text) {
  char pointer[80];
  snprintf(pointer, sizeof pointer, "/%s", c->param->name);
  faults_add(c->faults, "bad-parameter", pointer, "The parameter '%s' %s", c->param->name, text);
  return ERR_INVAL;
}

/* "The parameter 'steps' must be ..., not 7.5." */
static int refuse(const struct check *c, const char *wants) {
  char *text = json64_dump(c->value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
  const char *end = !text || strlen(text) <= 60 ? "." : *text == '"' ? "...\"." : "...";
  char *said = mem_printf("must be %s, not %.60s%s", wants, text ? text : "what it is", end);
  int rc = add_fault(c, said);
  free(said);
  free(text);
  return rc;
}

static int refuse_range(const struct check *c) {
  const struct param *p = c->param;
  const char *unit = p->type == PARAM_STRING ? "bytes long" : p->unit ? p->unit : "";
  char wants[200], range[120], low[40], high[40];
  snprintf(low, sizeof low, "%.15g", p->min);
  snprintf(high, sizeof high, "%.15g", p->max);
  if (p->type == PARAM_INT) {
    wide_text(p->least, low);
    wide_text(p->greatest, high);
  }
  if ((p->has_min && p->has_max) || p->type == PARAM_INT)
    snprintf(range, sizeof range, "from %s to %s", low, high);
  else
    snprintf(range, sizeof range, "at %s %s", p->has_min ? "least" : "most",
             p->has_min ? low : high);
  snprintf(wants, sizeof wants, "%s%s%.60s", range, *unit ? " " : "", unit);
  return refuse(c, wants);
}

static int check_range(const struct check *c, double value) {
  const struct param *p = c->param;
  return (p->has_min && value < p->min) || (p->has_max && value > p->max) ? refuse_range(c) : 0;
}

static int write_json(const struct check *c, const json_t *v) {
  char *text = json64_dump(v, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
  if (!text)
    return refuse(c, "valid UTF-8");
  buf_puts(c->out, text);
  free(text);
  return 0;
}

/* Reads the whole text as a number. */
static int text_number(const char *text, double *value) {
  char *end;
  if (!text[0] || strspn(text, "+-.0123456789eE") != strlen(text))
    return ERR_INVAL;
  *value = strtod(text, &end);
  return *end ? ERR_INVAL : 0;
}

/* "5", and "5.0" or "5e3" too, as JSON has it. */
static bool text_integer(const char *text, wide_int *value) {
  double real;
  if (wide_read(text, value))
    return true;
  if (text_number(text, &real) != 0)
    return false;
  json_t *v = json_real(real); /* NULL: not finite */
  bool whole = v && json64_int(v, value);
  json_decref(v);
  return whole;
}

/* Is it a number, whatever its size?  Then it is outside of the range, rather than no integer. */
static bool is_huge(const json_t *v, const char *text) {
  double value = json_number_value(v);
  if (text && strspn(text, "+-0123456789") == strlen(text))
    return text_number(text, &value) == 0 && fabs(value) > 9e18;
  return !text && json_is_real(v) && value == floor(value) && fabs(value) > 9e18;
}

static int check_int(const struct check *c, const json_t *v, const char *text) {
  wide_int value;
  char digits[WIDE_TEXT];
  if (!(text ? text_integer(text, &value) : json64_int(v, &value)))
    return is_huge(v, text) ? refuse_range(c)
                            : refuse(c, "a whole number (digits alone, where it is large)");
  if (value < c->param->least || value > c->param->greatest)
    return refuse_range(c);
  buf_puts(c->out, wide_text(value, digits));
  return 0;
}

static int check_number(const struct check *c, const json_t *v, const char *text) {
  double value = json64_number(v);
  if ((text ? text_number(text, &value) : json64_is_number(v) ? 0 : ERR_INVAL) || !isfinite(value))
    return refuse(c, "a number");
  int rc = check_range(c, value);
  if (rc)
    return rc;
  json_t *real = value == floor(value) && fabs(value) < 1e15 ? json_integer((json_int_t)value)
                                                             : json_real(value);
  rc = write_json(c, real);
  json_decref(real);
  return rc;
}

static int check_bool(const struct check *c, const json_t *v, const char *text) {
  int value = json_is_true(v);
  if (text ? units_bool(text, &value, NULL) : !json_is_boolean(v))
    return refuse(c, "true or false");
  buf_puts(c->out, value ? "true" : "false");
  return 0;
}

static int check_string(const struct check *c, const json_t *v, const char *text) {
  text = text ? text : json64_is_number(v) ? NULL : json_string_value(v);
  if (!text)
    return refuse(c, "text");
  if (strlen(text) > KIND_TEXT_MAX || (json_is_string(v) && strlen(text) != json_string_length(v)))
    return refuse(c, "text of at most 65536 bytes without NUL");
  if (json64_has_mark(text))
    return refuse(c, "text without the code point U+FDD0");
  int rc = check_range(c, (double)strlen(text));
  if (!rc)
    buf_put_json_str(c->out, text);
  return rc;
}

/* The choice that a form's text names. */
static bool text_is_choice(const json_t *choice, const char *text) {
  double number;
  wide_int whole, wanted;
  if (!json64_is_number(choice))
    return strcmp(json_string_value(choice), text) == 0;
  if (json64_int(choice, &wanted))
    return text_integer(text, &whole) && whole == wanted;
  return text_number(text, &number) == 0 && number == json64_number(choice);
}

static bool value_is_choice(const json_t *choice, const json_t *v) {
  if (json64_is_number(choice) && json64_is_number(v))
    return value_compare(choice, v) == 0;
  return json64_is_number(choice) == json64_is_number(v) && json_is_string(v) &&
         strcmp(json_string_value(choice), json_string_value(v)) == 0;
}

static int check_enum(const struct check *c, const json_t *v, const char *text) {
  const json_t *choices = c->param->choices;
  char list[300] = "";
  for (size_t i = 0; i < json_array_size(choices); i++) {
    const json_t *choice = json_array_get(choices, i);
    if (text ? text_is_choice(choice, text) : value_is_choice(choice, v))
      return write_json(c, choice);
    size_t len = strlen(list);
    char *shown = json64_dump(choice, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    snprintf(list + len, sizeof list - len, "%s%s", i ? ", " : "one of ",
             json64_is_number(choice) && shown ? shown : json_string_value(choice));
    free(shown);
  }
  return refuse(c, list);
}

/* ---- JSON values ---- */

static const struct {
  const char *words, *large;
} documents[] = {
    [PARAM_OBJECT] = {"a JSON object", "a JSON object of at most 65536 bytes"},
    [PARAM_ARRAY] = {"a JSON array", "a JSON array of at most 65536 bytes"},
    [PARAM_JSON] = {"a JSON value", "a JSON value of at most 65536 bytes"},
};

static bool is_document(const struct param *p, const json_t *v) {
  return p->type == PARAM_OBJECT  ? json_is_object(v)
         : p->type == PARAM_ARRAY ? json_is_array(v)
                                  : v != NULL;
}

/* What is wrong with the text: a key that is there twice, a NUL in a key, a bracket too few. */
static int refuse_json(const struct check *c, const json_error_t *e) {
  char *said = mem_printf("must be %s, and its text is not JSON: %.160s (line %d, column %d).",
                          documents[c->param->type].words, e->text, e->line, e->column);
  int rc = add_fault(c, said);
  free(said);
  return rc;
}

static int check_document(const struct check *c, const json_t *v, const char *text) {
  const struct param *p = c->param;
  size_t start = c->out->len;
  if (!text && !is_document(p, v))
    return refuse(c, documents[p->type].words);
  if (!text) {
    int rc = write_json(c, v);
    return rc == 0 && c->out->len - start > KIND_TEXT_MAX ? refuse(c, documents[p->type].large)
                                                          : rc;
  }
  size_t len = strlen(text);
  if (len > KIND_TEXT_MAX)
    return refuse(c, documents[p->type].large);
  json_error_t e;
  json_t *value = json64_load(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
  int rc = is_document(p, value) ? write_json(c, value)
           : value               ? refuse(c, documents[p->type].words)
                                 : refuse_json(c, &e);
  json_decref(value);
  return rc;
}

static int (*const checks[])(const struct check *, const json_t *, const char *) = {
    [PARAM_INT] = check_int,        [PARAM_REAL] = check_number,   [PARAM_BOOL] = check_bool,
    [PARAM_STRING] = check_string,  [PARAM_ENUM] = check_enum,     [PARAM_OBJECT] = check_document,
    [PARAM_ARRAY] = check_document, [PARAM_JSON] = check_document,
};

/* ---- the schema ---- */

/* The value that lies behind `start` in `out`, by its type in order, against the schema. */
static int check_schema(const struct check *c, size_t start) {
  const struct param *p = c->param;
  struct buf pointer = {0};
  json_t *value = json64_load(c->out->data + start, c->out->len - start, JSON_DECODE_ANY, NULL);
  char *subject = mem_printf("The parameter '%s'", p->name);
  int rc = ERR_INVAL;
  value = schema_fill(p->schema, value, KIND_TEXT_MAX);
  pointer_enter(&pointer, p->name);
  c->out->data[c->out->len = start] = '\0';
  if (!value)
    add_fault(c, "must have at most 65536 bytes together with the defaults of its members.");
  else if (schema_check(p->schema, value, subject, &pointer, c->faults))
    rc = write_json(c, value);
  buf_free(&pointer);
  json_decref(value);
  free(subject);
  return rc;
}

static const char *nth_param(const void *ctx, size_t i) {
  const struct kind *k = ctx;
  return k->params[i].name;
}

static void refuse_unknown(const struct kind *k, const char *key, struct kind_faults *faults) {
  const char *near = words_nearest(key, nth_param, k, k->param_count);
  struct buf pointer = {0};
  pointer_enter(&pointer, key);
  if (near)
    faults_add(faults, "unknown-parameter", pointer.data,
               "The kind '%s' has no parameter '%.60s'; did you mean '%s'?", k->name, key, near);
  else
    faults_add(faults, "unknown-parameter", pointer.data,
               "The kind '%s' has no parameter '%.60s'; GET /api/kinds/%s lists those that it has.",
               k->name, key, k->name);
  buf_free(&pointer);
}

static bool declared(const struct kind *k, const char *key) {
  for (size_t i = 0; i < k->param_count; i++)
    if (strcmp(k->params[i].name, key) == 0)
      return true;
  return false;
}

/* Writes one parameter, if it has a value. */
static void put_param(struct check *c, const json_t *params, int from_text, bool *comma) {
  const struct param *p = c->param;
  const json_t *v = json_object_get(params, p->name);
  bool given = v && !json_is_null(v);
  if (!given && !p->fallback)
    add_fault(c, "is missing; it has no default.");
  if (!given && (!p->fallback || json_is_null(p->fallback)))
    return;
  if (*comma)
    buf_putc(c->out, ',');
  *comma = true;
  buf_put_json_str(c->out, p->name);
  buf_putc(c->out, ':');
  size_t start = c->out->len;
  if (!given) {
    write_json(c, p->fallback);
    return;
  }
  c->value = v;
  if (checks[p->type](c, v, from_text ? json_string_value(v) : NULL) == 0 && p->schema)
    check_schema(c, start);
}

int kind_check(const struct kind *k, const json_t *params, int from_text, struct buf *out,
               struct kind_faults *faults) {
  const char *key;
  json_t *value;
  size_t start = out->len;
  bool comma = false;
  if (params && !json_is_object(params)) {
    faults_add(faults, "bad-parameter", "", "params must be a JSON object.");
    faults_end(faults);
    return ERR_INVAL;
  }
  json_object_foreach((json_t *)(uintptr_t)params, key, value) if (!declared(k, key))
      refuse_unknown(k, key, faults);
  buf_putc(out, '{');
  for (size_t i = 0; i < k->param_count; i++) {
    struct check c = {.param = &k->params[i], .out = out, .faults = faults};
    put_param(&c, params, from_text, &comma);
  }
  buf_putc(out, '}');
  faults_end(faults);
  if (faults->count == 0)
    return 0;
  out->data[out->len = start] = '\0';
  return ERR_INVAL;
}

json_t *kind_example(const struct kind *k, const char *param) {
  static const unsigned types[] = {
      [PARAM_INT] = TYPE_INTEGER,   [PARAM_REAL] = TYPE_NUMBER,   [PARAM_BOOL] = TYPE_BOOLEAN,
      [PARAM_STRING] = TYPE_STRING, [PARAM_OBJECT] = TYPE_OBJECT, [PARAM_ARRAY] = TYPE_ARRAY,
  };
  for (size_t i = 0; i < k->param_count; i++) {
    const struct param *p = &k->params[i];
    if (!p->schema || strcmp(p->name, param) != 0)
      continue;
    return p->type == PARAM_JSON   ? schema_example(p->schema)
           : p->type == PARAM_ENUM ? NULL
                                   : schema_example_of(p->schema, types[p->type]);
  }
  return NULL;
}
