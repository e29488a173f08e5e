/* SPDX-License-Identifier: MIT
 *
 * A client's parameters against their declaration: each value is checked,
 * converted where it came as text, and written in the declared order.
 */
#include "base/units.h"
#include "base/words.h"
#include "kinds/private.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Longest text that a client may send for a string or an object. */
enum { TEXT_MAX = 64 << 10 };

struct check {
  const struct param *param;
  const json_t *value; /* as the client sent it */
  struct buf *out;
  struct err *err;
};

/* "The parameter 'steps' must be ..., not 7.5." */
static int refuse(const struct check *c, const char *wants) {
  char *text = json64_dump(c->value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
  const char *end = !text || strlen(text) <= 60 ? "." : *text == '"' ? "...\"." : "...";
  int rc = err_set(c->err, ERR_INVAL, "The parameter '%s' must be %s, not %.60s%s", c->param->name,
                   wants, text ? text : "what it is", end);
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
  if (strlen(text) > TEXT_MAX || (json_is_string(v) && strlen(text) != json_string_length(v)))
    return refuse(c, "text of at most 65536 bytes without NUL");
  if (json64_has_mark(text))
    return refuse(c, "text without the code point U+FDD0");
  int rc = check_range(c, (double)strlen(text));
  if (!rc)
    buf_put_json_str(c->out, text);
  return rc;
}

static int check_enum(const struct check *c, const json_t *v, const char *text) {
  const json_t *choices = c->param->choices;
  char list[300] = "";
  text = text ? text : json_string_value(v);
  for (size_t i = 0; i < json_array_size(choices); i++) {
    const char *choice = json_string_value(json_array_get(choices, i));
    if (text && strcmp(choice, text) == 0) {
      buf_put_json_str(c->out, choice);
      return 0;
    }
    size_t len = strlen(list);
    snprintf(list + len, sizeof list - len, "%s%s", i ? ", " : "one of ", choice);
  }
  return refuse(c, list);
}

/* What is wrong with the text: a key that is there twice, a NUL in a key, a bracket too few. */
static int refuse_json(const struct check *c, const json_error_t *e) {
  return err_set(c->err, ERR_INVAL,
                 "The parameter '%s' must be a JSON object, and its text is not JSON: %.160s (line "
                 "%d, column %d).",
                 c->param->name, e->text, e->line, e->column);
}

static int check_object(const struct check *c, const json_t *v, const char *text) {
  size_t start = c->out->len;
  if (!text && !json_is_object(v))
    return refuse(c, "a JSON object");
  if (!text) {
    int rc = write_json(c, v);
    return rc == 0 && c->out->len - start > TEXT_MAX
               ? refuse(c, "a JSON object of at most 65536 bytes")
               : rc;
  }
  size_t len = strlen(text);
  if (len > TEXT_MAX)
    return refuse(c, "a JSON object of at most 65536 bytes");
  json_error_t e;
  json_t *object = json64_load(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
  int rc = json_is_object(object) ? write_json(c, object)
           : object               ? refuse(c, "a JSON object")
                                  : refuse_json(c, &e);
  json_decref(object);
  return rc;
}

static int (*const checks[])(const struct check *, const json_t *, const char *) = {
    [PARAM_INT] = check_int,       [PARAM_REAL] = check_number, [PARAM_BOOL] = check_bool,
    [PARAM_STRING] = check_string, [PARAM_ENUM] = check_enum,   [PARAM_OBJECT] = check_object,
};

static const char *nth_param(const void *ctx, size_t i) {
  const struct kind *k = ctx;
  return k->params[i].name;
}

static int refuse_unknown(const struct kind *k, const char *key, const char **slug,
                          struct err *err) {
  const char *near = words_nearest(key, nth_param, k, k->param_count);
  *slug = "unknown-parameter";
  if (near)
    return err_set(err, ERR_INVAL, "The kind '%s' has no parameter '%.60s'; did you mean '%s'?",
                   k->name, key, near);
  return err_set(
      err, ERR_INVAL,
      "The kind '%s' has no parameter '%.60s'; GET /api/kinds/%s lists those that it has.", k->name,
      key, k->name);
}

static bool declared(const struct kind *k, const char *key) {
  for (size_t i = 0; i < k->param_count; i++)
    if (strcmp(k->params[i].name, key) == 0)
      return true;
  return false;
}

/* Writes one parameter, if it has a value. */
static int put_param(struct check *c, const json_t *params, int from_text, bool *comma) {
  const struct param *p = c->param;
  const json_t *v = json_object_get(params, p->name);
  bool given = v && !json_is_null(v);
  if (!given && !p->fallback)
    return err_set(c->err, ERR_INVAL, "The parameter '%s' is missing; it has no default.", p->name);
  if (!given && json_is_null(p->fallback))
    return 0;
  if (*comma)
    buf_putc(c->out, ',');
  *comma = true;
  buf_put_json_str(c->out, p->name);
  buf_putc(c->out, ':');
  if (!given)
    return write_json(c, p->fallback);
  const char *text = from_text ? json_string_value(v) : NULL;
  c->value = v;
  return checks[p->type](c, v, text);
}

int kind_check(const struct kind *k, const json_t *params, int from_text, struct buf *out,
               const char **slug, struct err *err) {
  const char *key;
  json_t *value;
  *slug = "bad-parameter";
  if (params && !json_is_object(params))
    return err_set(err, ERR_INVAL, "params must be a JSON object.");
  json_object_foreach((json_t *)params, key, value) {
    if (!declared(k, key))
      return refuse_unknown(k, key, slug, err);
  }
  size_t start = out->len;
  bool comma = false;
  int rc = 0;
  buf_putc(out, '{');
  for (size_t i = 0; !rc && i < k->param_count; i++) {
    struct check c = {.param = &k->params[i], .out = out, .err = err};
    rc = put_param(&c, params, from_text, &comma);
  }
  buf_putc(out, '}');
  if (rc)
    out->data[out->len = start] = '\0';
  return rc;
}
