/* SPDX-License-Identifier: MIT
 *
 * The data folder while jobs run: somebody may remove or replace any part of it at any time.
 *
 *   all is there -------------------------------------------> 0
 *   uploads/ or work/ is gone --made anew-------------------> 0; attempts under way run again
 *   blobs/ or output/ is gone --made anew, said loudly------> 0; what lay there is lost
 *   not a folder, not ours, read-only, another data folder -> ERR_IO; the admin has to act
 *
 * What is said here goes to clients, too: it names folders as the documentation does, by no path of
 * this machine.  The log has the paths.
 */
#include "base/clock.h"
#include "base/path.h"
#include "observe/log.h"
#include "storage/private.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOG_EVERY_MS = 1000 };

int storage_fail(struct storage *s, struct err *err, int errnum, const char *path,
                 const char *what) {
  int code = errnum == ENOSPC || errnum == EDQUOT ? ERR_NO_SPACE : ERR_IO;
  long long now_ms = clock_mono_ms(), last_ms = atomic_load(&s->logged_ms);
  struct err why = {0};
  err_sys(&why, errnum, "cannot %s (%s)", what, path);
  if (now_ms - last_ms >= LOG_EVERY_MS &&
      atomic_compare_exchange_strong(&s->logged_ms, &last_ms, now_ms))
    log_error("storage.failing", "%s", why.text);
  err_sys(err, errnum, "the server cannot %s", what);
  if (err)
    err->code = code;
  return code;
}

static int refuse(struct storage *s, struct err *err, const char *path, const char *name,
                  const char *what) {
  long long now_ms = clock_mono_ms(), last_ms = atomic_load(&s->logged_ms);
  if (now_ms - last_ms >= LOG_EVERY_MS &&
      atomic_compare_exchange_strong(&s->logged_ms, &last_ms, now_ms))
    log_error("storage.failing", "%s %s; jobs wait until it is as it was", path, what);
  return err_set(err, ERR_IO, "%s of the server %s", name, what);
}

/* Anew, where nothing is. */
static int make_anew(struct storage *s, struct storage_folder *f, struct err *err) {
  if (mkdir(f->path, 0700) && errno != EEXIST)
    return storage_fail(s, err, errno, f->path, "make a folder anew that was removed");
  if (f->path == s->blobs) {
    int rc = storage_make_shards(s, err);
    if (rc)
      return rc;
  }
  if (f->keeps)
    log_error("storage.lost",
              "%s was removed while lathed runs: %s; it is made anew, empty.  Restore a backup if "
              "that was a mistake",
              f->path, f->keeps);
  else
    log_warn("storage.anew", "%s was removed while lathed runs; it is made anew", f->path);
  return 0;
}

static int check_folder(struct storage *s, struct storage_folder *f, struct err *err) {
  struct stat st;
  int failed = stat(f->path, &st);
  bool anew = failed && errno == ENOENT;
  if (anew) {
    int rc = make_anew(s, f, err);
    if (rc)
      return rc;
    failed = stat(f->path, &st);
  }
  if (failed)
    return storage_fail(s, err, errno, f->path, "look at a folder of its data");
  if (!S_ISDIR(st.st_mode))
    return refuse(s, err, f->path, f->name, "is not a folder any more");
  if (access(f->path, W_OK | X_OK))
    return storage_fail(s, err, errno, f->path, "write to a folder of its data");
  if (anew || st.st_ino != f->inode) { /* the number of what was removed may be given again */
    f->inode = st.st_ino;
    if (f->path == s->work)
      atomic_store(&s->work_made_us, clock_mono_us());
  }
  return 0;
}

int storage_check(struct storage *s, struct err *err) {
  struct stat st;
  int rc = 0;
  pthread_mutex_lock(&s->folder_lock);
  if (stat(s->root, &st))
    rc = storage_fail(s, err, errno, s->root, "find its data folder");
  else if (st.st_ino != s->inode || st.st_dev != s->device)
    rc = refuse(s, err, s->root, "The data folder",
                "was replaced by another one while it runs; put the right one back, or start "
                "lathed again");
  for (size_t i = 0; rc == 0 && i < STORAGE_FOLDERS; i++)
    rc = check_folder(s, &s->folders[i], err);
  pthread_mutex_unlock(&s->folder_lock);
  return rc;
}

int64_t storage_work_made_us(const struct storage *s) {
  return atomic_load(&s->work_made_us);
}

int storage_folders_init(struct storage *s, struct err *err) {
  const struct storage_folder folders[STORAGE_FOLDERS] = {
      {.path = s->uploads, .name = "The folder uploads/"},
      {.path = s->work, .name = "The folder work/"},
      {.path = s->blobs,
       .name = "The folder blobs/",
       .keeps = "the inputs that lay there are lost, and jobs that need them will fail"},
      {.path = s->output,
       .name = "The folder output/",
       .keeps = "the results that lay there are lost"},
  };
  struct stat st;
  if (stat(s->root, &st))
    return err_sys(err, errno, "cannot look at %s", s->root);
  s->inode = st.st_ino;
  s->device = st.st_dev;
  memcpy(s->folders, folders, sizeof folders);
  for (size_t i = 0; i < STORAGE_FOLDERS; i++) {
    if (stat(s->folders[i].path, &st))
      return err_sys(err, errno, "cannot look at %s", s->folders[i].path);
    s->folders[i].inode = st.st_ino;
  }
  return 0;
}
