/* SPDX-License-Identifier: MIT
 *
 * What the files of the local folder share: blobs/ and output/ below the data folder.
 */
#ifndef STORAGE_LOCAL_PRIVATE_H
#define STORAGE_LOCAL_PRIVATE_H

#include "base/list.h"
#include "storage/backend.h"
#include "storage/private.h"

#include <dirent.h>
#include <pthread.h>

enum { SYNC_HELPERS = 3 }; /* more gained nothing */
struct syncers {           /* sync.c */
  pthread_mutex_t lock;
  pthread_cond_t work, synced;
  struct list groups; /* with files that nobody has taken yet */
  pthread_t threads[SYNC_HELPERS];
  int helpers;
  bool started, stop;
};

struct local {
  struct backend base;
  struct storage *s;
  int scan_shard; /* where the next list of blobs goes on */
  DIR *outputs;   /* where the next list of outputs goes on; of its task */
  /* Held for "it is there: touch it" and for "it is old: unlink it", so that no blob vanishes after
   * somebody was told that it exists. */
  pthread_mutex_t blob_lock;
  struct syncers syncers;
};

/* path.c */
/* The path of an object, or of all below a key that ends with /; `out` holds at least PATH_MAX.
 * ERR_NOT_FOUND: the key is none. */
int local_path(const struct local *l, const char *key, char *out);
/* Of what is not to be seen: it is gone, or nobody knows. */
int local_absent(struct local *l, int errnum);
/* Gives the file, by its path or (path NULL) its descriptor, the time of its last use: now.  0, or -1
 * with errno. */
int local_stamp(int fd, const char *path);

/* put.c, look.c, list.c, remove.c: the functions of backend.h */
void local_put(struct backend *b, struct backend_put *p);
void local_stat(struct backend *b, const char *const *keys, size_t count, bool touch,
                backend_looked *done, void *arg);
void local_get(struct backend *b, const char *key, backend_got *done, void *arg);
int local_wait_get(struct backend *b, const char *key, int64_t *bytes, struct err *err);
void local_remove(struct backend *b, const char *const *keys, size_t count, int64_t before_us,
                  storage_wrote *done, void *arg);
void local_list(struct backend *b, const char *prefix, int64_t before_us, backend_listed *done,
                void *arg);
/* put_artifacts.c (pool): as put says, once the files are staged. */
void local_keep_artifacts(struct local *l, struct backend_put *p);

/* sync.c.  Files and folders that are synced together.  Any thread but the loop's: it blocks. */
struct sync_group {
  const int *fds; /* of the caller, open until the end; at least one */
  size_t count;
  size_t next, synced; /* under the lock of the syncers, as all that follows */
  int errnum;
  struct list ring;
};
void syncers_init(struct syncers *c);
void syncers_free(struct syncers *c);
void sync_begin(struct syncers *c, struct sync_group *g);
/* Must follow each begin.  0: all are on the disk; else the errno of the first that failed. */
int sync_end(struct syncers *c, struct sync_group *g);

#endif
