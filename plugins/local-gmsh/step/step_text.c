/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "step/step_text.h"

#include "base/out.h"

#include <ctype.h>
#include <iconv.h>
#include <string.h>
#include <wchar.h>

#define REPLACEMENT 0xfffdu

/* Bytes of the valid sequence that begins here; 0: there is none.  Overlong forms, surrogates and
 * what is past U+10FFFF are not valid. */
static size_t sequence(const char *text, size_t left) {
  const unsigned char *u = (const unsigned char *)text;
  unsigned char c = u[0], d = left > 1 ? u[1] : 0;
  size_t n = c < 0x80 ? 1 : c >= 0xf0 && c < 0xf5 ? 4 : c >= 0xe0 ? 3 : c >= 0xc2 ? 2 : 0;
  if (n == 0 || c >= 0xf5 || n > left)
    return 0;
  for (size_t k = 1; k < n; k++)
    if ((u[k] & 0xc0) != 0x80)
      return 0;
  bool bad = (c == 0xe0 && d < 0xa0) || (c == 0xed && d >= 0xa0) || (c == 0xf0 && d < 0x90) ||
             (c == 0xf4 && d >= 0x90);
  return bad ? 0 : n;
}

static bool control(unsigned char c) {
  return c < ' ' || c == 0x7f;
}

char *step_text_clean(const char *text, size_t len) {
  char *copy = out_alloc(len + 1, 1);
  for (size_t i = 0; i < len;) {
    size_t n = sequence(text + i, len - i);
    if (n == 0 || control((unsigned char)text[i])) {
      copy[i++] = '?';
      continue;
    }
    memcpy(copy + i, text + i, n);
    i += n;
  }
  return copy;
}

/* How many bytes it begins with that are below 128. */
static size_t step_text_ascii(const char *text, size_t len) {
  size_t i = 0;
  for (uint64_t eight; i + 8 <= len; i += 8) {
    memcpy(&eight, text + i, 8);
    if (eight & 0x8080808080808080u)
      break;
  }
  while (i < len && (unsigned char)text[i] < 0x80)
    i++;
  return i;
}

bool step_text_is_utf8(const char *text, size_t len) {
  for (size_t i = step_text_ascii(text, len), n; i < len;
       i += n, i += step_text_ascii(text + i, len - i))
    if ((n = sequence(text + i, len - i)) == 0)
      return false;
  return true;
}

