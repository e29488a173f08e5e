/* SPDX-License-Identifier: MIT
 *
 * A table of keywords; what is not in it has no meaning here, and is refused by name.
 */
#include "kinds/schema_private.h"

#include "base/json64.h"
#include "base/mem.h"
#include "base/nearest_word.h"
#include "kinds/value.h"

#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 16, PROPERTIES_MAX = 1000 };

struct schema_parse {
  const json_t *may_ignore;
  struct buf pointer; /* within the schema */
  int depth;
  struct err *err;
};

static struct schema *parse(struct schema_parse *p, const json_t *json);

static int refuse_keyword(const struct schema_parse *p, const char *keyword, const char *what) {
  const char *at = p->pointer.len ? p->pointer.data : "";
  return err_set(p->err, ERR_INVAL, "the keyword \"%.60s\"%s%.100s %.250s", keyword,
                 *at ? " at " : "", at, what);
}

/* ---- values of keywords ---- */

static const struct {
  const char *word;
  unsigned type;
} type_words[] = {{"integer", TYPE_INTEGER}, {"number", TYPE_NUMBER}, {"string", TYPE_STRING},
                  {"boolean", TYPE_BOOLEAN}, {"null", TYPE_NULL},     {"array", TYPE_ARRAY},
                  {"object", TYPE_OBJECT}};

static bool add_type(struct schema *s, const json_t *word) {
  const char *text = json_string_value(word);
  for (size_t i = 0; text && i < sizeof type_words / sizeof *type_words; i++)
    if (strcmp(type_words[i].word, text) == 0) {
      s->types |= type_words[i].type;
      return true;
    }
  return false;
}

static int take_type(struct schema_parse *p, struct schema *s, const json_t *v) {
  bool ok = json_is_string(v) || json_array_size(v) > 0;
  if (json_is_string(v))
    ok = add_type(s, v);
  for (size_t i = 0; ok && i < json_array_size(v); i++)
    ok = add_type(s, json_array_get(v, i));
  return ok ? 0
            : refuse_keyword(p, "type",
                             "must be one or several of integer, number, string, boolean, null, "
                             "array, object");
}

