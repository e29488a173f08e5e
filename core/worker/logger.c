/* SPDX-License-Identifier: MIT */
#include "worker/logger.h"

#include "base/clock.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define FLUSH_BYTES 4096
#define FLUSH_US    20000
#define LINE_MAX    16384 /* longer lines are broken */
#define PIECES_MAX  256 /* that are read at once: more than a pipe holds, and not without an end */

void logger_init(struct logger *l, struct link *link, uint64_t token, int64_t limit) {
  *l = (struct logger){.link = link, .token = token, .limit = limit};
  pthread_mutex_init(&l->lock, NULL);
}

void logger_free(struct logger *l) {
  buf_free(&l->ready);
  buf_free(&l->partial);
  pthread_mutex_destroy(&l->lock);
}

void logger_turn_to(struct logger *l, uint64_t token, int64_t limit) {
  pthread_mutex_lock(&l->lock);
  l->token = token;
  l->limit = limit;
  l->total = 0;
  l->since_us = 0;
  l->cut = l->said_no_memory = false;
  pthread_mutex_unlock(&l->lock);
}

static bool speaks_of_memory(const char *text, size_t len) {
  static const char *const words[] = {"bad_alloc", "ut of memory", "Cannot allocate memory",
                                      "MemoryError", "not enough memory"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (memmem(text, len, words[i], strlen(words[i])))
      return true;
  return false;
}

/* Under the lock. */
static void send_ready(struct logger *l) {
  if (l->ready.len == 0)
    return;
  struct buf *out = link_begin(l->link);
  wire_put_log(out, l->token, 1, l->ready.data, l->ready.len);
  link_end(l->link, false);
  buf_clear(&l->ready);
  l->since_us = 0;
}

/* Under the lock. */
static void add_line(struct logger *l, const char *text, size_t len) {
  if (len && text[len - 1] == '\r')
    len--;
  l->said_no_memory |= speaks_of_memory(text, len);
  if (l->cut)
    return;
  size_t before = l->ready.len;
  wire_clean(&l->ready, text, len, true); /* a log is shown on terminals */
  buf_putc(&l->ready, '\n');
  l->total += (int64_t)(l->ready.len - before);
  if (l->limit > 0 && l->total > l->limit) {
    l->ready.len = before;
    l->cut = true;
    buf_printf(&l->ready, "[lathe: the log is cut here, at its limit of %lld bytes (log_bytes)]\n",
               (long long)l->limit);
  }
  if (l->since_us == 0) {
    l->since_us = clock_mono_us();
    if (l->wake_fd && write(*l->wake_fd, &(uint64_t){1}, sizeof(uint64_t)) < 0)
      l->wake_fd = NULL; /* its reader looks at the clock too, only less often */
  }
  if (l->ready.len >= FLUSH_BYTES)
    send_ready(l);
}

void logger_line(struct logger *l, int32_t level, const char *text) {
  (void)level; /* a job's log is one stream of lines */
  size_t len = strlen(text);
  pthread_mutex_lock(&l->lock);
  while (len > LINE_MAX) {
    add_line(l, text, LINE_MAX);
    text += LINE_MAX;
    len -= LINE_MAX;
  }
  const char *end;
  while ((end = memchr(text, '\n', len)) != NULL && end[1] != '\0') {
    add_line(l, text, (size_t)(end - text));
    len -= (size_t)(end - text) + 1;
    text = end + 1;
  }
  add_line(l, text, len && text[len - 1] == '\n' ? len - 1 : len);
  pthread_mutex_unlock(&l->lock);
}

/* Under the lock. */
static void add_chunk(struct logger *l, const char *data, size_t len) {
  const char *end;
  while ((end = memchr(data, '\n', len)) != NULL) {
    size_t n = (size_t)(end - data);
    if (l->partial.len) {
      buf_put(&l->partial, data, n);
      add_line(l, l->partial.data, l->partial.len);
      buf_clear(&l->partial);
    } else {
      add_line(l, data, n);
    }
    data += n + 1;
    len -= n + 1;
  }
  buf_put(&l->partial, data, len);
  if (l->partial.len > LINE_MAX) {
    add_line(l, l->partial.data, l->partial.len);
    buf_clear(&l->partial);
  }
}

void logger_chunk(struct logger *l, const char *data, size_t len) {
  pthread_mutex_lock(&l->lock);
  add_chunk(l, data, len);
  pthread_mutex_unlock(&l->lock);
}

bool logger_drain(struct logger *l, int fd) {
  char piece[8192];
  bool open = true;
  pthread_mutex_lock(&l->lock);
  for (int i = 0; i < PIECES_MAX; i++) {
    ssize_t n = read(fd, piece, sizeof piece);
    if (n > 0) {
      add_chunk(l, piece, (size_t)n);
      if ((size_t)n < sizeof piece)
        break;
    } else if (n == 0 || errno != EINTR) {
      open = n < 0 && errno == EAGAIN;
      break;
    }
  }
  pthread_mutex_unlock(&l->lock);
  return open;
}

int logger_due_ms(struct logger *l) {
  pthread_mutex_lock(&l->lock);
  int64_t since = l->since_us;
  pthread_mutex_unlock(&l->lock);
  if (since == 0)
    return -1;
  int64_t left = since + FLUSH_US - clock_mono_us();
  return left <= 0 ? 0 : (int)(left / 1000) + 1;
}

void logger_flush(struct logger *l) {
  pthread_mutex_lock(&l->lock);
  send_ready(l);
  pthread_mutex_unlock(&l->lock);
}

void logger_end(struct logger *l) {
  pthread_mutex_lock(&l->lock);
  if (l->partial.len) {
    add_line(l, l->partial.data, l->partial.len);
    buf_clear(&l->partial);
  }
  send_ready(l);
  pthread_mutex_unlock(&l->lock);
}
