/* SPDX-License-Identifier: MIT
 *
 * What a plugin gives of its outputs.
 *
 *   file in the work folder ---------------------------.
 *   bytes --written to workdir/.put/N------------------+--> job->artifacts --with DONE--> daemon
 *   URL -----------------------------------------------'
 *   provisional: bytes, a file that is read here, or a URL --at once--> daemon   (previews.c)
 */
#include "worker/artifacts.h"

#include "base/mem.h"
#include "base/path.h"
#include "base/sha256.h"
#include "wire/preview.h"
#include "worker/host.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PUT_FOLDER ".put"
#define BYTES_MAX  (64u << 20)
#define URLS_MAX   (1u << 20) /* bytes of all URLs of a job: they travel in one message */

static int32_t refuse(struct lathe_job *job, const char *name, const char *why) {
  snprintf(job->message, sizeof job->message, "the artifact \"%.200s\" was refused: %s",
           name ? name : "(null)", why);
  return LATHE_PERMANENT;
}

/* "./a//b" as "a/b"; the caller frees. */
static char *plain_path(const char *relpath) {
  struct buf out = {0};
  for (const char *at = relpath; *at; at += *at == '/') {
    size_t n = strcspn(at, "/");
    if (n > 0 && !(n == 1 && *at == '.')) {
      buf_puts(&out, out.len ? "/" : "");
      buf_put(&out, at, n);
    }
    at += n;
  }
  return buf_take(&out);
}

/* What is wrong with a final one, wherever it is; NULL: nothing. */
static const char *wrong_artifact(const struct lathe_job *job, const char *name) {
  if (!job->folder || job->checkpoint)
    return "it is for run() and for fetch()";
  if (!name || !path_is_plain_name(name))
    return "its name must be a plain file name";
  if (job->artifact_count >= WIRE_ARTIFACTS_MAX)
    return "a job may have 1000 artifacts";
  for (size_t i = 0; i < job->artifact_count; i++)
    if (strcmp(job->artifacts[i].name, name) == 0)
      return "there is one of that name already";
  return NULL;
}

static const char *type_of(const char *media_type) {
  return media_type && *media_type ? media_type : "application/octet-stream";
}

static void add(struct lathe_job *job, const struct job_artifact *a) {
  job->artifacts = mem_grow(job->artifacts, (job->artifact_count + 1) * sizeof *job->artifacts);
  job->artifacts[job->artifact_count++] = *a;
}

/* A regular file below the work folder, open for reading; -1 after refuse(). */
static int open_file(struct lathe_job *job, const char *name, const char *relpath,
                     struct stat *st) {
  struct err err = {0};
  if (!job->folder) {
    refuse(job, name, "there is no work folder in this call");
    return -1;
  }
  if (!relpath || !*relpath || strlen(relpath) > WIRE_PATH_MAX) {
    refuse(job, name, "its path must be below the work folder");
    return -1;
  }
  int fd = folder_open(job->folder, relpath, &err);
  if (fd < 0) {
    refuse(job, name, err.text);
  } else if (fstat(fd, st) < 0 || !S_ISREG(st->st_mode)) {
    refuse(job, name, "it is not a regular file");
    close(fd);
    fd = -1;
  }
  return fd;
}

int32_t artifacts_give(struct lathe_job *job, const char *name, const char *relpath,
                       const char *media_type) {
  struct stat st;
  if (!job)
    return LATHE_PERMANENT;
  const char *wrong = wrong_artifact(job, name);
  if (!wrong && !wire_is_media_type(type_of(media_type)))
    wrong = "its media type must be as \"model/stl\"";
  if (wrong)
    return refuse(job, name, wrong);
  int fd = open_file(job, name, relpath, &st);
  if (fd < 0)
    return LATHE_PERMANENT;
  sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE); /* lathed syncs it soon: the disk may begin */
  close(fd);
  add(job, &(struct job_artifact){.name = mem_dup(name),
                                  .relpath = plain_path(relpath),
                                  .media_type = mem_dup(type_of(media_type))});
  return LATHE_OK;
}

/* ---- bytes ---- */

static int write_all(int fd, const char *data, size_t len) {
  while (len > 0) {
    ssize_t n = write(fd, data, len);
    if (n < 0 && errno != EINTR)
      return -1;
    data += n > 0 ? n : 0;
    len -= n > 0 ? (size_t)n : 0;
  }
  return 0;
}

static int32_t put_bytes(struct lathe_job *job, const struct lathe_artifact *a) {
  char path[40], why[200];
  const char *wrong = wrong_artifact(job, a->name);
  if (wrong)
    return refuse(job, a->name, wrong);
  if (a->len > BYTES_MAX)
    return refuse(job, a->name, "bytes may be 64 MiB; write a file, and give that");
  snprintf(path, sizeof path, PUT_FOLDER "/%zu", job->artifact_count);
  bool made = mkdirat(job->folder->fd, PUT_FOLDER, 0700) == 0 || errno == EEXIST;
  int fd = made ? openat(job->folder->fd, path,
                         O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600)
                : -1;
  bool written = fd >= 0 && write_all(fd, a->data, a->len) == 0;
  snprintf(why, sizeof why, "it cannot be written to the work folder: %s", strerror(errno));
  if (fd >= 0)
    close(fd);
  return written ? artifacts_give(job, a->name, path, a->media_type) : refuse(job, a->name, why);
}

