/* SPDX-License-Identifier: MIT
 *
 * A file that is fetched whole or not at all.
 *
 *   PATH.part       what has come
 *   PATH.part.etag  the strong ETag of what it is a part of; without it there is nothing to go on from
 *   PATH            when length and SHA-256 are right
 *
 *   ask from `have` on --200--> from zero --------+
 *     ^                --206, for that place -----+-> cut: again with what is there now
 *     |                                           +-> whole: verify, rename
 *     +-- anew, once: a 206 that does not fit, a 416, a part that was wrong in the end
 */
#include "private.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_ROOM = 4096, TAG_ROOM = 256, TRIES = 5 };

struct download {
  const struct lathe_net_file *file;
  char part[PATH_ROOM], tag_path[PATH_ROOM];
  char tag[TAG_ROOM]; /* of the part; "" for none */
  int fd;
  int64_t have, total; /* bytes of the part; of the whole, -1 where it is not known */
  int64_t best;        /* most that one try came to */
  EVP_MD_CTX *sha;     /* over the part; NULL: no SHA-256 was promised */
  bool unfit;          /* the answer does not go on from the part */
  bool resumed, renewed;
};

/* ---- the part and its tag ---- */

static void drop_part(struct download *d) {
  unlink(d->tag_path);
  unlink(d->part);
  if (d->fd >= 0)
    close(d->fd);
  d->fd = -1;
  d->tag[0] = '\0';
  d->have = 0;
}

