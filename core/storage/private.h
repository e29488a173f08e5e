/* SPDX-License-Identifier: MIT
 *
 * What the files of this room share.  The rest of the house sees storage.h alone.
 */
#ifndef STORAGE_PRIVATE_H
#define STORAGE_PRIVATE_H

#include "base/list.h"
#include "storage/backend.h"
#include "storage/storage.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

enum { STORAGE_FOLDERS = 4 };
struct storage_folder {
  const char *path;  /* the storage's */
  const char *name;  /* for people, without a path */
  const char *keeps; /* what is lost with it; NULL: nothing that is kept */
  ino_t inode;
};

enum { STORAGE_SHARDS = 256 }; /* folders under blobs/ */

struct storage {
  uv_loop_t *loop;
  char *root, *blobs, *uploads, *work, *output; /* absolute, links resolved */
  bool sync;
  bool closing;
  size_t busy; /* tasks on the thread pool */
  uint64_t next_upload;
  size_t upload_bytes;                            /* memory of what uploads have not written yet */
  bool (*is_held)(void *ctx, const char *sha256); /* NULL: none is */
  void *held_ctx;
  struct backend *backend; /* NULL until the folders are there */

  pthread_mutex_t folder_lock; /* folders.c */
  struct storage_folder folders[STORAGE_FOLDERS];
  ino_t inode; /* of the root */
  dev_t device;
  atomic_llong work_made_us; /* monotonic: when work/ had to be made anew; 0: never */
  atomic_llong logged_ms;
};

/* One piece of disk work.  Embedded in a larger structure: `run` is called on a
 * pool thread, then `after` on the loop thread, which frees. */
struct storage_task {
  uv_work_t req;
  struct storage *s;
  void (*run)(struct storage_task *t);
  void (*after)(struct storage_task *t);
};
void storage_queue(struct storage *s, struct storage_task *t);

/* adopt.c.  A path below a folder, by no link; a descriptor, or -1 with errno. */
int storage_open_below(int folder, const char *path, int flags);

/* folders.c.  A failure of the disk or of a folder of ours: the log gets the path, at most once a
 * second; *err gets ERR_NO_SPACE or ERR_IO and a text for clients.  what: "store the upload". */
int storage_fail(struct storage *s, struct err *err, int errnum, const char *path,
                 const char *what);
int storage_folders_init(struct storage *s, struct err *err);
/* storage.c: the 256 folders under blobs/. */
int storage_make_shards(struct storage *s, struct err *err);

/* sweep.c.  Empties a folder of this room: what is in it goes to removed/, at once, however much it
 * is.  Blocking; storage_discard_removed then removes it in the background. */
int storage_empty_folder(struct storage *s, const char *path, struct err *err);
void storage_discard_removed(struct storage *s);

/* fsync of a folder by path; 0 or a negative code, then errno says why. */
int storage_sync_dir(const char *path, struct err *err);

#endif