/* ---- elsewhere ---- */

/* What is wrong with the place; NULL: nothing. */
static const char *wrong_place(const struct lathe_artifact *a) {
  size_t digits = a->sha256 ? strspn(a->sha256, "0123456789abcdefABCDEF") : 64;
  if (!wire_is_url(a->url))
    return "its URL must be http or https, without a user, and have at most 4096 characters that "
           "RFC 3986 allows";
  if (digits != 64 || (a->sha256 && a->sha256[digits]))
    return "its sha256 must have 64 hexadecimal digits";
  if (a->bytes < -1 || a->bytes > WIRE_FILE_MAX)
    return "its size must be -1 or what a file can have";
  if (a->expires_s < 0 || a->expires_s > WIRE_SECONDS_MAX)
    return "its end must be in seconds since the epoch, or 0";
  return NULL;
}

static char *lower(const char *hex) {
  char *out = mem_dup(hex);
  for (char *c = out; c && *c; c++)
    *c = (char)tolower((unsigned char)*c);
  return out;
}

static int32_t put_url(struct lathe_job *job, const struct lathe_artifact *a) {
  const char *wrong = wrong_artifact(job, a->name);
  size_t bytes = strlen(a->url);
  for (size_t i = 0; i < job->artifact_count; i++)
    bytes += job->artifacts[i].url ? strlen(job->artifacts[i].url) : 0;
  if (!wrong && strcmp(a->name, "result.json") == 0)
    wrong = "the result of a job must be a file or bytes";
  if (!wrong && bytes > URLS_MAX)
    wrong = "the URLs of a job may have 1 MiB together";
  if (wrong)
    return refuse(job, a->name, wrong);
  add(job, &(struct job_artifact){.name = mem_dup(a->name),
                                  .media_type = mem_dup(a->media_type),
                                  .url = mem_dup(a->url),
                                  .sha256 = lower(a->sha256),
                                  .bytes = a->bytes,
                                  .expires_s = a->expires_s});
  return LATHE_OK;
}

/* ---- provisional ---- */

static int32_t put_preview(struct lathe_job *job, struct lathe_artifact *a) {
  static const char too_large[] = "a provisional one may have 2 MiB";
  static const char too_many[] = "a job may have 8 provisional ones at a time";
  struct stat st;
  char *copy = NULL, *digest = lower(a->sha256);
  size_t len = a->len;
  const char *data = a->data;
  int32_t rc = LATHE_PERMANENT;
  int fd = a->relpath ? open_file(job, a->name, a->relpath, &st) : -1;
  a->sha256 = digest;
  if (fd >= 0 && st.st_size <= WIRE_PREVIEW_MAX) {
    data = copy = mem_alloc((size_t)st.st_size + 1);
    ssize_t n = read(fd, copy, (size_t)st.st_size);
    len = n > 0 ? (size_t)n : 0;
  }
  if (a->relpath && fd < 0)
    ; /* it is refused */
  else if ((fd >= 0 && !copy) || len > WIRE_PREVIEW_MAX)
    refuse(job, a->name, too_large);
  else if ((rc = previews_put(job, a, data, len)) != LATHE_OK)
    refuse(job, a->name, too_many);
  if (fd >= 0)
    close(fd);
  free(copy);
  free(digest);
  return rc;
}

int32_t artifacts_put(struct lathe_job *job, const struct lathe_artifact *given) {
  struct lathe_artifact a;
  if (!job)
    return LATHE_PERMANENT;
  if (!given || !LATHE_HAS(given, sha256))
    return refuse(job, given ? "" : NULL, "struct_size is not that of a struct lathe_artifact");
  memcpy(&a, given, sizeof a);
  const char *wrong = NULL;
  a.media_type = type_of(a.media_type);
  if (a.flags & ~LATHE_PROVISIONAL)
    wrong = "it has a flag that this host does not know";
  else if (!a.name || !path_is_plain_name(a.name))
    wrong = "its name must be a plain file name";
  else if (!wire_is_media_type(a.media_type))
    wrong = "its media type must be as \"model/stl\"";
  else if (!!a.relpath + !!a.data + !!a.url != 1)
    wrong = "exactly one of relpath, data and url must be set";
  else if (a.url)
    wrong = wrong_place(&a);
  if (wrong)
    return refuse(job, a.name, wrong);
  if (a.flags & LATHE_PROVISIONAL)
    return put_preview(job, &a);
  return a.url    ? put_url(job, &a)
         : a.data ? put_bytes(job, &a)
                  : artifacts_give(job, a.name, a.relpath, a.media_type);
}

void artifacts_free(struct lathe_job *job) {
  for (size_t i = 0; i < job->artifact_count; i++) {
    struct job_artifact *a = &job->artifacts[i];
    free(a->name);
    free(a->relpath);
    free(a->media_type);
    free(a->url);
    free(a->sha256);
  }
  free(job->artifacts);
  previews_free(job->previews);
}
