/* SPDX-License-Identifier: MIT
 *
 * A value against its schema.  Each keyword that does not hold is a fault of its own, so that a
 * client reads all that it has to mend at once.
 */
#include "kinds/schema_private.h"

#include "base/json64.h"
#include "kinds/value.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN = 60, WANTS_SIZE = 300 };

struct checking {
  const char *subject; /* "The parameter 'points'" */
  struct buf *pointer;
  struct kind_faults *faults;
  bool ok;
};

static bool check(struct checking *c, const struct schema *s, const json_t *v);

/* ---- sentences ---- */

/* "The parameter 'points' must be ... at /points/3, not 7." */
static void refuse(struct checking *c, const json_t *v, const char *wants) {
  char *text = json64_dump(v, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
  const char *end = !text || strlen(text) <= SHOWN ? "." : *text == '"' ? "...\"." : "...";
  const char *inside = strchr(c->pointer->data + 1, '/');
  faults_add(c->faults, "bad-parameter", c->pointer->data, "%s must be %s%s%.120s, not %.*s%s",
             c->subject, wants, inside ? " at " : "", inside ? c->pointer->data : "", SHOWN,
             text ? text : "what it is", end);
  free(text);
  c->ok = false;
}

static void refuse_span(struct checking *c, const json_t *v, const char *what,
                        const struct span *span, const char *of) {
  char wants[WANTS_SIZE];
  if (span->max < 0)
    snprintf(wants, sizeof wants, "%s of at least %" JSON_INTEGER_FORMAT " %s", what, span->min,
             of);
  else if (span->min == span->max)
    snprintf(wants, sizeof wants, "%s of %" JSON_INTEGER_FORMAT " %s", what, span->min, of);
  else if (span->min == 0)
    snprintf(wants, sizeof wants, "%s of at most %" JSON_INTEGER_FORMAT " %s", what, span->max, of);
  else
    snprintf(wants, sizeof wants, "%s of %" JSON_INTEGER_FORMAT " to %" JSON_INTEGER_FORMAT " %s",
             what, span->min, span->max, of);
  refuse(c, v, wants);
}

/* ---- types ---- */

static const struct {
  unsigned type;
  const char *words;
} type_words[] = {{TYPE_INTEGER, "a whole number"},
                  {TYPE_NUMBER, "a number"},
                  {TYPE_STRING, "text"},
                  {TYPE_BOOLEAN, "true or false"},
                  {TYPE_ARRAY, "a list"},
                  {TYPE_OBJECT, "an object"},
                  {TYPE_NULL, "null"}};

static unsigned types_of(const json_t *v) {
  wide_int whole;
  if (json64_is_number(v))
    return json64_int(v, &whole) ? TYPE_INTEGER | TYPE_NUMBER : TYPE_NUMBER;
  switch (json_typeof(v)) {
  case JSON_STRING:
    return TYPE_STRING;
  case JSON_ARRAY:
    return TYPE_ARRAY;
  case JSON_OBJECT:
    return TYPE_OBJECT;
  case JSON_NULL:
    return TYPE_NULL;
  default:
    return TYPE_BOOLEAN;
  }
}

static bool check_type(struct checking *c, const struct schema *s, const json_t *v) {
  char wants[WANTS_SIZE] = "";
  if (s->types == 0 || (s->types & types_of(v)))
    return true;
  for (size_t i = 0; i < sizeof type_words / sizeof *type_words; i++) {
    size_t len = strlen(wants);
    if (s->types & type_words[i].type)
      snprintf(wants + len, sizeof wants - len, "%s%s", len ? " or " : "", type_words[i].words);
  }
  refuse(c, v, wants);
  return false;
}

/* ---- values ---- */

static void add_value(char *list, size_t size, const json_t *v) {
  size_t len = strlen(list);
  char *text = json64_dump(v, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
  snprintf(list + len, size - len, "%s%.*s", len ? ", " : "", SHOWN, text ? text : "");
  free(text);
}

/* A client's list may be as long as the schema's choices, so no value goes through all of them: they
 * are sorted, and are named only as far as there is room. */
static void check_choices(struct checking *c, const struct schema *s, const json_t *v) {
  char list[200] = "", wants[WANTS_SIZE];
  char *text = value_canonical(v);
  bool found = s->text_count == 0 ||
               bsearch(&text, s->texts, s->text_count, sizeof *s->texts, schema_compare_texts);
  size_t count = found || faults_full(c->faults) ? 0 : json_array_size(s->choices);
  for (size_t i = 0; i < count && strlen(list) + 1 < sizeof list; i++)
    add_value(list, sizeof list, json_array_get(s->choices, i));
  snprintf(wants, sizeof wants, "one of %s", list);
  if (!found)
    refuse(c, v, wants);
  free(text);
}

static void check_constant(struct checking *c, const struct schema *s, const json_t *v) {
  char wants[WANTS_SIZE] = "";
  if (!s->constant)
    return;
  char *text = value_canonical(v);
  bool same = strcmp(text, s->constant_text) == 0;
  if (!same && !faults_full(c->faults))
    add_value(wants, sizeof wants, s->constant);
  if (!same)
    refuse(c, v, wants);
  free(text);
}

/* ---- numbers ---- */

static void check_number(struct checking *c, const struct schema *s, const json_t *v) {
  const struct {
    const json_t *bound;
    bool holds;
    const char *words;
  } bounds[] = {
      {s->minimum, s->minimum && value_compare(v, s->minimum) >= 0, "at least"},
      {s->above, s->above && value_compare(v, s->above) > 0, "more than"},
      {s->maximum, s->maximum && value_compare(v, s->maximum) <= 0, "at most"},
      {s->below, s->below && value_compare(v, s->below) < 0, "less than"},
      {s->multiple, s->multiple && value_is_multiple(v, s->multiple), "a multiple of"},
  };
  char wants[WANTS_SIZE] = "";
  bool ok = true;
  for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
    if (!bounds[i].bound)
      continue;
    char number[80] = "";
    size_t len = strlen(wants);
    add_value(number, sizeof number, bounds[i].bound);
    snprintf(wants + len, sizeof wants - len, "%s%s %s", len ? " and " : "", bounds[i].words,
             number);
    ok &= bounds[i].holds;
  }
  if (!ok)
    refuse(c, v, wants);
}

/* ---- texts ---- */

static bool out_of(const struct span *span, size_t n) {
  return (json_int_t)n < span->min || (span->max >= 0 && (json_int_t)n > span->max);
}

static void check_text(struct checking *c, const struct schema *s, const json_t *v) {
  char wants[WANTS_SIZE];
  if (out_of(&s->characters, value_characters(v)))
    refuse_span(c, v, "text", &s->characters, "characters");
  if (!s->pattern)
    return;
  switch (pattern_match(s->pattern, json_string_value(v), json_string_length(v))) {
  case PATTERN_MATCHES:
    return;
  case PATTERN_DIFFERS:
    snprintf(wants, sizeof wants, "text with a match of the pattern %.200s", s->pattern_text);
    break;
  case PATTERN_TOO_HARD:
    snprintf(
        wants, sizeof wants,
        "text that can be held against the pattern %.150s in fewer steps; a shorter one may do",
        s->pattern_text);
    break;
  }
  refuse(c, v, wants);
}

/* ---- lists ---- */

static void check_list(struct checking *c, const struct schema *s, const json_t *v) {
  size_t first, second;
  char wants[WANTS_SIZE];
  if (out_of(&s->items, json_array_size(v)))
    refuse_span(c, v, "a list", &s->items, "items");
  if (s->unique && value_repeats(v, &first, &second)) {
    snprintf(wants, sizeof wants, "a list without repeats (items %zu and %zu are the same)", first,
             second);
    refuse(c, v, wants);
  }
  for (size_t i = 0; s->each && i < json_array_size(v); i++) {
    size_t len = pointer_enter_index(c->pointer, i);
    check(c, s->each, json_array_get(v, i));
    pointer_leave(c->pointer, len);
  }
}

/* ---- objects ---- */

static const struct property *find_property(const struct schema *s, const char *name) {
  for (size_t i = 0; i < s->property_count; i++)
    if (s->properties[i].schema && strcmp(s->properties[i].name, name) == 0)
      return &s->properties[i];
  return NULL;
}

static void check_required(struct checking *c, const struct schema *s, const json_t *v) {
  for (size_t i = 0; i < s->property_count; i++) {
    const char *name = s->properties[i].name;
    if (!s->properties[i].required || json_object_get(v, name))
      continue;
    faults_add(c->faults, "bad-parameter", c->pointer->data,
               "%s lacks \"%.60s\" at %.120s; it has no default.", c->subject, name,
               c->pointer->data);
    c->ok = false;
  }
}

static void refuse_member(struct checking *c, const struct schema *s, const char *key) {
  char list[200] = "";
  size_t len = 0;
  for (size_t i = 0; i < s->property_count && len + 1 < sizeof list; i++, len = strlen(list))
    snprintf(list + len, sizeof list - len, "%s%s", i ? ", " : "", s->properties[i].name);
  faults_add(c->faults, "bad-parameter", c->pointer->data,
             "%s must not have the member \"%.60s\" at %.120s%s%s.", c->subject, key,
             c->pointer->data, *list ? "; the members are " : "", list);
  c->ok = false;
}

static void check_object(struct checking *c, const struct schema *s, const json_t *v) {
  const char *key;
  json_t *member;
  if (out_of(&s->members, json_object_size(v)))
    refuse_span(c, v, "an object", &s->members, "members");
  check_required(c, s, v);
  json_object_foreach((json_t *)(uintptr_t)v, key, member) {
    const struct property *known = find_property(s, key);
    const struct schema *of = known ? known->schema : s->rest;
    size_t len = pointer_enter(c->pointer, key);
    if (of)
      check(c, of, member);
    pointer_leave(c->pointer, len);
    if (!known && s->closed)
      refuse_member(c, s, key);
  }
}

/* ---- the whole ---- */

static bool check(struct checking *c, const struct schema *s, const json_t *v) {
  if (s->never) {
    refuse(c, v, "left out");
    return false;
  }
  if (!check_type(c, s, v))
    return false;
  check_choices(c, s, v);
  check_constant(c, s, v);
  unsigned types = types_of(v);
  if (types & TYPE_NUMBER)
    check_number(c, s, v);
  else if (types & TYPE_STRING)
    check_text(c, s, v);
  else if (types & TYPE_ARRAY)
    check_list(c, s, v);
  else if (types & TYPE_OBJECT)
    check_object(c, s, v);
  return c->ok;
}

bool schema_check(const struct schema *s, const json_t *value, const char *subject,
                  struct buf *pointer, struct kind_faults *faults) {
  struct checking c = {.subject = subject, .pointer = pointer, .faults = faults, .ok = true};
  check(&c, s, value);
  return c.ok;
}

/* ---- defaults ---- */

struct filling {
  size_t left; /* bytes that defaults may still add */
  bool over;
};

/* The same value; or, as an integer, a real that a schema wants as one. */
static json_t *fill(struct filling *f, const struct schema *s, json_t *v);

static void spend(struct filling *f, const json_t *fallback) {
  char *text = json64_dump(fallback, JSON_COMPACT | JSON_ENCODE_ANY);
  size_t len = text ? strlen(text) : 0;
  free(text);
  f->over |= len > f->left;
  f->left -= f->over ? 0 : len;
}

static void fill_object(struct filling *f, const struct schema *s, json_t *v) {
  for (size_t i = 0; i < s->property_count && !f->over; i++) {
    const struct property *p = &s->properties[i];
    json_t *member = json_object_get(v, p->name);
    if (!member && p->schema && p->schema->fallback) {
      spend(f, p->schema->fallback);
      if (!f->over)
        json_object_set_new(v, p->name, json_deep_copy(p->schema->fallback));
      member = json_object_get(v, p->name);
    }
    if (member && p->schema)
      json_object_set_new(v, p->name, fill(f, p->schema, json_incref(member)));
  }
  const char *key;
  json_t *member;
  json_object_foreach(v, key, member) if (s->rest && !find_property(s, key))
      json_object_set_new(v, key, fill(f, s->rest, json_incref(member)));
}

static json_t *fill(struct filling *f, const struct schema *s, json_t *v) {
  wide_int whole;
  if (json_is_real(v) && s->types == TYPE_INTEGER && json64_int(v, &whole)) {
    json_decref(v);
    return json_integer((json_int_t)whole);
  }
  if (json_is_object(v))
    fill_object(f, s, v);
  for (size_t i = 0; s->each && !f->over && i < json_array_size(v); i++)
    json_array_set_new(v, i, fill(f, s->each, json_incref(json_array_get(v, i))));
  return v;
}

json_t *schema_fill(const struct schema *s, json_t *value, size_t bytes_max) {
  struct filling f = {.left = bytes_max};
  json_t *full = fill(&f, s, value);
  if (!f.over)
    return full;
  json_decref(full);
  return NULL;
}
