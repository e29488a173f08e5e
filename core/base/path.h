/* SPDX-License-Identifier: MIT */
#ifndef BASE_PATH_H
#define BASE_PATH_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* True for a name that is safe as one path component: 1 to 200 bytes of valid
 * UTF-8, no '/', no control characters, not "." or "..", no leading '.' or '-'. */
bool path_is_plain_name(const char *name);

/* A plain name made of whatever a client called its file: what follows the last
 * '/' or '\', bytes that do not fit replaced by '_'; "input" when nothing is
 * left.  out holds at least 201 bytes. */
void path_plain_name(const char *untrusted, char *out, size_t size);

/* Joins with one '/'.  The caller frees. */
char *path_join(const char *dir, const char *name);

/* mkdir -p with mode 0700 for what is new. */
int path_make_dirs(const char *path, struct err *err);

/* rm -rf without following links.  A path that is absent is not an error. */
int path_remove_tree(const char *path, struct err *err);

/* fsync of the folder that `path` lies in: its entry is on disk. */
int path_sync_parent(const char *path, struct err *err);

/* The folder of the running program (for finding its neighbours).  The caller frees. */
char *path_program_dir(void);

/* Reads a whole file of at most `max` bytes; the caller frees *data (NUL-terminated). */
int path_read_file(const char *path, size_t max, char **data, size_t *len, struct err *err);

#endif
