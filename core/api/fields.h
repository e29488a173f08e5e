/* SPDX-License-Identifier: MIT
 *
 * The body of a request as fields.
 */
#ifndef API_FIELDS_H
#define API_FIELDS_H

#include "api/inputs.h"
#include "api/upload.h"

enum {
  FIELDS_DEPTH_MAX = 100,     /* of JSON: lists and objects in each other */
  FIELDS_VALUES_MAX = 400000, /* of one JSON document: it bounds the memory that its tree takes */
};

/* The body as JSON (json_decref it), or NULL where there is none.  type: of the body, or NULL.  Any
 * thread. */
int fields_json(const struct http_content *c, const char *type, json_t **out, struct refusal *no);
/* The same of a body that is so small (max bytes) that the loop may read it. */
int fields_small(struct http_request *r, size_t max, json_t **out, struct refusal *no);
/* JSON inside a field: "params", "sets". */
json_t *fields_json_text(const char *name, const json_t *text, struct refusal *no);
/* Each file of a form goes to `file`, which takes it over (input_take) or refuses.  kind: its roles are
 * names of parts too; or NULL. */
int fields_files(struct http_request *r, const struct kind *kind,
                 int (*file)(void *arg, struct api_file *file), void *arg, struct refusal *no);
/* The fields of a form as an object of texts (json_decref it, also after a refusal).  Any thread.
 */
int fields_form(const struct http_content *c, json_t **out, struct refusal *no);
/* Adds the members of `from`, as a form would have brought them. */
void fields_add_as_text(json_t *to, const json_t *from);
/* Refuses the key of a body: `what` is said of it ("The body has no key", "A set has no key"), then
 * the nearest of the `count` names or all of them. */
int fields_unknown(struct refusal *no, const char *slug, const char *what, const char *key,
                   const char *const *names, size_t count);
/* 1: the field of a form may be a parameter of the kind.  Else refuses: it is nearer to one of the
 * names than to any parameter. */
int fields_misspelt(const struct kind *kind, const char *key, const char *const *names,
                    size_t count, struct refusal *no);
bool fields_is_param(const struct kind *kind, const char *name);
/* True where the request has no body, or {}; else a problem was sent. */
bool fields_none(struct http_request *r);
/* The file is the input from here on, with the hold on its blob. */
void input_take(struct input *x, struct api_file *file);

/* A query that is 1 or 0; *out stays as it is where there is none.  False after the 400 was sent. */
bool fields_flag(struct http_request *r, const char *name, bool *out);

#endif
