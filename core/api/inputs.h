/* SPDX-License-Identifier: MIT
 *
 * The inputs of a submit: blobs by name, files that came with the form, or bytes inside the JSON.
 */
#ifndef API_INPUTS_H
#define API_INPUTS_H

#include "api/internal.h"
#include "api/refusal.h"

struct input {
  char name[201];
  char sha256[SHA256_HEX_SIZE]; /* "" while `data` is not stored yet */
  int64_t bytes;
  struct buf data; /* decoded, to be stored */
  bool made_here, held;
  char role[61]; /* "": none was named */
  int lost;      /* of a blob that is named: why it cannot be had, a negative code (finding.h) */
};
struct inputs {
  struct input *list;
  size_t count, cap;
};

#define INPUTS_MAX 64

/* Of the input's own texts. */
struct record_input input_record(const struct input *x);

/* The next input, under a name that no other has.  NULL after *no was set: too many. */
struct input *inputs_add(struct inputs *in, const char *name, struct refusal *no);
/* The value of "input": null, text, object or a list.  name: of a single one, or NULL. */
int inputs_parse(struct inputs *in, const json_t *value, const char *name, struct refusal *no);
/* A blob's id, data URL or base64 that came as the field of its role. */
int inputs_parse_role(struct inputs *in, const json_t *text, const char *role, struct refusal *no);
/* Number, roles, endings, sizes and existence against the kind.  An input that names no role gets the
 * first in the kind's order that still has a place.  Blobs that are named were looked for. */
int inputs_check(const struct api *a, struct inputs *in, const struct kind *kind,
                 struct refusal *no);
/* Gives up the holds and the memory. */
void inputs_release(struct api *a, struct inputs *in, bool refused);

#endif
