/* SPDX-License-Identifier: MIT
 *
 * A kind in memory: load.c and parse*.c make it, check.c reads it.
 */
#ifndef KINDS_PRIVATE_H
#define KINDS_PRIVATE_H

#include "base/json64.h"
#include "base/map.h"
#include "kinds/kinds.h"

#include <stdbool.h>

enum param_type {
  PARAM_INT,
  PARAM_REAL,
  PARAM_BOOL,
  PARAM_STRING,
  PARAM_ENUM,
  PARAM_OBJECT,
  PARAM_ARRAY,
  PARAM_JSON,
};

/* Longest text that a client may send for a string or a JSON value, and longest JSON value with its
 * defaults filled in. */
enum { KIND_TEXT_MAX = 64 << 10 };

struct schema;

struct param {
  const char *name, *unit; /* of the declaration's JSON, like all strings here; unit may be NULL */
  enum param_type type;
  const json_t *fallback; /* NULL: required; JSON null: may be left out */
  const json_t *choices;  /* of an enum */
  bool has_min, has_max;
  double min, max;          /* of a real, or the length of a string */
  wide_int least, greatest; /* of an int: its range, without one that of 64 bits with a sign */
  struct schema *schema;    /* owned; NULL: its type says all */
  json_t *filled;           /* owned: the default with those of its members, or NULL */
};

struct kind {
  json_t *json; /* owned */
  char *file;   /* where it was declared; "backend NAME" */
  char *owner;  /* the backend whose plugin declared it; NULL: a file does */
  const char *name;
  struct param *params;
  size_t param_count;
  struct kind_role *roles;
  size_t role_count;
  int inputs_min, inputs_max;
  int64_t input_bytes_max;
  int64_t memory;
  double memory_per_input_byte;
  int threads;
  int attempts;
  int64_t timeout_ms;
};

struct kinds {
  struct map by_name;
  struct kind **list; /* sorted by name */
  size_t count;
  struct kind **retired; /* no longer declared so, but somebody may hold them */
  size_t retired_count;
  struct kinds_problem *problems;
  size_t problem_count;
};

/* Fills `k` from its declaration (borrowed, and completed: the sums of roles); err names what is wrong. */
int kind_parse(struct kind *k, json_t *json, const char *file, struct err *err);
void param_free(struct param *param);
/* Frees what it owns, json too. */
void kind_clear(struct kind *k);
void kind_free(struct kind *k); /* and itself */

/* load.c */
__attribute__((format(printf, 4, 5))) void
kinds_add_problem(struct kinds *k, const char *kind, const char *file, const char *fmt, ...);
/* Of two declarations of one kind: a problem where they disagree. */
bool kinds_compare(struct kinds *k, const struct kind *first, const struct kind *second);
/* No longer declared so, but somebody may hold it. */
void kinds_retire(struct kinds *k, struct kind *kind);
void kinds_sort(struct kinds *k);

#endif
