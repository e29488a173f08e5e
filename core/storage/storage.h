/* SPDX-License-Identifier: MIT
 *
 * Files under the data folder: blobs (inputs, by SHA-256), artifacts (outputs, by
 * job) and the work folders of attempts.
 *
 *   data/blobs/ab/abcdef...      an input, once, read-only
 *   data/uploads/                what is still arriving
 *   data/work/<token>/           the private folder of an attempt; in/ holds its inputs
 *   data/output/<job>/<name>     artifacts
 *   data/removed/                of an earlier life, on its way out
 *   data/set-aside/              what no row named when the database was found empty or older
 *
 * All disk work runs on uv's thread pool; the callbacks come on the loop thread,
 * where every function here is called.  A blob is durable (file and folder entry
 * synced) before its callback says so.
 */
#ifndef STORAGE_STORAGE_H
#define STORAGE_STORAGE_H

#include "base/err.h"
#include "base/sha256.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct storage;
struct storage_upload;

struct storage_options {
  const char *data_dir;
  bool sync; /* artifacts are synced before storage_adopt calls back */
};

/* Makes the folders, empties uploads/ and work/ (nothing of an earlier life is of use there). */
int storage_open(struct storage **out, uv_loop_t *loop, const struct storage_options *options,
                 struct err *err);
void storage_close(struct storage *s);
/* Is the data folder as it should be?  What may be made anew is; ERR_IO says what the admin has to
 * mend, in words for clients.  Blocking: any thread but the loop's once that runs; there
 * storage_examine asks. */
int storage_check(struct storage *s, struct err *err);
/* When work/ had to be made anew last, by the monotonic clock; 0: never. */
int64_t storage_work_made_us(const struct storage *s);
/* Do inputs or results lie in this data folder?  Before storage_open. */
bool storage_has_files(const char *data_dir);

/* ---- uploads: a file that arrives in pieces becomes a blob ---- */
typedef void storage_wrote(void *arg, int code, const struct err *err);
struct storage_blob {
  char sha256[SHA256_HEX_SIZE];
  int64_t bytes;
  bool existed; /* the same content was stored before */
};
typedef void storage_stored(void *arg, int code, const struct storage_blob *blob,
                            const struct err *err);

struct storage_upload *storage_upload_begin(struct storage *s, int64_t max_bytes);
/* Returns 0 when taken at once; 1: taken, `wrote` will be called, write no more until then;
 * negative: over max_bytes (ERR_LIMIT) or an earlier failure. */
int storage_upload_write(struct storage_upload *u, const void *data, size_t len,
                         storage_wrote *wrote, void *arg, struct err *err);
/* Always calls back (later).  The upload is gone after the callback. */
void storage_upload_finish(struct storage_upload *u, storage_stored *stored, void *arg);
/* Also while a write or finish is under way: its callback is then not called. */
void storage_upload_abort(struct storage_upload *u);

/* Absolute path of a blob (whether it exists or not); `out` holds at least PATH_MAX bytes. */
void storage_blob_path(const struct storage *s, const char *sha256, char *out);
struct storage_found { /* of one blob */
  int code;            /* 0; ERR_NOT_FOUND: it is not there for sure; ERR_IO: nobody can say */
  int64_t bytes;
};
typedef void storage_looked(void *arg, const struct storage_found *found, size_t count);
/* Which of these blobs are there?  `touch`: those that are, are marked as used just now: no removal
 * by age that was asked for with an earlier `before_us` takes them.  One answer for each, in their
 * order, valid during the call.  Strings are copied. */
void storage_find_blobs(struct storage *s, const char *const *sha256s, size_t count, bool touch,
                        storage_looked *done, void *arg);
/* storage_check, and which of these blobs are there.  code and err are of the data folder alone. */
void storage_examine(struct storage *s, const char *const *sha256s, size_t count,
                     void (*done)(void *arg, int code, const struct err *err,
                                  const struct storage_found *found, size_t count),
                     void *arg);
/* Blobs that `is_held` names are not removed, however old they are.  On the loop. */
void storage_on_remove(struct storage *s, bool (*is_held)(void *ctx, const char *sha256),
                       void *ctx);

/* ---- artifacts ---- */
/* The folder, absolute, under which attempts get their work folders. */
const char *storage_work_root(const struct storage *s);

