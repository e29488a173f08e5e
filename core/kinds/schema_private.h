/* SPDX-License-Identifier: MIT
 *
 * A schema in memory; what schema_parse.c makes and schema_check.c reads.
 */
#ifndef KINDS_SCHEMA_PRIVATE_H
#define KINDS_SCHEMA_PRIVATE_H

#include "kinds/pattern.h"
#include "kinds/schema.h"

enum {
  TYPE_INTEGER = 1,
  TYPE_NUMBER = 2,
  TYPE_STRING = 4,
  TYPE_BOOLEAN = 8,
  TYPE_NULL = 16,
  TYPE_ARRAY = 32,
  TYPE_OBJECT = 64,
};

/* A size from "min..." to "max..."; max below 0: none. */
struct span {
  json_int_t min, max;
};

struct property {
  const char *name;
  struct schema *schema; /* NULL: named by "required" alone */
  bool required;
};

struct schema {
  bool never;     /* false as a schema: there is no such value */
  unsigned types; /* 0: any */
  const json_t *choices, *constant;
  char **texts; /* the choices in canonical form, sorted */
  size_t text_count;
  char *constant_text; /* the same of the constant */
  const json_t *minimum, *maximum, *above, *below, *multiple;
  struct span characters, items, members;
  struct pattern *pattern;
  const char *pattern_text;
  bool unique;
  struct schema *each; /* of a list's items */
  struct property *properties;
  size_t property_count;
  bool closed;         /* no other members */
  struct schema *rest; /* of the other members */
  const json_t *fallback;
};

/* Of two elements of `texts`. */
int schema_compare_texts(const void *a, const void *b);
/* schema_example() of one of these types. */
json_t *schema_example_of(const struct schema *s, unsigned types);

#endif
