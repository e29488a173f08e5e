/* SPDX-License-Identifier: MIT
 *
 * The database as a whole, for a program that is not the daemon: a copy of one moment, which files
 * it names, and whether it is sound.  Blocking.
 */
#ifndef STORE_FILES_H
#define STORE_FILES_H

#include "base/err.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

struct store_file {
  const char *job_id; /* of an artifact: whose folder it lies in; NULL: it is an input */
  const char *name, *sha256;
  int64_t bytes;
};
typedef void store_file_seen(void *ctx, const struct store_file *file);

/* Copies the database at `from`, which a daemon may be writing, to `to`, with its `<to>.id`. */
int store_copy(const char *from, const char *to, struct err *err);

/* Removes from the copy, which nobody has open, the jobs that the database it was made of has no
 * longer.  A job's rows go before its files do: what a copy names then and the disk has not, was
 * lost. */
int store_copy_forget(const char *copy, const char *live, struct err *err);

/* Checks the database's pages and indexes, then tells every file that it names, each once.  No
 * daemon may run on it.  Changes nothing. */
int store_files(const char *path, store_file_seen *seen, void *ctx, struct err *err);

/* As store_settings, of a database that a daemon may be using.  Takes no lock, and makes no file
 * beside it that was not there.  ERR_NOT_FOUND: there is no database. */
int store_settings_of(const char *path, store_setting_seen *seen, void *ctx, struct err *err);

#endif