struct storage_output {
  const char *name; /* plain file name that it gets */
  const char *path; /* absolute, inside the attempt's work folder; a regular file */
};
struct storage_kept { /* an output, as it was found */
  char sha256[SHA256_HEX_SIZE];
  int64_t bytes;
};
/* `kept`: one for each output, in their order; NULL when it failed. */
typedef void storage_adopted(void *arg, int code, const struct storage_kept *kept,
                             const struct err *err);
/* Moves outputs of the attempt whose work folder is `workdir` to output/<job_id>/ (replacing what
 * an earlier attempt left there), synced if so configured, then calls back.  Nobody's word is taken
 * for what they are: they are opened below the work folder and by no link, measured and hashed
 * here.  ERR_LIMIT: they have more than `max_bytes` together (0: no limit); ERR_DENIED, ERR_INVAL:
 * one is not what it should be.  Strings are copied. */
void storage_adopt(struct storage *s, const char *job_id, const char *workdir,
                   const struct storage_output *outputs, size_t count, int64_t max_bytes,
                   storage_adopted *done, void *arg);
struct storage_file {
  const char *name;
  int64_t bytes;
};
/* Are these files of a job there, as long as they were, and not written to after `since_us`?  Calls
 * back with 0, or ERR_NOT_FOUND and which is not.  Strings are copied. */
void storage_check_artifacts(struct storage *s, const char *job_id,
                             const struct storage_file *files, size_t count, int64_t since_us,
                             storage_wrote *done, void *arg);
enum { STORAGE_SMALL_FILE = 32 << 10 };
struct storage_content { /* of an artifact */
  int64_t bytes;
  int fd;     /* open for reading; -1 where `data` is set */
  void *data; /* of a file of at most STORAGE_SMALL_FILE bytes: all of it, from malloc */
};
/* Opens an artifact.  With code 0 the callee takes the descriptor or the memory. */
void storage_get_artifact(struct storage *s, const char *job_id, const char *name,
                          void (*done)(void *arg, int code, const struct storage_content *content,
                                       const struct err *err),
                          void *arg);
/* Of one that is not wanted any more. */
void storage_drop_content(struct storage *s, const struct storage_content *content);
/* As storage_get_artifact, blocking: the fd or a negative code.  Any thread but the loop's. */
int storage_open_artifact(struct storage *s, const char *job_id, const char *name, int64_t *bytes,
                          struct err *err);
/* Removes output/<job_id> of each; done may be NULL. */
void storage_remove_jobs(struct storage *s, const char *const *job_ids, size_t count,
                         storage_wrote *done, void *arg);
/* Removes one work folder (token name); nothing to call back. */
void storage_remove_work(struct storage *s, const char *name);

/* ---- sweeps ---- */
/* The folders under output/ by the ids of their jobs, valid during the call.  A call goes on where
 * the last one stopped, and gives at most STORAGE_OUTPUTS_BATCH; `more`: ask again, else the pass
 * is over and the next call begins anew.  One call at a time. */
enum { STORAGE_OUTPUTS_BATCH = 256 };
void storage_list_outputs(struct storage *s,
                          void (*done)(void *arg, const char *const *job_ids, size_t count,
                                       bool more),
                          void *arg);
/* Moves output/<job_id> of each to set-aside/output/; done may be NULL. */
void storage_set_jobs_aside(struct storage *s, const char *const *job_ids, size_t count,
                            storage_wrote *done, void *arg);

/* Blobs last used before `before_us` (using a blob again touches it).  The digests are valid during
 * the call.  A call goes on where the last one stopped, and gives some STORAGE_OLD_BLOBS_BATCH;
 * `more`: ask again, else the pass is over.  One call at a time. */
enum { STORAGE_OLD_BLOBS_BATCH = 4096 };
void storage_old_blobs(struct storage *s, int64_t before_us,
                       void (*done)(void *arg, const char *const *sha256s, size_t count, bool more),
                       void *arg);
void storage_remove_blobs(struct storage *s, const char *const *sha256s, size_t count,
                          int64_t before_us, storage_wrote *done, void *arg);

/* Disk work of others: `run` on a pool thread, then `after` on the loop.  Storage is there until it
 * is over; in `run` storage_open_artifact may be called. */
void storage_work(struct storage *s, void (*run)(void *arg), void (*after)(void *arg), void *arg);

/* Bytes free for use on the data folder's file system.  Any thread but the loop's. */
int64_t storage_free_bytes(const struct storage *s);

#endif
