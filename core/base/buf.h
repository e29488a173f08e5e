/* SPDX-License-Identifier: MIT
 *
 * A growable byte buffer.  `struct buf b = {0}` is empty; buf_free gives the
 * memory back and leaves it empty again.  `data` is always followed by a NUL
 * once something was put, so it can be read as a string.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
  char *data;
  size_t len, cap;
};

void buf_free(struct buf *b);
void buf_wipe(struct buf *b);  /* the same, with all that was in it overwritten */
void buf_clear(struct buf *b); /* keeps the memory */
void buf_reserve(struct buf *b, size_t more);
void buf_put(struct buf *b, const void *data, size_t len);
void buf_puts(struct buf *b, const char *text);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_put_u64(struct buf *b, uint64_t v); /* decimal, without printf */
void buf_put_i64(struct buf *b, int64_t v);
/* A JSON string with quotes; bytes that are not UTF-8 become U+FFFD; NULL gives null. */
void buf_put_json_str(struct buf *b, const char *text);
void buf_put_json_strn(struct buf *b, const char *text, size_t len);
/* The text itself, with bytes that are not UTF-8 made U+FFFD. */
void buf_put_utf8(struct buf *b, const char *text, size_t len);
/* Seconds with six decimals from microseconds since the epoch; 0 gives null. */
void buf_put_json_time(struct buf *b, int64_t us);
/* A segment of a URL's path: all but the unreserved characters of RFC 3986 is escaped. */
void buf_put_segment(struct buf *b, const char *text);
/* Drops the first n bytes. */
void buf_consume(struct buf *b, size_t n);
/* Hands the memory (NUL-terminated, never NULL) to the caller, who frees it. */
char *buf_take(struct buf *b);

#endif
