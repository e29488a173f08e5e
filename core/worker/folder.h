/* SPDX-License-Identifier: MIT
 *
 * The private work folder of a step: <work root>/<backend>-<token>, the inputs in in/ below it.
 */
#ifndef WORKER_FOLDER_H
#define WORKER_FOLDER_H

#include "wire/messages.h"

#include <limits.h>

struct folder {
  char path[PATH_MAX];
  char final[PATH_MAX]; /* where the daemon will find it once the step is over */
  int fd;               /* of the folder; -1: there is none */
  uint64_t token;       /* of the step that it was made for */
  int64_t input_bytes;  /* of what was put into in/ */
};

/* Makes the folder (replacing what lies there) and puts the inputs into it, as hard links where the
 * file system allows it, else as copies. */
int folder_make(struct folder *f, const char *work_root, const char *backend, uint64_t token,
                const struct wire_input_file *inputs, size_t count, struct err *err);
/* <work root>/<backend>-<token>.cell; the caller frees. */
char *folder_cell(const char *work_root, const char *backend, uint64_t token);
/* Moves the folder of a step that is over out of its cell, to where the daemon looks for it. */
int folder_finish(const char *cell, const char *work_root, const char *backend, uint64_t token,
                  struct err *err);
/* The same for a folder that another process made: everything in its in/ is an input. */
int folder_take(struct folder *f, const char *work_root, const char *backend, uint64_t token,
                struct err *err);
void folder_path(char *out, size_t size, const char *work_root, const char *backend,
                 uint64_t token);
/* Is nothing in it?  Two system calls. */
bool folder_is_empty(struct folder *f);
/* Bytes that were written below it: of all files, at least FOLDER_ENTRY each, less those of the
 * inputs. INT64_MAX: there is something that cannot be measured. */
#define FOLDER_ENTRY 512
int64_t folder_bytes(const struct folder *f);
int64_t folder_input_bytes(const struct wire_input_file *inputs, size_t count);
/* Forgets the folder; `remove` also takes it from the disk. */
void folder_close(struct folder *f, bool remove);
/* Opens a file below the folder, by no symbolic link anywhere; -1 with the reason. */
int folder_open(const struct folder *f, const char *relpath, struct err *err);

#endif
