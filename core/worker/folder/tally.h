/* SPDX-License-Identifier: MIT
 *
 * What lies in a folder, in bytes: of all files, at least FOLDER_ENTRY each.  A job may leave
 * millions of them, so they are counted in pieces, and no file stays open from one to the next.
 *
 * What is moved meanwhile may count twice, or not at all: the folder belongs to a job that runs.
 */
#ifndef WORKER_TALLY_H
#define WORKER_TALLY_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FOLDER_ENTRY 512

enum { TALLY_DEPTH = 128 }; /* folders in each other; each holds a descriptor while it is read */

struct tally {
  int64_t total;            /* so far; INT64_MAX: there is something that cannot be measured */
  int64_t enough;           /* nothing more is read once it is over this */
  bool over;                /* all was read, or enough */
  int depth;                /* of the folder that is read */
  long at[TALLY_DEPTH + 1]; /* how far each folder on the way to it was read */
  char path[PATH_MAX];      /* to it, each name behind a '/' */
};

void tally_begin(struct tally *t, int64_t enough);
/* Looks at up to `entries` more.  `root`: the folder, the same each time. */
void tally_go_on(struct tally *t, const char *root, size_t entries);

#endif
