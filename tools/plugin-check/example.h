/* SPDX-License-Identifier: MIT
 *
 * A job to try a kind with: given on the command line, else made from the kind's declaration.
 */
#ifndef CHECK_EXAMPLE_H
#define CHECK_EXAMPLE_H

#include "check.h"

enum { INPUTS_MAX = 8 };

struct example {
  const char *kind;
  char id[40], idem_key[80];
  char *workdir; /* with in/ filled */
  char *spec;
  struct {
    char name[NAME_SIZE * 2];
    char *path; /* absolute, in workdir/in: a link to the blob, as the daemon makes it */
    char *blob;
  } inputs[INPUTS_MAX];
  size_t input_count;
};

/* Makes the work folder t->folder/<name> and what lies in it.  False: no example can be made, and
 * skip() or fail() has said why. */
bool example_make(struct tool *t, const char *kind, const char *name, struct example *out);
/* The same job in a fresh work folder, as after a crash. */
void example_again(struct tool *t, struct example *e);
void example_free(struct example *e);

struct given_artifact {
  const char *name, *media_type;
};
/* Holds what a completed job gave against the kind's declaration. */
void example_check_artifacts(struct tool *t, const struct example *e,
                             const struct given_artifact *given, size_t count);

#endif
