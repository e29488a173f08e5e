/* SPDX-License-Identifier: MIT
 *
 * lathed --backup DIR and --verify DIR; no daemon, and beside one that runs.
 *
 *   DIR.partial: database of one moment --> what it names, linked --> synced --> DIR
 *                                             |              ^
 *                     a job was removed meanwhile: it goes from the copy too
 */
#include "base/map.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/sha256.h"
#include "daemon.h"
#include "store/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

static char *place_of(const char *root, const struct store_file *f) {
  return f->job_id ? mem_printf("%s/output/%s/%s", root, f->job_id, f->name)
                   : mem_printf("%s/blobs/%.2s/%s", root, f->sha256, f->sha256);
}

/* ---- files that no row names ---- */

typedef void unnamed_found(void *ctx, const char *path, const char *name);

/* Each file in the folders of root/top that is not `named`, then each of these folders that is
 * empty (name NULL). */
static void each_unnamed(const char *root, const char *top, const struct map *named,
                         unnamed_found *found, void *ctx) {
  char *dir = path_join(root, top);
  DIR *outer = opendir(dir);
  for (struct dirent *e; outer && (e = readdir(outer));) {
    char *sub = path_join(dir, e->d_name);
    DIR *inner = e->d_name[0] == '.' ? NULL : opendir(sub);
    bool any = false;
    for (struct dirent *f; inner && (f = readdir(inner));) {
      char *path = path_join(sub, f->d_name);
      bool dots = strcmp(f->d_name, ".") == 0 || strcmp(f->d_name, "..") == 0;
      any |= !dots && map_get(named, path);
      if (!dots && !map_get(named, path))
        found(ctx, path, f->d_name);
      free(path);
    }
    if (inner)
      closedir(inner);
    if (inner && !any)
      found(ctx, sub, NULL);
    free(sub);
  }
  if (outer)
    closedir(outer);
  free(dir);
}

/* ---- backup ---- */

struct backup {
  const char *from, *to;
  int64_t files, bytes, missing;
  bool say;         /* which are missing: they are lost */
  struct map named; /* path -> itself; of the last look */
  struct err err;
};

static int copy_file(const char *from, const char *to, struct err *err) {
  int in = open(from, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), rc = 0;
  if (in < 0)
    return err_sys(err, errno, "cannot open %s", from);
  int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
  ssize_t n = out < 0 ? -1 : 1;
  while (n > 0)
    n = sendfile(out, in, NULL, 64 << 20);
  if (n < 0)
    rc = err_sys(err, errno, "cannot copy %s to %s", from, to);
  if (out >= 0)
    close(out);
  close(in);
  return rc;
}

/* 0: it is there. 1: the original is gone. */
static int link_file(const char *from, const char *to, struct err *err) {
  struct err why = {0};
  if (access(to, F_OK) == 0 || link(from, to) == 0)
    return 0; /* an earlier look brought it, though the original may be gone now */
  if (errno != ENOENT && copy_file(from, to, &why) == 0)
    return 0; /* another file system, or no more names for the file */
  if (access(from, F_OK) && errno == ENOENT)
    return 1;
  return why.code ? err_set(err, why.code, "%s", why.text)
                  : err_sys(err, ENOENT, "cannot link %s to %s", from, to);
}

static void take_file(void *ctx, const struct store_file *f) {
  struct backup *b = ctx;
  if (b->err.code)
    return;
  char *from = place_of(b->from, f), *to = place_of(b->to, f);
  char *dir = mem_dup_n(to, (size_t)(strrchr(to, '/') - to));
  b->files++;
  b->bytes += f->bytes;
  if (path_make_dirs(dir, &b->err) == 0 && link_file(from, to, &b->err) > 0) {
    b->missing++;
    if (b->say)
      fprintf(stderr, "lathed: %s is gone; the backup is without it\n", from);
  }
  free(dir);
  free(from);
  if (map_get(&b->named, to))
    free(to);
  else
    map_put(&b->named, to, to);
}

static void forget_named(struct map *named) {
  size_t pos = 0;
  for (char *path; (path = map_next(named, &pos));)
    free(path);
  map_free(named);
  *named = (struct map){0};
}

/* Brings what the copy names. */
static int take_files(struct backup *b, const char *copy, struct err *err) {
  b->files = b->bytes = b->missing = 0;
  forget_named(&b->named);
  int rc = store_files(copy, take_file, b, err);
  return rc == 0 && b->err.code ? err_set(err, b->err.code, "%s", b->err.text) : rc;
}

/* What a job named that was removed meanwhile may be missing. The second look finds no such one:
 * the copy names nothing new then, and what it names was brought by the first, or is lost. */
static int fill(struct backup *b, struct err *err) {
  char *live = path_join(b->from, "lathe.db"), *copy = path_join(b->to, "lathe.db");
  int rc = path_make_dirs(b->to, err);
  if (rc == 0 && (rc = store_copy(live, copy, err)) == 0)
    rc = take_files(b, copy, err);
  if (rc == 0 && b->missing && (rc = store_copy_forget(copy, live, err)) == 0) {
    b->say = true;
    rc = take_files(b, copy, err);
  }
  free(copy);
  free(live);
  return rc;
}

static void prune(void *ctx, const char *path, const char *name) {
  (void)ctx, (void)name;
  path_remove_tree(path, NULL);
}

