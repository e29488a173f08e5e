/* SPDX-License-Identifier: MIT
 *
 *   new --asked--> [a piece is read: pool] -> sent --asked--> ... -> all read: closed -> free
 *                         |         ^             |
 *                         |         +-------------+ the next one
 *                         +-- asked meanwhile: the connection is suspended until it is there
 *
 * The body of an answer that is a file.  One piece is in memory, however large the file and however
 * slow the client; a small piece, when all downloads together have half of the memory for answers.
 * Only the pool touches the file.  It also closes it, because the last close of a file that was
 * removed frees its blocks.
 */
#include "http/file_body.h"

#include "base/mem.h"
#include "observe/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_PIECE = 256 << 10, FILE_PIECE_CROWDED = 16 << 10, FILE_BLOCK = 32 << 10 };

struct file_body {
  uv_work_t work;
  uv_loop_t *loop;
  struct http *h;
  struct http_request *r; /* while libmicrohttpd asks */
  int fd;                 /* of the pool while `busy`; -1: closed */
  int64_t at, left;       /* what is to be read yet */
  char *piece;
  size_t size;      /* room of the piece */
  int64_t counted;  /* of it, to http.file_bytes */
  size_t len, sent; /* of the piece */
  int errnum;       /* EIO: also of a file that became shorter */
  bool busy;        /* the pool has it */
  bool waits;       /* the connection is suspended for it */
  bool over;        /* the response is gone */
};

static void close_file(struct file_body *f) {
  if (f->fd >= 0)
    close(f->fd);
  f->fd = -1;
}

static void run_read(uv_work_t *work) {
  struct file_body *f = container_of(work, struct file_body, work);
  size_t want = f->left < (int64_t)f->size ? (size_t)f->left : f->size;
  f->len = f->sent = 0;
  while (f->len < want) {
    ssize_t n = pread(f->fd, f->piece + f->len, want - f->len, f->at + (int64_t)f->len);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0) {
      f->errnum = n < 0 ? errno : EIO;
      break;
    }
    f->len += (size_t)n;
  }
  f->at += (int64_t)f->len;
  f->left -= (int64_t)f->len;
  if (f->left == 0 || f->errnum)
    close_file(f);
}

static void run_close(uv_work_t *work) {
  close_file(container_of(work, struct file_body, work));
}

static void file_body_free(struct file_body *f) {
  free(f->piece);
  free(f);
}

static void after_close(uv_work_t *work, int status) {
  (void)status;
  file_body_free(container_of(work, struct file_body, work));
}

/* The last of it; with the file, if that is open still. */
static void end(struct file_body *f) {
  if (f->fd < 0)
    file_body_free(f);
  else
    uv_queue_work(f->loop, &f->work, run_close, after_close);
}

void file_body_close(uv_loop_t *loop, int fd) {
  struct file_body *f = mem_alloc(sizeof *f);
  *f = (struct file_body){.loop = loop, .fd = fd};
  end(f);
}

static void after_read(uv_work_t *work, int status) {
  struct file_body *f = container_of(work, struct file_body, work);
  (void)status;
  f->busy = false;
  if (f->over) {
    end(f);
    return;
  }
  if (f->errnum)
    log_warn("http.file", "a file cannot be sent whole: %s", strerror(f->errnum));
  if (f->waits)
    request_resume(f->r);
  f->waits = false;
}

static void read_next(struct file_body *f) {
  f->busy = true;
  uv_queue_work(f->loop, &f->work, run_read, after_read);
}

/* Called by libmicrohttpd when it can send. */
static ssize_t on_wanted(void *cls, uint64_t pos, char *to, size_t max) {
  struct file_body *f = cls;
  (void)pos;
  if (f->r->gone || (!f->busy && f->sent == f->len && f->errnum))
    return MHD_CONTENT_READER_END_WITH_ERROR;
  if (!f->busy && f->sent == f->len)
    read_next(f);
  if (f->busy) {
    f->waits = true;
    request_suspend(f->r);
    return 0;
  }
  size_t n = f->len - f->sent < max ? f->len - f->sent : max;
  memcpy(to, f->piece + f->sent, n);
  f->sent += n;
  if (f->sent == f->len && f->left > 0 && !f->errnum)
    read_next(f);
  return (ssize_t)n;
}

static void on_response_gone(void *cls) {
  struct file_body *f = cls;
  f->over = true;
  f->h->file_bytes -= f->counted; /* the request may be gone before its response */
  if (!f->busy)
    end(f);
}

struct MHD_Response *file_body_new(struct http_request *r, int fd, int64_t first, int64_t len) {
  struct file_body *f = mem_alloc(sizeof *f);
  *f =
      (struct file_body){.h = r->h, .r = r, .loop = r->h->loop, .fd = fd, .at = first, .left = len};
  f->size = len < FILE_PIECE ? (size_t)len : FILE_PIECE;
  if (r->h->file_bytes + (int64_t)f->size > r->h->settings.streams_max / 2)
    f->size = f->size < FILE_PIECE_CROWDED ? f->size : FILE_PIECE_CROWDED;
  else
    f->counted = (int64_t)f->size;
  r->h->file_bytes += f->counted;
  f->piece = mem_grow(NULL, f->size);
  return MHD_create_response_from_callback((uint64_t)len, FILE_BLOCK, on_wanted, f,
                                           on_response_gone);
}
