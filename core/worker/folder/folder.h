/* SPDX-License-Identifier: MIT
 *
 * The private work folder of a step, the inputs in in/ below it.
 *
 *   <work root>/<stem>.<token>           where the daemon looks for it; stem: <backend>-<cell>
 *   <work root>/<stem>/<stem>.<token>    in the worker's cell, while a PROCESS plugin works in it
 *   <work root>/<stem>/<token>/...       in a cell of its own, where FORK jobs may park
 *   <work root>/<stem>/ahead-<pid>       made by a process that waits for its step
 *
 * The number of the cell is the daemon's: no other worker's folders begin with it, and the daemon
 * removes all that do when the worker has ended.
 */
#ifndef WORKER_FOLDER_H
#define WORKER_FOLDER_H

#include "wire/messages.h"
#include "worker/folder/tally.h"

#include <limits.h>
#include <sys/types.h>

struct folder {
  char path[PATH_MAX];
  int fd;              /* of the folder; -1: there is none */
  uint64_t token;      /* of the step that it was made for */
  int64_t input_bytes; /* of what was put into in/ */
};

/* Makes the folder (replacing what lies there) and puts the inputs into it, as hard links where the
 * file system allows it, else as copies. */
int folder_make(struct folder *f, const char *root, const char *stem, uint64_t token,
                const struct wire_input_file *inputs, size_t count, struct err *err);
/* As above with a folder that folder_make_ahead() made; where it is not there any more, anew. */
int folder_make_of(struct folder *f, const char *ahead, const char *root, const char *stem,
                   uint64_t token, const struct wire_input_file *inputs, size_t count,
                   struct err *err);
/* Makes a folder for the next step of this process, with its in/.  A failure shows at the step. */
void folder_make_ahead(const char *work_root, const char *stem, pid_t pid);
/* Of a process that died before its step came. */
void folder_drop_ahead(const char *work_root, const char *stem, pid_t pid);
/* Where that lies. */
void folder_ahead(char *out, size_t size, const char *work_root, const char *stem, pid_t pid);
/* <work root>/<stem>, or below it the cell of one job; the caller frees. */
char *folder_cell(const char *work_root, const char *stem);
char *folder_cell_of(const char *work_root, const char *stem, uint64_t token);
/* Moves the folder that was made for `token` out of its cell, to where the daemon looks for that of
 * the step `as`. */
int folder_finish(const char *cell, const char *work_root, const char *stem, uint64_t token,
                  uint64_t as, struct err *err);
/* The same for a folder that another process made: everything in its in/ is an input. */
int folder_take(struct folder *f, const char *root, const char *stem, uint64_t token,
                struct err *err);
void folder_path(char *out, size_t size, const char *root, const char *stem, uint64_t token);
/* Is nothing in it?  Two system calls. */
bool folder_is_empty(struct folder *f);
/* Bytes that were written below it, less those of the inputs; see tally.h. */
int64_t folder_bytes(const struct folder *f, int64_t enough);
/* The same in pieces: begins; tally_go_on(t, f->path, ...); and what was found so far. */
void folder_measure(struct tally *t, const struct folder *f, int64_t enough);
int64_t folder_measured(const struct tally *t, const struct folder *f);
int64_t folder_input_bytes(const struct wire_input_file *inputs, size_t count);
/* Forgets the folder; `remove` also takes it from the disk. */
void folder_close(struct folder *f, bool remove);
/* Opens a file below the folder, by no symbolic link anywhere; -1 with the reason. */
int folder_open(const struct folder *f, const char *relpath, struct err *err);

#endif
