/* SPDX-License-Identifier: MIT */
#include "base/utf8.h"

static bool utf8_tail(unsigned char c) {
  return (c & 0xc0) == 0x80;
}

size_t utf8_sequence(const char *text, size_t len) {
  const unsigned char *s = (const unsigned char *)text;
  if (len == 0)
    return 0;
  if (s[0] < 0x80)
    return 1;
  if (s[0] < 0xc2)
    return 0;
  if (s[0] < 0xe0)
    return len >= 2 && utf8_tail(s[1]) ? 2 : 0;
  if (s[0] < 0xf0) {
    if (len < 3 || !utf8_tail(s[1]) || !utf8_tail(s[2]))
      return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] >= 0xa0))
      return 0;
    return 3;
  }
  if (s[0] > 0xf4 || len < 4 || !utf8_tail(s[1]) || !utf8_tail(s[2]) || !utf8_tail(s[3]))
    return 0;
  if ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] >= 0x90))
    return 0;
  return 4;
}

bool utf8_is_valid(const char *text, size_t len) {
  for (size_t i = 0; i < len;) {
    size_t n = utf8_sequence(text + i, len - i);
    if (n == 0)
      return false;
    i += n;
  }
  return true;
}
