/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

void buf_free(struct buf *b) {
  free(b->data);
  *b = (struct buf){0};
}

void buf_wipe(struct buf *b) {
  if (b->data)
    explicit_bzero(b->data, b->cap);
  buf_free(b);
}

void buf_clear(struct buf *b) {
  b->len = 0;
  if (b->data)
    b->data[0] = '\0';
}

void buf_reserve(struct buf *b, size_t more) {
  if (more < b->cap - b->len)
    return;
  size_t need;
  if (__builtin_add_overflow(b->len, more, &need) || __builtin_add_overflow(need, 1, &need))
    need = SIZE_MAX; /* mem_grow ends the process */
  size_t cap = b->cap + b->cap / 2;
  if (cap < need)
    cap = need < 64 ? 64 : need;
  b->data = mem_grow(b->data, cap);
  b->cap = cap;
}

void buf_put(struct buf *b, const void *data, size_t len) {
  assert(data || len == 0);
  buf_reserve(b, len);
  if (len > 0)
    memcpy(b->data + b->len, data, len);
  b->len += len;
  b->data[b->len] = '\0';
}

void buf_puts(struct buf *b, const char *text) {
  buf_put(b, text, strlen(text));
}

void buf_putc(struct buf *b, char c) {
  buf_reserve(b, 1);
  b->data[b->len++] = c;
  b->data[b->len] = '\0';
}

void buf_printf(struct buf *b, const char *fmt, ...) {
  va_list args;
  buf_reserve(b, 128);
  va_start(args, fmt);
  int n = vsnprintf(b->data + b->len, b->cap - b->len, fmt, args);
  va_end(args);
  if (n < 0) {
    b->data[b->len] = '\0';
    return;
  }
  if ((size_t)n >= b->cap - b->len) {
    buf_reserve(b, (size_t)n);
    va_start(args, fmt);
    vsnprintf(b->data + b->len, b->cap - b->len, fmt, args);
    va_end(args);
  }
  b->len += (size_t)n;
}

void buf_put_u64(struct buf *b, uint64_t v) {
  char digits[20];
  size_t at = sizeof(digits);
  do {
    digits[--at] = (char)('0' + v % 10);
    v /= 10;
  } while (v > 0);
  buf_put(b, digits + at, sizeof(digits) - at);
}

void buf_put_i64(struct buf *b, int64_t v) {
  if (v < 0)
    buf_putc(b, '-');
  buf_put_u64(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

/* What a byte of a JSON string needs: 0 nothing, 1 \u00XX, 2 a look at the UTF-8 sequence, else the
 * letter after the backslash. */
#define FOUR(x)    x, x, x, x
#define SIXTEEN(x) FOUR(x), FOUR(x), FOUR(x), FOUR(x)
static const unsigned char json_class[256] = {
    FOUR(1),       FOUR(1),    'b',        't',        'n',        1,
    'f',           'r',        1,          1,          SIXTEEN(1), ['"'] = '"',
    ['\\'] = '\\', [0x7f] = 1, SIXTEEN(2), SIXTEEN(2), SIXTEEN(2), SIXTEEN(2),
    SIXTEEN(2),    SIXTEEN(2), SIXTEEN(2), SIXTEEN(2),
};

static void buf_put_json_escape(struct buf *b, unsigned char c, unsigned char class) {
  static const char hex[] = "0123456789abcdef";
  const char letter[2] = {'\\', (char)class};
  const char number[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
  if (class == 1)
    buf_put(b, number, sizeof(number));
  else
    buf_put(b, letter, sizeof(letter));
}

void buf_put_json_strn(struct buf *b, const char *text, size_t len) {
  if (!text) {
    buf_put(b, "null", 4);
    return;
  }
  buf_reserve(b, len + 2);
  buf_putc(b, '"');
  size_t clean = 0; /* where the run that needs no change begins */
  for (size_t i = 0; i < len;) {
    unsigned char c = (unsigned char)text[i], class = json_class[c];
    if (class == 0) {
      i++;
      continue;
    }
    size_t sequence = class == 2 ? utf8_sequence(text + i, len - i) : 0;
    if (sequence > 0) {
      i += sequence;
      continue;
    }
    buf_put(b, text + clean, i - clean);
    if (class == 2)
      buf_put(b, REPLACEMENT, 3);
    else
      buf_put_json_escape(b, c, class);
    clean = ++i;
  }
  buf_put(b, text + clean, len - clean);
  buf_putc(b, '"');
}

void buf_put_json_str(struct buf *b, const char *text) {
  buf_put_json_strn(b, text, text ? strlen(text) : 0);
}

void buf_put_utf8(struct buf *b, const char *text, size_t len) {
  size_t clean = 0;
  for (size_t i = 0; i < len;) {
    size_t sequence = utf8_sequence(text + i, len - i);
    if (sequence > 0) {
      i += sequence;
      continue;
    }
    buf_put(b, text + clean, i - clean);
    buf_put(b, REPLACEMENT, 3);
    clean = ++i;
  }
  buf_put(b, text + clean, len - clean);
}

void buf_put_json_time(struct buf *b, int64_t us) {
  if (us == 0) {
    buf_put(b, "null", 4);
    return;
  }
  uint64_t v = us < 0 ? 0 - (uint64_t)us : (uint64_t)us;
  if (us < 0)
    buf_putc(b, '-');
  buf_put_u64(b, v / 1000000);
  char part[7] = ".000000";
  uint64_t rest = v % 1000000;
  for (int i = 6; i > 0; i--, rest /= 10)
    part[i] = (char)('0' + rest % 10);
  buf_put(b, part, 7);
}

void buf_consume(struct buf *b, size_t n) {
  assert(b->len <= b->cap);
  if (n >= b->len) {
    buf_clear(b);
    return;
  }
  b->len -= n;
  memmove(b->data, b->data + n, b->len + 1);
}

char *buf_take(struct buf *b) {
  char *data = b->data ? b->data : mem_alloc(1);
  data[b->len] = '\0';
  *b = (struct buf){0};
  return data;
}

void buf_put_segment(struct buf *b, const char *text) {
  static const char hex[] = "0123456789ABCDEF";
  for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
    bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
                 strchr("-._~", *p);
    if (plain) {
      buf_putc(b, (char)*p);
    } else {
      char escaped[3] = {'%', hex[*p >> 4], hex[*p & 15]};
      buf_put(b, escaped, sizeof escaped);
    }
  }
}