static char *step_text_put(char *to, uint32_t c) {
  if (c < 0xa0 && (c < ' ' || c >= 0x7f))
    c = c < 0x80 ? '?' : REPLACEMENT;
  if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
    c = REPLACEMENT;
  if (c < 0x80) {
    *to++ = (char)c;
  } else if (c < 0x800) {
    *to++ = (char)(0xc0 | c >> 6);
    *to++ = (char)(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    *to++ = (char)(0xe0 | c >> 12);
    *to++ = (char)(0x80 | (c >> 6 & 0x3f));
    *to++ = (char)(0x80 | (c & 0x3f));
  } else {
    *to++ = (char)(0xf0 | c >> 18);
    *to++ = (char)(0x80 | (c >> 12 & 0x3f));
    *to++ = (char)(0x80 | (c >> 6 & 0x3f));
    *to++ = (char)(0x80 | (c & 0x3f));
  }
  return to;
}

/* A letter over 127 of a page of ISO 8859: A is Latin-1, E Cyrillic; of others a replacement. */
static uint32_t of_page(char page, unsigned char c) {
  if (page == 'A' || c == 0xa0 || c == 0xad)
    return c;
  if (page == 'E')
    return c == 0xf0 ? 0x2116 : c == 0xfd ? 0xa7 : 0x400u + (c - 0xa0u);
  return REPLACEMENT;
}

/* `digits` hexadecimal digits at p, into *value. */
static bool hex(const char *p, const char *end, int digits, uint32_t *value) {
  static const char DIGITS[] = "0123456789abcdef";
  *value = 0;
  if (end - p < digits)
    return false;
  for (int i = 0; i < digits; i++) {
    const char *d = p[i] ? strchr(DIGITS, tolower((unsigned char)p[i])) : NULL;
    if (!d)
      return false;
    *value = *value << 4 | (uint32_t)(d - DIGITS);
  }
  return true;
}

static bool begins(const char *p, const char *end, const char *word) {
  size_t n = strlen(word);
  return (size_t)(end - p) >= n && memcmp(p, word, n) == 0;
}

/* From behind "\X2\" or "\X4\" past "\X0\", or past the last good digit where that is missing. */
static const char *wide(const char *p, const char *end, int digits, char **to) {
  uint32_t c, low;
  while (hex(p, end, digits, &c)) {
    p += digits;
    if (c >= 0xd800 && c < 0xdc00 && hex(p, end, digits, &low) && low >= 0xdc00 && low < 0xe000) {
      c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
      p += digits;
    }
    *to = step_text_put(*to, c);
  }
  return begins(p, end, "\\X0\\") ? p + 4 : p;
}

/* What a backslash begins; NULL: nothing that is known. */
static const char *escape(const char *p, const char *end, char *page, char **to) {
  uint32_t c;
  if (begins(p, end, "\\X2\\"))
    return wide(p + 4, end, 4, to);
  if (begins(p, end, "\\X4\\"))
    return wide(p + 4, end, 8, to);
  if (begins(p, end, "\\X\\") && hex(p + 3, end, 2, &c)) {
    *to = step_text_put(*to, c);
    return p + 5;
  }
  if (begins(p, end, "\\S\\") && end - p > 3 && (unsigned char)p[3] < 0x80) {
    *to = step_text_put(*to, of_page(*page, (unsigned char)p[3] | 0x80));
    return p + 4;
  }
  if (begins(p, end, "\\P") && end - p > 3 && p[3] == '\\' && p[2] >= 'A' && p[2] <= 'I') {
    *page = p[2];
    return p + 4;
  }
  if (begins(p, end, "\\\\")) {
    *to = step_text_put(*to, '\\');
    return p + 2;
  }
  return NULL;
}

/* One letter in the file's own encoding, past which it returns; NULL: there is none. */
static const char *own_letter(void *letters, const char *p, const char *end, char **to) {
  for (size_t n = 1; n <= 2 && (size_t)(end - p) >= n; n++) {
    wchar_t wide = 0;
    char *in = (char *)p, *out = (char *)&wide; /* iconv does not write to the first */
    size_t in_left = n, out_left = sizeof wide;
    iconv(letters, NULL, NULL, NULL, NULL);
    if (iconv(letters, &in, &in_left, &out, &out_left) != (size_t)-1 && in_left == 0 &&
        out_left == 0) {
      *to = step_text_put(*to, (uint32_t)wide);
      return p + n;
    }
  }
  return NULL;
}

char *step_text_decode(const char *raw, size_t len, void *letters) {
  char *text = out_alloc(4 * len + 1, 1), *to = text, page = 'A';
  const char *p = raw, *end = raw + len, *next;
  bool utf8 = !letters && step_text_is_utf8(raw, len);
  while (p < end) {
    size_t n = utf8 ? sequence(p, (size_t)(end - p)) : 1;
    bool own = letters && (unsigned char)*p >= 0x80;
    if (*p == '\n' || *p == '\r') { /* a long string goes on in the next line */
      p++;
    } else if ((own || *p == '\\') && (next = own ? own_letter(letters, p, end, &to)
                                                  : escape(p, end, &page, &to)) != NULL) {
      p = next;
    } else if (n > 1) {
      memcpy(to, p, n);
      to += n;
      p += n;
    } else {
      to = step_text_put(to, (unsigned char)*p);
      p += *p == '\'' && end - p > 1 && p[1] == '\'' ? 2 : 1;
    }
  }
  return text;
}
