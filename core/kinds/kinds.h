/* SPDX-License-Identifier: MIT
 *
 * Kinds of jobs as data: plugin-sdk/kinds/NAME.json (schema in its README) declares
 * parameters, inputs, artifacts, resources and limits once; validation, the
 * API's reference and the CLI's help all follow from it.
 */
#ifndef KINDS_KINDS_H
#define KINDS_KINDS_H

#include "base/buf.h"
#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct kinds;
struct kind;

/* Loads every *.json of the folders (NULL-terminated list).  What is wrong keeps no other kind from
 * loading: it is a problem.  Of two declarations of a kind the first counts; that they differ is a
 * problem too.  Any thread. */
struct kinds *kinds_load(const char *const *folders);
/* Takes over what `fresh` (freed) declares.  A `struct kind` that was handed out stays valid as
 * long as `k` does, whatever became of its declaration. */
void kinds_replace(struct kinds *k, struct kinds *fresh);
void kinds_free(struct kinds *k); /* NULL is fine */

struct kinds_problem {
  char *kind; /* NULL: not known, or no single one */
  char *file; /* path of the file or folder */
  char *text; /* what is wrong with it and what to do; names no path but those of its own folder */
  bool declared; /* by a backend */
};
const struct kinds_problem *kinds_problems(const struct kinds *k, size_t *count);

/* A kind that the plugin of a backend declares. */
struct kinds_declaration {
  const char *backend, *kind, *json; /* json: as a file has it */
  bool
      differs; /* set by kinds_declare: another declaration of the kind counts and says other things, or
                   the text is not one of a kind */
};
/* All that backends declare now, in place of what they declared before.  A file goes before them;
 * of two that declare a kind the one that did first keeps it while it does; that they differ is a
 * problem, as is a text that is not one of a kind.  True: a kind or a problem is another now. */
bool kinds_declare(struct kinds *k, struct kinds_declaration *list, size_t count);
/* Is the text (a file's, or a declaration's) one of the kind? */
int kinds_check_text(const char *kind, const char *json, struct err *err);

const struct kind *kinds_find(const struct kinds *k, const char *name);
const char *kinds_nearest(const struct kinds *k,
                          const char *name); /* for messages; NULL if none is near */
const struct kind *kinds_next(const struct kinds *k, const struct kind *previous);

const char *kind_name(const struct kind *k);
const char *kind_owner(const struct kind *k);  /* the backend that declares it; NULL: a file does */
const json_t *kind_json(const struct kind *k); /* the whole declaration */
int kind_inputs_min(const struct kind *k);
int kind_inputs_max(const struct kind *k);
int64_t kind_input_bytes_max(const struct kind *k); /* 0: the server's limit */
int kind_attempts(const struct kind *k);            /* 0: the server's default */
int64_t kind_timeout_ms(const struct kind *k);      /* 0: likewise */
/* What the queue reserves for a job with so many bytes of input. */
int64_t kind_memory(const struct kind *k, int64_t input_bytes);
int kind_threads(const struct kind *k, const json_t *params);

/* A part that an input plays, for a kind that tells its inputs apart. */
struct kind_role {
  const char *name;      /* of the declaration, as is formats */
  const json_t *formats; /* NULL: those of all inputs */
  int min, max;          /* so many inputs have it */
  int64_t bytes_max;     /* 0: the limit of all inputs */
};
/* In the declared order; none for most kinds. */
const struct kind_role *kind_roles(const struct kind *k, size_t *count);
const struct kind_role *kind_role(const struct kind *k, const char *name); /* NULL: none */

/* Is the declared name of an artifact one of many ("frame-*.png")?  "*" alone is not: it stands for
 * the name of an input. */
bool kind_is_glob(const char *declared);
bool kind_glob_fits(const char *declared, const char *name);

/* What is wrong with parameters.  Begins zeroed; kind_faults_free() it. */
struct kind_faults {
  const char *slug; /* of the first: "bad-parameter" or "unknown-parameter" */
  struct err err;   /* all sentences, as far as they fit, and how many more there are */
  struct buf list;  /* JSON: [{"pointer": "/points/3/x", "detail": "The parameter ..."}] */
  size_t count, unsaid;
};
void kind_faults_free(struct kind_faults *f);

/* Checks `params` (an object, or NULL) and writes the full object, defaults filled in, compact,
 * keys in the declared order.  ERR_INVAL: *faults has all that is wrong, each with its parameter,
 * its place within, what is allowed there and, for a misspelt one, the nearest.  With `from_text`
 * values are strings (a form's fields) and are converted.  Any thread. */
int kind_check(const struct kind *k, const json_t *params, int from_text, struct buf *out,
               struct kind_faults *faults);
/* A value for the parameter that its schema takes, for examples (json_decref it).  NULL: it has no
 * schema, is an enum, or nothing was found. */
json_t *kind_example(const struct kind *k, const char *param);

#endif