int schema_compare_texts(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static int take_choices(struct schema_parse *p, struct schema *s, const json_t *v) {
  if (json_array_size(v) == 0)
    return refuse_keyword(p, "enum", "must be a list with at least one value");
  s->choices = v;
  s->text_count = json_array_size(v);
  s->texts = mem_array(s->text_count, sizeof *s->texts);
  for (size_t i = 0; i < s->text_count; i++)
    s->texts[i] = value_canonical(json_array_get(v, i));
  qsort(s->texts, s->text_count, sizeof *s->texts, schema_compare_texts);
  return 0;
}

static int take_constant(struct schema_parse *p, struct schema *s, const json_t *v) {
  (void)p;
  s->constant = v;
  s->constant_text = value_canonical(v);
  return 0;
}

static int take_default(struct schema_parse *p, struct schema *s, const json_t *v) {
  (void)p;
  s->fallback = v;
  return 0;
}

static int take_number(struct schema_parse *p, const char *keyword, const json_t *v,
                       const json_t **out) {
  if (!json64_is_number(v))
    return refuse_keyword(p, keyword, "must be a number");
  *out = v;
  return 0;
}

static int take_minimum(struct schema_parse *p, struct schema *s, const json_t *v) {
  return take_number(p, "minimum", v, &s->minimum);
}

static int take_maximum(struct schema_parse *p, struct schema *s, const json_t *v) {
  return take_number(p, "maximum", v, &s->maximum);
}

static int take_above(struct schema_parse *p, struct schema *s, const json_t *v) {
  return take_number(p, "exclusiveMinimum", v, &s->above);
}

static int take_below(struct schema_parse *p, struct schema *s, const json_t *v) {
  return take_number(p, "exclusiveMaximum", v, &s->below);
}

static int take_multiple(struct schema_parse *p, struct schema *s, const json_t *v) {
  if (!json64_is_number(v) || json64_number(v) <= 0)
    return refuse_keyword(p, "multipleOf", "must be a number above 0");
  s->multiple = v;
  return 0;
}

static int take_size(struct schema_parse *p, const char *keyword, const json_t *v,
                     json_int_t *out) {
  wide_int n;
  if (!json64_int(v, &n) || n < 0 || n > INT64_MAX)
    return refuse_keyword(p, keyword, "must be a whole number that is not negative");
  *out = (json_int_t)n;
  return 0;
}

static int take_min_length(struct schema_parse *p, struct schema *s, const json_t *v) {
  return take_size(p, "minLength", v, &s->characters.min);
}

static int take_max_length(struct schema_parse *p, struct schema *s, const json_t *v) {
  return take_size(p, "maxLength", v, &s->characters.max);
}

static int take_min_items(struct schema_parse *p, struct schema *s, const json_t *v) {
  return take_size(p, "minItems", v, &s->items.min);
}

static int take_max_items(struct schema_parse *p, struct schema *s, const json_t *v) {
  return take_size(p, "maxItems", v, &s->items.max);
}

static int take_min_members(struct schema_parse *p, struct schema *s, const json_t *v) {
  return take_size(p, "minProperties", v, &s->members.min);
}

static int take_max_members(struct schema_parse *p, struct schema *s, const json_t *v) {
  return take_size(p, "maxProperties", v, &s->members.max);
}

static int take_pattern(struct schema_parse *p, struct schema *s, const json_t *v) {
  struct err why = {0};
  if (!json_is_string(v) || json64_is_number(v))
    return refuse_keyword(p, "pattern", "must be text");
  s->pattern_text = json_string_value(v);
  s->pattern = pattern_compile(s->pattern_text, &why);
  if (s->pattern)
    return 0;
  char *what = mem_printf("cannot be used: %s", why.text);
  int rc = refuse_keyword(p, "pattern", what);
  free(what);
  return rc;
}

static int take_unique(struct schema_parse *p, struct schema *s, const json_t *v) {
  if (!json_is_boolean(v))
    return refuse_keyword(p, "uniqueItems", "must be true or false");
  s->unique = json_is_true(v);
  return 0;
}

/* ---- schemas in schemas ---- */

static struct schema *parse_at(struct schema_parse *p, const char *key, const json_t *v) {
  size_t len = pointer_enter(&p->pointer, key);
  struct schema *s = parse(p, v);
  pointer_leave(&p->pointer, len);
  return s;
}

static int take_items(struct schema_parse *p, struct schema *s, const json_t *v) {
  if (json_is_array(v))
    return refuse_keyword(p, "items", "must be one schema, for all items; a list is not taken");
  s->each = parse_at(p, "items", v);
  return s->each ? 0 : ERR_INVAL;
}

static struct property *property_of(struct schema *s, const char *name) {
  for (size_t i = 0; i < s->property_count; i++)
    if (strcmp(s->properties[i].name, name) == 0)
      return &s->properties[i];
  s->properties = mem_grow(s->properties, (s->property_count + 1) * sizeof *s->properties);
  s->properties[s->property_count] = (struct property){.name = name};
  return &s->properties[s->property_count++];
}

static int take_properties(struct schema_parse *p, struct schema *s, const json_t *v) {
  const char *name;
  json_t *one;
  if (!json_is_object(v) || json_object_size(v) > PROPERTIES_MAX)
    return refuse_keyword(p, "properties", "must be an object with at most 1000 members");
  size_t len = pointer_enter(&p->pointer, "properties");
  json_object_foreach((json_t *)(uintptr_t)v, name, one) {
    struct schema *schema = parse_at(p, name, one);
    if (!schema)
      return ERR_INVAL;
    property_of(s, name)->schema = schema;
  }
  pointer_leave(&p->pointer, len);
  return 0;
}

static int take_required(struct schema_parse *p, struct schema *s, const json_t *v) {
  bool ok = json_is_array(v) && json_array_size(v) <= PROPERTIES_MAX;
  for (size_t i = 0; ok && i < json_array_size(v); i++) {
    const json_t *name = json_array_get(v, i);
    ok = json_is_string(name) && !json64_is_number(name);
    if (ok)
      property_of(s, json_string_value(name))->required = true;
  }
  return ok ? 0 : refuse_keyword(p, "required", "must be a list of at most 1000 names");
}

static int take_rest(struct schema_parse *p, struct schema *s, const json_t *v) {
  s->closed = json_is_false(v);
  s->rest = s->closed || json_is_true(v) ? NULL : parse_at(p, "additionalProperties", v);
  return s->closed || json_is_true(v) || s->rest ? 0 : ERR_INVAL;
}

/* ---- the whole ---- */

static const struct keyword {
  const char *name;
  int (*take)(struct schema_parse *p, struct schema *s, const json_t *v); /* NULL: for people */
} keywords[] = {
    {"type", take_type},
    {"enum", take_choices},
    {"const", take_constant},
    {"default", take_default},
    {"minimum", take_minimum},
    {"maximum", take_maximum},
    {"exclusiveMinimum", take_above},
    {"exclusiveMaximum", take_below},
    {"multipleOf", take_multiple},
    {"minLength", take_min_length},
    {"maxLength", take_max_length},
    {"pattern", take_pattern},
    {"items", take_items},
    {"minItems", take_min_items},
    {"maxItems", take_max_items},
    {"uniqueItems", take_unique},
    {"properties", take_properties},
    {"required", take_required},
    {"additionalProperties", take_rest},
    {"minProperties", take_min_members},
    {"maxProperties", take_max_members},
    {"title", NULL},
    {"description", NULL},
    {"examples", NULL},
    {"$comment", NULL},
    {"deprecated", NULL},
};

bool schema_may_ignore(const json_t *may_ignore, const char *key) {
  if (strncmp(key, "x-", 2) == 0)
    return true;
  for (size_t i = 0; i < json_array_size(may_ignore); i++)
    if (strcmp(json_string_value(json_array_get(may_ignore, i)), key) == 0)
      return true;
  return false;
}

static const char *nth_keyword(const void *ctx, size_t i) {
  return ((const struct keyword *)ctx)[i].name;
}

static int take_keyword(struct schema_parse *p, struct schema *s, const char *key,
                        const json_t *v) {
  size_t count = sizeof keywords / sizeof *keywords;
  for (size_t i = 0; i < count; i++)
    if (strcmp(keywords[i].name, key) == 0)
      return keywords[i].take ? keywords[i].take(p, s, v) : 0;
  if (schema_may_ignore(p->may_ignore, key))
    return 0;
  const char *near = words_nearest(key, nth_keyword, keywords, count);
  if (!near)
    return refuse_keyword(p, key,
                          "is not one that is checked here; say it with those that are, or name "
                          "it in \"may_ignore\" if it may go unchecked");
  char *what = mem_printf("is not one that is checked here; did you mean \"%s\"?", near);
  int rc = refuse_keyword(p, key, what);
  free(what);
  return rc;
}

static int take_all(struct schema_parse *p, struct schema *s, const json_t *json) {
  const char *key;
  json_t *v;
  int rc = 0;
  json_object_foreach((json_t *)(uintptr_t)json, key, v) if (rc == 0)
      rc = take_keyword(p, s, key, v);
  return rc;
}

/* A default must be something that a client could have sent. */
static int check_default(struct schema_parse *p, const struct schema *s) {
  struct kind_faults faults = {0};
  struct buf at = {0};
  if (!s->fallback)
    return 0;
  pointer_enter(&at, "default");
  json_t *value = schema_fill(s, json_deep_copy(s->fallback), SIZE_MAX);
  bool ok = schema_check(s, value, "it", &at, &faults);
  char *what = ok ? NULL : mem_printf("is not acceptable: %s", faults.err.text);
  int rc = ok ? 0 : refuse_keyword(p, "default", what);
  json_decref(value);
  free(what);
  buf_free(&at);
  kind_faults_free(&faults);
  return rc;
}

static struct schema *parse(struct schema_parse *p, const json_t *json) {
  struct schema *s = mem_alloc(sizeof *s);
  s->characters.max = s->items.max = s->members.max = -1;
  int rc = 0;
  if (++p->depth > DEPTH_MAX)
    rc = err_set(p->err, ERR_INVAL, "schemas are nested more than %d deep", DEPTH_MAX);
  else if (json_is_boolean(json))
    s->never = json_is_false(json);
  else if (!json_is_object(json))
    rc = err_set(p->err, ERR_INVAL, "the schema%s%.200s must be an object, true or false",
                 p->pointer.len ? " at " : "", p->pointer.len ? p->pointer.data : "");
  else
    rc = take_all(p, s, json);
  if (!rc)
    rc = check_default(p, s);
  p->depth--;
  if (!rc)
    return s;
  schema_free(s);
  return NULL;
}

struct schema *schema_parse(const json_t *json, const json_t *may_ignore, struct err *err) {
  struct schema_parse p = {.may_ignore = may_ignore, .err = err};
  struct schema *s = parse(&p, json);
  buf_free(&p.pointer);
  return s;
}

void schema_free(struct schema *s) {
  if (!s)
    return;
  for (size_t i = 0; i < s->property_count; i++)
    schema_free(s->properties[i].schema);
  for (size_t i = 0; i < s->text_count; i++)
    free(s->texts[i]);
  schema_free(s->each);
  schema_free(s->rest);
  pattern_free(s->pattern);
  free(s->properties);
  free(s->texts);
  free(s->constant_text);
  free(s);
}
