/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/out.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void no_memory(size_t bytes) {
  fprintf(stderr, "local-gmsh: out of memory (%zu bytes more were needed)\n", bytes);
  abort();
}

void *out_alloc(size_t count, size_t size) {
  void *p = calloc(count ? count : 1, size);
  if (!p)
    no_memory(count * size);
  return p;
}

void *out_again(void *items, size_t kept, size_t room, size_t size) {
  void *wide = out_alloc(room, size);
  if (kept)
    memcpy(wide, items, kept * size);
  free(items);
  return wide;
}

void out_free(struct out *o) {
  free(o->data);
  *o = (struct out){0};
}

char *out_room(struct out *o, size_t more) {
  if (o->cap - o->len < more) {
    size_t cap = o->cap * 2 > o->len + more ? o->cap * 2 : o->len + more + 256;
    char *data = realloc(o->data, cap);
    if (!data)
      no_memory(cap);
    o->data = data;
    o->cap = cap;
  }
  return o->data + o->len;
}

void out_put(struct out *o, const void *data, size_t len) {
  if (len == 0)
    return;
  memcpy(out_room(o, len), data, len);
  o->len += len;
}

void out_text(struct out *o, const char *text) {
  out_put(o, text, strlen(text));
}

void out_printf(struct out *o, const char *fmt, ...) {
  va_list args;
  char small[1024];
  va_start(args, fmt);
  int n = vsnprintf(small, sizeof small, fmt, args);
  va_end(args);
  if (n > 0 && (size_t)n >= sizeof small) {
    char *room = out_room(o, (size_t)n + 1);
    va_start(args, fmt);
    vsnprintf(room, (size_t)n + 1, fmt, args);
    va_end(args);
    o->len += (size_t)n;
  } else if (n > 0) {
    out_put(o, small, (size_t)n);
  }
}

void out_json_string(struct out *o, const char *text) {
  out_put(o, "\"", 1);
  for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
    if (*p == '"' || *p == '\\')
      out_printf(o, "\\%c", *p);
    else if (*p < 0x20)
      out_printf(o, "\\u%04x", *p);
    else
      out_put(o, p, 1);
  }
  out_put(o, "\"", 1);
}

void out_number(struct out *o, double value, int digits) {
  if (isfinite(value))
    out_printf(o, "%.*g", digits, value);
  else
    out_text(o, "null");
}

void out_integer(struct out *o, uint64_t value, int width) {
  char text[32], *end = text + sizeof text, *p = end;
  do {
    *--p = (char)('0' + value % 10);
    value /= 10;
  } while (value);
  while (end - p < width && p > text)
    *--p = ' ';
  out_put(o, p, (size_t)(end - p));
}

void out_real(struct out *o, double value, int width) {
  char text[40];
  int len = 0;
  if (value == 0)
    value = 0; /* and not -0 */
  for (int digits = width - 2 < 15 ? width - 2 : 15; digits > 0; digits--) {
    len = snprintf(text, sizeof text - 1, "%.*g", digits, value);
    if (!memchr(text, '.', (size_t)len) && !memchr(text, 'e', (size_t)len)) {
      text[len++] = '.';
      text[len] = '\0';
    }
    if (len <= width)
      break;
  }
  out_put(o, text, (size_t)len);
}

int out_file(const struct out *o, const char *path) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0)
    return errno;
  size_t done = 0;
  int rc = 0;
  while (done < o->len) {
    ssize_t n = write(fd, o->data + done, o->len - done);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0) {
      rc = n < 0 ? errno : EIO;
      break;
    }
    done += (size_t)n;
  }
  sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE); /* the disk begins while other parts are made */
  if (close(fd) < 0 && rc == 0)
    rc = errno;
  return rc;
}

static const double TENS[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12};
#define DECIMALS_MAX 12

int out_decimals(double magnitude) {
  int whole = magnitude > 0 && isfinite(magnitude) ? (int)floor(log10(magnitude)) + 1 : 1;
  int decimals = 7 - whole;
  return decimals < 0 ? 0 : decimals > DECIMALS_MAX ? DECIMALS_MAX : decimals;
}

char *out_fixed(char *p, double value, int decimals) {
  double scaled = value * TENS[decimals];
  if (!(fabs(scaled) < 9e18)) { /* also NaN */
    for (const char *none = "null"; *none; none++)
      *p++ = *none;
    return p;
  }
  int64_t n = llround(scaled);
  if (n < 0) {
    *p++ = '-';
    n = -n;
  }
  while (decimals > 0 && n % 10 == 0) {
    n /= 10;
    decimals--;
  }
  char digits[24] = {0};
  int count = 0;
  do {
    digits[count++] = (char)('0' + n % 10);
    n /= 10;
  } while (n || count <= decimals);
  while (count > decimals)
    *p++ = digits[--count];
  if (decimals) {
    *p++ = '.';
    while (count > 0)
      *p++ = digits[--count];
  }
  return p;
}
