/* SPDX-License-Identifier: MIT */
#include "base/terminal.h"

#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

struct range {
  uint32_t first, last;
};

/* Beside the controls below U+00A0: marks and overrides of direction, separators of lines, and
 * what is not seen at all.  The joiners U+200C and U+200D stay, because scripts need them. */
static const struct range dangerous[] = {
    {0x0000, 0x001f}, {0x007f, 0x009f}, {0x061c, 0x061c},   {0x180e, 0x180e},
    {0x200b, 0x200b}, {0x200e, 0x200f}, {0x2028, 0x202e},   {0x2060, 0x206f},
    {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe0fff},
};
/* Marks that sit on the character before them. */
static const struct range narrow[] = {
    {0x0300, 0x036f}, {0x0483, 0x0489}, {0x0591, 0x05bd}, {0x0610, 0x061a},
    {0x064b, 0x065f}, {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x200c, 0x200d},
    {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f},
};
/* East Asian Width W and F, and pictures. */
static const struct range wide[] = {
    {0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0xa4cf},   {0xa960, 0xa97c},
    {0xac00, 0xd7a3},   {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},
    {0xffe0, 0xffe6},   {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff},
    {0x20000, 0x3fffd},
};
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static bool is_in(uint32_t c, const struct range *ranges, size_t count) {
  for (size_t i = 0; i < count && ranges[i].first <= c; i++)
    if (c <= ranges[i].last)
      return true;
  return false;
}

/* The character of a valid sequence of `n` bytes. */
static uint32_t decode(const char *text, size_t n) {
  static const unsigned char lead[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
  uint32_t c = (unsigned char)text[0] & lead[n];
  for (size_t i = 1; i < n; i++)
    c = c << 6 | ((unsigned char)text[i] & 0x3f);
  return c;
}

static void put_escape(struct buf *out, uint32_t c) {
  if (c < 0x10000)
    buf_printf(out, "\\u%04x", c);
  else
    buf_printf(out, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10), 0xdc00 + (c & 0x3ff));
}

static bool is_space_of(uint32_t c, enum terminal_form form, struct buf *out) {
  if (c != '\n' && c != '\t')
    return false;
  buf_putc(out, form == TERMINAL_TEXT ? (char)c : ' ');
  return true;
}

/* Nearly all that is shown: it goes as it is. */
static size_t plain_span(const char *text, size_t len) {
  size_t n = 0;
  while (n < len && text[n] >= ' ' && text[n] <= '~')
    n++;
  return n;
}

void terminal_put(struct buf *out, const char *text, size_t len, enum terminal_form form) {
  for (size_t i = 0, n; i < len; i += n) {
    n = plain_span(text + i, len - i);
    if (n > 0) {
      buf_put(out, text + i, n);
      continue;
    }
    n = utf8_sequence(text + i, len - i);
    if (n == 0) {
      buf_put_utf8(out, text + i, 1); /* as everywhere: U+FFFD */
      n = 1;
      continue;
    }
    uint32_t c = decode(text + i, n);
    if (is_space_of(c, form, out) || (c == '\r' && i + 1 < len && text[i + 1] == '\n'))
      continue;
    if (is_in(c, dangerous, COUNT(dangerous)))
      put_escape(out, c);
    else
      buf_put(out, text + i, n);
  }
}

static size_t width_of(const char *text, size_t n) {
  uint32_t c = n > 0 ? decode(text, n) : 0xfffd;
  return is_in(c, narrow, COUNT(narrow)) ? 0 : is_in(c, wide, COUNT(wide)) ? 2 : 1;
}

size_t terminal_fit(const char *text, size_t columns) {
  size_t len = strlen(text), used = 0, i = 0;
  while (i < len) {
    size_t n = utf8_sequence(text + i, len - i);
    used += width_of(text + i, n);
    if (used > columns)
      break;
    i += n > 0 ? n : 1;
  }
  return i;
}

size_t terminal_width(const char *text) {
  size_t len = strlen(text), used = 0;
  for (size_t i = 0, n; i<len; i += n> 0 ? n : 1) {
    n = utf8_sequence(text + i, len - i);
    used += width_of(text + i, n);
  }
  return used;
}
