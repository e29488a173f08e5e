/* SPDX-License-Identifier: MIT
 *
 * RFC 4648.  Strict, so that a cut-off or mistyped input is refused here and not by a mesher.
 */
#include "api/base64.h"

#include <string.h>

enum { SPACE = 64, PAD = 65, BAD = 66 };

static int digit_of(unsigned char c) {
  if (c >= 'A' && c <= 'Z')
    return c - 'A';
  if (c >= 'a' && c <= 'z')
    return c - 'a' + 26;
  if (c >= '0' && c <= '9')
    return c - '0' + 52;
  switch (c) {
  case '+':
    return 62;
  case '/':
    return 63;
  case '=':
    return PAD;
  case ' ':
  case '\t':
  case '\r':
  case '\n':
    return SPACE;
  default:
    return BAD;
  }
}

/* The last group: how many bytes it holds, or -1 when its shape or spare bits are wrong. */
static int last_group(uint32_t group, int digits, int pads, struct buf *out) {
  unsigned char bytes[2] = {(unsigned char)(group >> 16), (unsigned char)(group >> 8)};
  if (digits == 0 && pads == 0)
    return 0;
  if (digits + pads != 4 || digits < 2)
    return -1;
  if (digits == 2 ? (group & 0xffff) : (group & 0xff))
    return -1;
  buf_put(out, bytes, (size_t)digits - 1);
  return digits - 1;
}

int base64_decode(const char *text, size_t len, struct buf *out, struct err *err) {
  uint32_t group = 0;
  int digits = 0, pads = 0;
  buf_reserve(out, len / 4 * 3 + 3);
  for (size_t i = 0; i < len; i++) {
    int v = digit_of((unsigned char)text[i]);
    if (v == SPACE)
      continue;
    if (v == BAD || (pads && v != PAD))
      return err_set(err, ERR_INVAL, "it is not base64: character %zu does not belong there",
                     i + 1);
    if (v == PAD) {
      pads++;
      continue;
    }
    group |= (uint32_t)v << (18 - 6 * digits);
    if (++digits < 4)
      continue;
    unsigned char bytes[3] = {(unsigned char)(group >> 16), (unsigned char)(group >> 8),
                              (unsigned char)group};
    buf_put(out, bytes, 3);
    group = 0;
    digits = 0;
  }
  if (last_group(group, digits, pads, out) < 0)
    return err_set(err, ERR_INVAL, "it is not base64: the end is missing or wrongly padded");
  return 0;
}

static const char url_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void base64url_encode(const void *data, size_t len, struct buf *out) {
  const unsigned char *p = data;
  for (size_t i = 0; i < len; i += 3) {
    size_t n = len - i < 3 ? len - i : 3;
    uint32_t group = (uint32_t)p[i] << 16 | (n > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
                     (n > 2 ? (uint32_t)p[i + 2] : 0);
    for (size_t d = 0; d <= n; d++)
      buf_putc(out, url_digits[group >> (18 - 6 * d) & 63]);
  }
}

int base64url_decode(const char *text, struct buf *out) {
  uint32_t bits = 0;
  int have = 0;
  for (; *text; text++) {
    const char *at = strchr(url_digits, *text);
    if (!at)
      return ERR_INVAL;
    bits = bits << 6 | (uint32_t)(at - url_digits);
    have += 6;
    if (have >= 8) {
      have -= 8;
      buf_putc(out, (char)(bits >> have & 0xff));
    }
  }
  return have < 6 && (bits & ((1u << have) - 1)) == 0 ? 0 : ERR_INVAL;
}
