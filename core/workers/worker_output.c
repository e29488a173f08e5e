/* SPDX-License-Identifier: MIT
 *
 * What a worker, its plugin and the programs that they start write to stdout and stderr.
 *
 *   until READY   we read it: raw lines become lines of the backend's log
 *   from then on  the worker reads it, for it knows which job speaks; a FORK worker has a pipe for
 *                 each of its children and leaves this one to us for good
 *
 * Of a flood a bounded piece is read each turn of the loop; the pipe is full meanwhile, and that
 * holds the writer alone.  How much of it is logged, step_frames.c bounds.
 */
#include "workers/internal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 4096, PIECES = 16, LINE_BYTES = 4096 };

/* Valid UTF-8 without control characters; lines stay. */
static void log_text(struct worker *k, uint64_t token, const char *raw, size_t len) {
  struct buf text = {0};
  buf_put_utf8(&text, raw, len);
  for (size_t i = 0; i < text.len; i++)
    if ((unsigned char)text.data[i] < ' ' && text.data[i] != '\n' && text.data[i] != '\t')
      text.data[i] = ' ';
  if (text.len && text.data[text.len - 1] != '\n')
    buf_putc(&text, '\n');
  steps_log(k, token, text.data, text.len);
  buf_free(&text);
}

/* The lines that are whole, or everything: a line that has become too long, or the last one. */
static void log_said(struct worker *k, bool everything) {
  const char *end = k->said.len ? memrchr(k->said.data, '\n', k->said.len) : NULL;
  size_t len = end ? (size_t)(end - k->said.data) + 1 : 0;
  if (everything || k->said.len - len > LINE_BYTES)
    len = k->said.len;
  if (len == 0)
    return;
  log_text(k, 0, k->said.data, len);
  buf_consume(&k->said, len);
}

/* False: nobody can write there any more. */
static bool read_some(struct worker *k) {
  char piece[PIECE];
  for (int i = 0; i < PIECES; i++) {
    ssize_t n = read(k->log_fd, piece, sizeof piece);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return n < 0 && errno == EAGAIN;
    buf_put(&k->said, piece, (size_t)n);
    log_said(k, false);
  }
  return true;
}

static void on_output(uv_poll_t *handle, int status, int events) {
  struct worker *k = handle->data;
  (void)events;
  if (status < 0 || !read_some(k))
    uv_poll_stop(&k->output);
}

void worker_output_begin(struct worker *k) {
  k->hears_output = true;
  uv_poll_init(k->b->w->loop, &k->output, k->log_fd);
  k->output.data = k;
  uv_poll_start(&k->output, UV_READABLE, on_output);
}

void worker_output_ready(struct worker *k) {
  if (k->isolation == WIRE_FORK)
    return;
  uv_poll_stop(&k->output);
  read_some(k);
  log_said(k, true);
  k->hears_output = false;
}

void worker_output_last(struct worker *k) {
  char piece[PIECE * PIECES];
  if (k->hears_output) {
    read_some(k);
    log_said(k, true);
    return;
  }
  ssize_t n = read(k->log_fd, piece, sizeof piece);
  if (n > 0 && !k->b->w->freeing)
    log_text(k, k->isolation == WIRE_PROCESS ? atomic_load(&k->board->running) : 0, piece,
             (size_t)n);
}