static int finish(const char *partial, const char *to, struct err *err) {
  int fd = open(partial, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int rc = fd >= 0 && syncfs(fd) == 0 ? 0 : err_sys(err, errno, "cannot sync %s", partial);
  if (fd >= 0)
    close(fd);
  if (rc == 0 && rename(partial, to))
    rc = err_sys(err, errno, "cannot name the backup %s", to);
  return rc ? rc : path_sync_parent(to, err);
}

/* A backup inside the data folder would be lost, or moved away, with it. */
static bool is_inside(const char *path, const char *folder) {
  char *parent = mem_dup(path), *real, *slash;
  while (!(real = realpath(parent, NULL)) && (slash = strrchr(parent, '/')))
    slash[slash == parent] = '\0'; /* the nearest folder that is there; "/" always is */
  if (!real)
    real = realpath(".", NULL);
  char *whole = realpath(folder, NULL);
  size_t n = whole ? strlen(whole) : 0;
  bool inside = real && n && strncmp(real, whole, n) == 0 && (real[n] == '/' || !real[n]);
  free(whole);
  free(real);
  free(parent);
  return inside;
}

static int check_place(const char *from, const char *to, struct err *err) {
  if (access(to, F_OK) == 0)
    return err_set(err, ERR_CONFLICT, "%s is there already; name a new folder", to);
  if (is_inside(to, from))
    return err_set(err, ERR_CONFLICT, "%s is inside the data folder %s; name a folder outside it",
                   to, from);
  return 0;
}

int daemon_backup(const struct config *config, const char *dir) {
  size_t len = strlen(dir);
  while (len > 1 && dir[len - 1] == '/')
    len--;
  char *to = mem_dup_n(dir, len);
  char *partial = mem_printf("%s.partial", to);
  struct backup b = {.from = config->server.data_dir, .to = partial};
  struct err err = {0};
  int rc = check_place(b.from, to, &err);
  if (rc == 0)
    rc = path_remove_tree(partial, &err); /* of one that was interrupted */
  if (rc == 0 && (rc = fill(&b, &err)) == 0) {
    each_unnamed(partial, "output", &b.named, prune, NULL);
    each_unnamed(partial, "blobs", &b.named, prune, NULL);
    rc = finish(partial, to, &err);
  }
  forget_named(&b.named);
  if (rc < 0) {
    fprintf(stderr, "lathed: no backup was made: %s\n", err.text);
    path_remove_tree(partial, NULL);
  } else {
    printf("%s: the database and %lld files, %lld bytes\n", to, (long long)(b.files - b.missing),
           (long long)b.bytes);
  }
  free(partial);
  free(to);
  return rc < 0 || b.missing ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---- verify ---- */

struct verify {
  const char *root;
  struct map named; /* path -> itself */
  int64_t files, wrong, unnamed;
};

static void complain(struct verify *v, const char *path, const char *what) {
  printf("%s: %s\n", path, what);
  v->wrong++;
}

static void complain_of_size(struct verify *v, const char *path, int64_t has, int64_t should) {
  char *what = mem_printf("has %lld bytes, and the database says %lld", (long long)has,
                          (long long)should);
  complain(v, path, what);
  free(what);
}

static bool hash_file(const char *path, char hex[SHA256_HEX_SIZE]) {
  static char piece[256 << 10];
  int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  ssize_t n = fd < 0 ? -1 : 1;
  struct sha256 *h = sha256_begin();
  while (n > 0 && (n = read(fd, piece, sizeof piece)) > 0)
    sha256_add(h, piece, (size_t)n);
  sha256_end(h, hex);
  if (fd >= 0)
    close(fd);
  return n == 0;
}

static void verify_file(struct verify *v, const char *path, const char *sha256, int64_t bytes) {
  char hex[SHA256_HEX_SIZE];
  struct stat st;
  if (lstat(path, &st))
    complain(v, path, strerror(errno));
  else if (!S_ISREG(st.st_mode))
    complain(v, path, "is not a regular file");
  else if (bytes >= 0 && st.st_size != bytes)
    complain_of_size(v, path, st.st_size, bytes);
  else if (!hash_file(path, hex))
    complain(v, path, "cannot be read");
  else if (sha256_is_hex(sha256) && strcmp(hex, sha256) != 0)
    complain(v, path, "has another content: its SHA-256 is not the one of its row or name");
}

static void verify_named(void *ctx, const struct store_file *f) {
  struct verify *v = ctx;
  char *path = place_of(v->root, f);
  v->files++;
  if (map_get(&v->named, path)) {
    free(path);
    return;
  }
  map_put(&v->named, path, path);
  verify_file(v, path, f->sha256, f->bytes);
}

/* Files, and folders in which none is named. */
static void orphan(void *ctx, const char *path, const char *name) {
  (void)name;
  complain(ctx, path, "is named by no job");
}

/* One that was sent for jobs to come is fine, if it is what its name says. */
static void unnamed_blob(void *ctx, const char *path, const char *name) {
  struct verify *v = ctx;
  if (!name)
    return;
  v->unnamed++;
  verify_file(v, path, name, -1);
}

int daemon_verify(const char *dir) {
  struct verify v = {.root = dir};
  struct err err = {0};
  char *db = path_join(dir, "lathe.db");
  if (store_files(db, verify_named, &v, &err) < 0) {
    printf("%s\n", err.text);
    v.wrong++;
  } else {
    each_unnamed(dir, "output", &v.named, orphan, &v);
    each_unnamed(dir, "blobs", &v.named, unnamed_blob, &v);
  }
  if (v.wrong)
    printf("%s: %lld %s wrong\n", dir, (long long)v.wrong,
           v.wrong == 1 ? "thing is" : "things are");
  else
    printf("%s is fine: the database, %lld files that it names, %lld inputs that no job names\n",
           dir, (long long)v.files, (long long)v.unnamed);
  forget_named(&v.named);
  free(db);
  return v.wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
