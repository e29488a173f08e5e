/* SPDX-License-Identifier: MIT
 *
 * Values that a schema takes, for examples: the first that comes to mind, then held against it.
 */
#include "kinds/schema_private.h"

#include "base/buf.h"
#include "base/json64.h"

#include <math.h>

enum { ITEMS_MAX = 100 };

static json_t *example_number(const struct schema *s) {
  const json_t *from = s->minimum ? s->minimum : s->maximum;
  if (from)
    return json_deep_copy(from);
  if (s->above)
    return json_integer((json_int_t)floor(json64_number(s->above)) + 1);
  if (s->below)
    return json_integer((json_int_t)ceil(json64_number(s->below)) - 1);
  return s->multiple ? json_deep_copy(s->multiple) : json_integer(1);
}

static json_t *example_text(const struct schema *s) {
  struct buf b = {0};
  json_int_t least = s->characters.min < ITEMS_MAX ? s->characters.min : ITEMS_MAX;
  buf_puts(&b, s->characters.max >= 0 && s->characters.max < 7 ? "" : "example");
  while ((json_int_t)b.len < least)
    buf_putc(&b, 'x');
  json_t *v = json_string(b.data);
  buf_free(&b);
  return v;
}

static json_t *example_list(const struct schema *s) {
  json_t *list = json_array();
  for (json_int_t i = 0; i < s->items.min && i < ITEMS_MAX; i++) {
    json_t *one = s->each ? schema_example(s->each) : json_integer(i);
    json_array_append_new(list, one ? one : json_null());
  }
  return list;
}

static json_t *example_object(const struct schema *s) {
  json_t *object = json_object();
  for (size_t i = 0; i < s->property_count; i++) {
    const struct property *p = &s->properties[i];
    json_t *v = p->required && p->schema ? schema_example(p->schema) : NULL;
    if (v)
      json_object_set_new(object, p->name, v);
  }
  return object;
}

/* Where a schema does not say it: what its keywords are for. */
static unsigned types_of(const struct schema *s) {
  if (s->types)
    return s->types;
  if (s->each || s->items.min > 0)
    return TYPE_ARRAY;
  if (s->characters.min > 0 || s->pattern)
    return TYPE_STRING;
  return s->minimum || s->maximum || s->above || s->below || s->multiple ? TYPE_NUMBER
                                                                         : TYPE_OBJECT;
}

static json_t *guess(const struct schema *s, unsigned types) {
  if (s->fallback)
    return json_deep_copy(s->fallback);
  if (s->constant)
    return json_deep_copy(s->constant);
  if (s->choices)
    return json_deep_copy(json_array_get(s->choices, 0));
  if (types & (TYPE_INTEGER | TYPE_NUMBER))
    return example_number(s);
  if (types & TYPE_STRING)
    return example_text(s);
  if (types & TYPE_BOOLEAN)
    return json_false();
  if (types & TYPE_ARRAY)
    return example_list(s);
  return types & TYPE_OBJECT ? example_object(s) : json_null();
}

json_t *schema_example(const struct schema *s) {
  return schema_example_of(s, types_of(s));
}

json_t *schema_example_of(const struct schema *s, unsigned types) {
  struct kind_faults faults = {0};
  struct buf at = {0};
  json_t *v = guess(s, types);
  pointer_enter(&at, "example");
  if (v && !schema_check(s, v, "it", &at, &faults)) {
    json_decref(v);
    v = NULL;
  }
  kind_faults_free(&faults);
  buf_free(&at);
  return v;
}