static void read_tag(struct download *d) {
  int fd = open(d->tag_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  ssize_t n = fd >= 0 ? read(fd, d->tag, sizeof d->tag - 1) : 0;
  if (fd >= 0)
    close(fd);
  d->tag[n > 0 ? n : 0] = '\0';
  if (!net_is_strong_tag(d->tag))
    d->tag[0] = '\0';
}

/* Before the first byte that belongs to it, so that a part never has another's tag. */
static void keep_tag(struct download *d, const char *tag) {
  d->tag[0] = '\0';
  unlink(d->tag_path);
  if (!tag || !net_is_strong_tag(tag))
    return;
  int fd = open(d->tag_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0)
    return; /* then it begins anew after a cut */
  ssize_t len = (ssize_t)strlen(tag);
  bool kept = write(fd, tag, (size_t)len) == len;
  close(fd);
  if (kept)
    snprintf(d->tag, sizeof d->tag, "%s", tag);
  else
    unlink(d->tag_path);
}

static int32_t disk(struct net_transfer *t, struct download *d, struct lathe_net_answer *a) {
  int error = errno;
  bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  (void)t;
  drop_part(d);
  return net_why(a, LATHE_RETRY, "%s: %.300s cannot be written: %s%s", a->where, d->part,
                 strerror(error), full ? "; make room there" : "");
}

/* From where on?  What is there counts only with a strong tag. */
static int32_t open_part(struct download *d, struct lathe_net_answer *a) {
  struct stat st;
  if (d->fd < 0) {
    read_tag(d);
    d->fd = open(d->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0644);
  }
  if (d->fd < 0 || fstat(d->fd, &st) != 0 || !S_ISREG(st.st_mode))
    return net_why(a, LATHE_RETRY, "%.300s cannot be opened: %s", d->part,
                   d->fd < 0 ? strerror(errno) : "it is no plain file");
  d->have = d->tag[0] ? st.st_size : 0;
  if (d->file->bytes > 0 && d->have > d->file->bytes)
    d->have = 0;
  return LATHE_OK;
}

static int hash_part(struct download *d) {
  static const size_t size = 256 << 10;
  if (!d->sha)
    return 0;
  char *block = malloc(size);
  bool good = block && EVP_DigestInit_ex(d->sha, EVP_sha256(), NULL) == 1;
  for (int64_t at = 0; good && at < d->have;) {
    int64_t left = d->have - at;
    ssize_t n = pread(d->fd, block, left < (int64_t)size ? (size_t)left : size, at);
    good = n > 0 && EVP_DigestUpdate(d->sha, block, (size_t)n) == 1;
    at += n > 0 ? n : 0;
  }
  free(block);
  return good ? 0 : -1;
}

/* ---- an answer ---- */

static const char *header_of(struct net_transfer *t, const char *name, char *buf, size_t size) {
  struct lathe_net_answer now = {.head = t->head.data, .head_len = t->head.len};
  return lathe_net_header(&now, name, buf, size);
}

static int from_zero(struct net_transfer *t, struct download *d, const char *tag) {
  d->have = 0;
  d->resumed = false;
  if (ftruncate(d->fd, 0) != 0 || hash_part(d) != 0) {
    disk(t, d, t->answer);
    return -1;
  }
  keep_tag(d, tag);
  return 0;
}

/* 206 goes on from the part only where all that it says fits. */
static bool fits(const struct download *d, const char *range_text, const char *tag,
                 curl_off_t length) {
  int64_t range[3];
  return d->have > 0 && range_text && net_content_range(range_text, range) && range[0] == d->have &&
         range[1] == range[2] - 1 && (d->file->bytes <= 0 || range[2] == d->file->bytes) &&
         (d->total < 0 || range[2] == d->total) && (length < 0 || length == range[2] - range[0]) &&
         (!tag || !strcmp(tag, d->tag));
}

static int no_file(struct net_transfer *t, struct download *d, const char *what) {
  drop_part(d);
  net_why(t->answer, LATHE_RETRY_DOWN, "%s: %s; nothing of it is kept", t->answer->where, what);
  return -1;
}

static int begin_whole(struct net_transfer *t, struct download *d, const char *range_text,
                       const char *tag, curl_off_t length) {
  int64_t range[3];
  if (range_text &&
      (!net_content_range(range_text, range) || range[0] != 0 || range[1] != range[2] - 1))
    return no_file(t, d, "it says 200 for a whole file, and gives a part");
  d->total = d->file->bytes > 0 ? d->file->bytes : (int64_t)length;
  if (length >= 0 && length != d->total)
    return no_file(t, d, "the file has another length than was promised");
  return from_zero(t, d, tag);
}

static int begin(struct net_transfer *t, void *arg) {
  struct download *d = arg;
  char range_buf[120], tag_buf[TAG_ROOM];
  const char *range = header_of(t, "Content-Range", range_buf, sizeof range_buf);
  const char *tag = header_of(t, "ETag", tag_buf, sizeof tag_buf);
  curl_off_t length = -1;
  long status = 0;
  curl_easy_getinfo(t->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
  int rc = 0;
  if (status == 206) {
    int64_t parts[3];
    d->unfit = !fits(d, range, tag, length);
    rc = d->unfit ? no_file(t, d, "it gives another part than was asked for") : 0;
    if (rc == 0 && net_content_range(range, parts))
      d->total = parts[2];
    d->resumed = true;
  } else if (status == 200) {
    rc = begin_whole(t, d, range, tag, length);
  } else {
    rc = no_file(t, d, "it gives no file");
  }
  t->down_from = d->have;
  t->down_total = d->total > 0 ? d->total : 0;
  return rc;
}

static int take(struct net_transfer *t, void *arg, const char *data, size_t len) {
  struct download *d = arg;
  int64_t end = d->have + (int64_t)len;
  if (d->total >= 0 && end > d->total)
    return no_file(t, d, "the file is longer than was promised");
  if (d->file->most > 0 && end > d->file->most) {
    drop_part(d);
    net_why(t->answer, LATHE_PERMANENT, "%s: the file is longer than the %lld bytes that are taken",
            t->answer->where, (long long)d->file->most);
    return -1;
  }
  if (d->sha)
    EVP_DigestUpdate(d->sha, data, len);
  while (len) {
    ssize_t n = pwrite(d->fd, data, len, d->have);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0) {
      disk(t, d, t->answer);
      return -1;
    }
    data += n, len -= (size_t)n, d->have += n;
  }
  return 0;
}

/* ---- the end ---- */

static bool is_promised(struct download *d) {
  unsigned char sum[EVP_MAX_MD_SIZE];
  char text[2 * EVP_MAX_MD_SIZE + 1] = "";
  unsigned len = 0;
  if (!d->sha)
    return true;
  if (EVP_DigestFinal_ex(d->sha, sum, &len) != 1)
    return false;
  for (unsigned i = 0; i < len; i++)
    snprintf(text + 2 * i, 3, "%02x", sum[i]);
  return !strcasecmp(text, d->file->sha256);
}

static int32_t finish(struct download *d, struct lathe_net_answer *a) {
  if (!is_promised(d)) {
    drop_part(d);
    return net_why(a, LATHE_RETRY_DOWN,
                   "%s: the file has another SHA-256 than was promised; nothing of it is kept",
                   a->where);
  }
  unlink(d->tag_path);
  if (rename(d->part, d->file->path) != 0)
    return net_why(a, LATHE_RETRY, "%.300s cannot be given its name: %s", d->part, strerror(errno));
  a->result = LATHE_OK;
  a->why[0] = '\0';
  return LATHE_OK;
}

static int32_t one_try(struct lathe_net *net, const struct lathe_net_request *request,
                       struct download *d, struct lathe_net_answer *a) {
  char range[64];
  struct lathe_net_header headers[] = {{"Range", range, NULL}, {"If-Range", d->tag, NULL}, {0}};
  struct net_sink sink = {.begin = begin, .take = take, .arg = d};
  int32_t rc = open_part(d, a);
  if (rc != LATHE_OK)
    return rc;
  d->unfit = d->resumed = false;
  d->total = d->file->bytes > 0 ? d->file->bytes : -1;
  if (hash_part(d) != 0)
    return net_why(a, LATHE_RETRY, "%.300s cannot be read", d->part);
  if (d->have > 0 && d->have == d->total) { /* it was cut between the last byte and the name */
    d->resumed = true;
    a->result = LATHE_OK;
    return LATHE_OK;
  }
  if (d->have > 0) {
    snprintf(range, sizeof range, "bytes=%lld-", (long long)d->have);
    sink.headers = headers;
  }
  return net_run(net, request, &sink, a);
}

/* Another file than was promised may be the fault of the part: it is fetched anew, once. */
static bool anew(struct download *d, const struct lathe_net_answer *a) {
  bool wrong = d->resumed && d->fd < 0 && a->result == LATHE_RETRY_DOWN;
  bool fault = d->unfit || wrong || (d->have > 0 && a->status == 416);
  if (!fault || d->renewed)
    return false;
  drop_part(d);
  return d->renewed = true;
}

/* The connection broke after something had come, in this try or one before. */
static bool was_cut(const struct download *d, const struct lathe_net_answer *a) {
  bool here = a->status == 200 || a->status == 206;
  return d->fd >= 0 && a->result == LATHE_RETRY_DOWN && (here || (a->status == 0 && d->best > 0));
}

static int32_t pause_for(struct lathe_net *net, const struct lathe_net_request *request, int64_t ms,
                         struct lathe_net_answer *a) {
  struct lathe_net_answer over = {0};
  memcpy(over.where, a->where, sizeof over.where);
  int32_t rc = net_pause(net, request, ms, &over);
  if (rc != LATHE_OK) {
    a->result = rc;
    memcpy(a->why, over.why, sizeof a->why);
  }
  return rc;
}

static int32_t fetch(struct lathe_net *net, const struct lathe_net_request *request,
                     struct download *d, struct lathe_net_answer *a) {
  struct lathe_net_request own = *request;
  int64_t begun = lathe_net_now();
  for (int idle = 0; idle < TRIES;) {
    if (request->most_ms > 0) {
      own.most_ms = request->most_ms - (lathe_net_now() - begun);
      if (own.most_ms <= 0)
        return a->result;
    }
    int32_t rc = one_try(net, &own, d, a);
    if (rc == LATHE_OK && d->total >= 0 &&
        d->have != d->total) { /* all of an answer, and too short */
      drop_part(d);
      net_why(a, LATHE_RETRY_DOWN,
              "%s: the file is shorter than was promised; nothing of it is kept", a->where);
    } else if (rc == LATHE_OK && finish(d, a) == LATHE_OK) {
      return LATHE_OK;
    }
    if (anew(d, a))
      continue;
    if (!was_cut(d, a))
      return a->result;
    idle = d->have > d->best ? 0 : idle + 1;
    d->best = d->have > d->best ? d->have : d->best;
    if (pause_for(net, request, 100 << idle, a) != LATHE_OK)
      return a->result;
  }
  return a->result;
}

static int32_t refuse(struct lathe_net_answer *a, const char *what) {
  return net_why(a, LATHE_PERMANENT, "a download: %s", what);
}

int32_t lathe_net_download(struct lathe_net *net, const struct lathe_net_request *request,
                           const struct lathe_net_file *file, struct lathe_net_answer *answer) {
  struct download *d = calloc(1, sizeof *d);
  lathe_net_free(answer);
  answer->retry_after_ms = -1;
  answer->body = calloc(1, 1);
  if (!d || !answer->body) {
    free(d);
    return net_why(answer, LATHE_RETRY_MEM, "no memory is left for a download");
  }
  d->file = file;
  d->fd = -1;
  int len = snprintf(d->part, sizeof d->part, "%s.part", file->path);
  snprintf(d->tag_path, sizeof d->tag_path, "%.*s.etag", PATH_ROOM - 8, d->part);
  bool hashed = file->sha256 && *file->sha256;
  int32_t rc;
  if (len < 0 || len >= PATH_ROOM - 8)
    rc = refuse(answer, "the path is too long");
  else if (hashed &&
           (strlen(file->sha256) != 64 || strspn(file->sha256, "0123456789abcdefABCDEF") != 64))
    rc = refuse(answer, "that is no SHA-256: it has 64 hexadecimal digits");
  else if (file->most > 0 && file->bytes > file->most)
    rc = refuse(answer, "the file is longer than is taken");
  else if (hashed && !(d->sha = EVP_MD_CTX_new()))
    rc = net_why(answer, LATHE_RETRY_MEM, "no memory is left for a download");
  else
    rc = fetch(net, request, d, answer);
  EVP_MD_CTX_free(d->sha);
  if (d->fd >= 0)
    close(d->fd);
  free(d);
  return rc;
}
