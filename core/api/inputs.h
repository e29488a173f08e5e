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
};
struct inputs {
  struct input *list;
  size_t count, cap;
};

#define INPUTS_MAX 64

/* The next input, under a name that no other has.  NULL after *no was set: too many. */
struct input *inputs_add(struct inputs *in, const char *name, struct refusal *no);
/* The value of "input": null, text, object or a list.  name: of a single one, or NULL. */
int inputs_parse(struct inputs *in, const json_t *value, const char *name, struct refusal *no);
/* Number, endings, sizes and existence against the kind. */
int inputs_check(struct api *a, struct inputs *in, const struct kind *kind, struct refusal *no);
/* Gives up the holds and the memory. */
void inputs_release(struct api *a, struct inputs *in, bool refused);

#endif
