/* SPDX-License-Identifier: MIT
 *
 * What the files that read a declaration share.
 */
#ifndef KINDS_PARSE_H
#define KINDS_PARSE_H

#include "kinds/private.h"

struct field {
  const char *key;
  char type; /* s string, a array, o object, i int, n number, b bool, z size, t time, * any */
  bool required;
};

struct parse { /* for messages */
  const char *file, *where;
  const json_t *may_ignore; /* unknown keys that are no error; or NULL */
  struct err *err;
};

/* Every key of the object is one of the fields, and of its type; required ones are there. */
int parse_fields(const struct parse *p, json_t *object, const struct field *fields);
/* A size or a time: a whole number, or text that `read` understands. */
int parse_quantity(const struct parse *p, const json_t *object, const char *key,
                   int (*read)(const char *, int64_t *, struct err *), int64_t *out);
/* 1 to 60 of a-z, 0-9 and `also`. */
bool parse_is_word(const char *text, const char *also);
/* Has a submission a field of its own of this name? */
bool parse_is_reserved(const char *name);

int parse_params(struct parse *p, struct kind *k, json_t *list);
/* After the parameters, whose names no role may have. */
int parse_inputs(struct parse *p, struct kind *k, json_t *json);
int parse_artifacts(struct parse *p, json_t *list);

#endif
