/* SPDX-License-Identifier: MIT
 *
 * Where blobs and artifacts are kept, as one table of functions.  The rest of this room says what is
 * kept and who may have it; a backend keeps it: the local folder today (local/), a bucket with the
 * local folder before it some day.
 *
 *   blobs/<sha256>           an input
 *   output/<job>/<name>      an artifact
 *
 * A key that ends with / means everything below it.
 *
 * Threads.  Each function is called on the loop and returns at once, wait_get aside.  Its callback
 * comes on the loop, later, once.  `stage` and `write` of a put run on a thread of the backend.
 * Strings are copied; what a callback gets is valid during the call.
 *
 * Errors.  0 or a negative code of base/err.h: ERR_NOT_FOUND where an object is not there for sure,
 * ERR_IO or ERR_NO_SPACE where the backend failed.  The text is for clients.
 *
 * Durable.  A blob is durable when put says so; artifacts are where the put asks for it (sync).
 */
#ifndef STORAGE_BACKEND_H
#define STORAGE_BACKEND_H

#include "base/err.h"
#include "base/id.h"
#include "storage/storage.h"

struct backend; /* one such place; the backend's own */

enum { BACKEND_KEY_SIZE = 6 + SHA256_HEX_SIZE + 1 };

/* One file of a put.  What is set before, by the caller or by stage: */
struct backend_file {
  const char *name; /* of an artifact; its key is the put's and this.  NULL: a blob */
  int fd;           /* open for reading; -1: `write` makes the file */
  int folder; /* the name that it has now: `path` below this descriptor, both of the caller. */
  const char *path; /* The backend may take the file away from there, and does where it keeps it */
  /* What is kept, set by the backend: measured on the file as it is kept, not as it was found. */
  struct storage_kept kept;
  bool existed; /* of a blob: the object was there before, and was marked as used now */
};

/* Files become objects, all or none.  Owned by the caller until done. */
struct backend_put {
  char key[BACKEND_KEY_SIZE]; /* "blobs/<sha256>"; "output/<job>/": what lies there is replaced */
  struct backend_file *files; /* one, of a blob */
  size_t count;
  int64_t max_bytes; /* of all artifacts together; 0: no limit.  Past it: ERR_LIMIT */
  bool sync;         /* artifacts, too, are durable when it is done */
  /* First of all: opens and checks the files, and completes key and files.  A code and `err` end the
   * put; then nothing is kept. */
  int (*stage)(struct backend_put *p);
  /* Where a blob is not there yet: writes what of it is in memory only, so that fd is the whole. */
  int (*write)(struct backend_put *p);
  /* Last of all, on that thread: closes what stage opened. */
  void (*unstage)(struct backend_put *p);
  struct err err;                      /* code 0: all are kept */
  void (*done)(struct backend_put *p); /* on the loop */
};

struct backend_object { /* of stat */
  int code;             /* 0, ERR_NOT_FOUND or ERR_IO */
  int64_t bytes;
  int64_t changed_us; /* 0: nobody can say */
};

typedef void backend_looked(void *arg, const struct backend_object *objects, size_t count);
typedef void backend_got(void *arg, int code, const struct storage_content *content,
                         const struct err *err);
/* keys: the last part of each, without the prefix. */
typedef void backend_listed(void *arg, const char *const *names, size_t count, bool more);

struct backend_ops {
  const char *name;
  void (*close)(struct backend *b); /* no call is under way */

  void (*put)(struct backend *b, struct backend_put *p);
  /* One answer for each key, in their order.  touch: those that are there are marked as used now. */
  void (*stat)(struct backend *b, const char *const *keys, size_t count, bool touch,
               backend_looked *done, void *arg);
  /* As storage_get_artifact. */
  void (*get)(struct backend *b, const char *key, backend_got *done, void *arg);
  /* The same, blocking: a descriptor or a negative code.  Any thread but the loop's. */
  int (*wait_get)(struct backend *b, const char *key, int64_t *bytes, struct err *err);
  /* Those last used before before_us (INT64_MAX: whenever) go; one that is not there is no
   * failure.  done may be NULL. */
  void (*remove)(struct backend *b, const char *const *keys, size_t count, int64_t before_us,
                 storage_wrote *done, void *arg);
  /* The next names right below "blobs/" or "output/", some thousands at most, of what was last used
   * before before_us.  A call goes on where the last one for this prefix stopped; `more`: ask again,
   * else the pass is over and the next call begins anew.  One call for a prefix at a time. */
  void (*list)(struct backend *b, const char *prefix, int64_t before_us, backend_listed *done,
               void *arg);
};

/* What every backend begins with. */
struct backend {
  const struct backend_ops *ops;
};

/* local/: below the data folder of `s`, which outlives it. */
struct backend *backend_local_open(struct storage *s);

#endif
