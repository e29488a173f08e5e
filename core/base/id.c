/* SPDX-License-Identifier: MIT */
#include "base/id.h"

#include "base/clock.h"
#include "base/fatal.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* Random bits are drawn once a millisecond; ids within it count up from there.  The top bit starts
 * clear, so that counting never runs over. */
static void id_draw(struct id_maker *m) {
  if (getrandom(m->random, sizeof(m->random), 0) != (ssize_t)sizeof(m->random))
    fatal("getrandom: %s; the process ends", strerror(errno));
  m->random[0] &= 0x7f;
}

void id_make(struct id_maker *m, char out[ID_SIZE]) {
  long long now = clock_wall_us() / 1000;
  if (now > m->last_ms) {
    m->last_ms = now;
    id_draw(m);
  } else { /* the same millisecond, or the clock was set back */
    for (int i = 9; i >= 0 && ++m->random[i] == 0; i--)
      continue;
  }
  for (int i = 0; i < 10; i++)
    out[i] = alphabet[(m->last_ms >> (45 - 5 * i)) & 31];
  /* 80 bits are two groups of 40 bits, each 8 digits. */
  for (int half = 0; half < 2; half++) {
    unsigned long long bits = 0;
    for (int i = 0; i < 5; i++)
      bits = bits << 8 | m->random[5 * half + i];
    for (int i = 0; i < 8; i++)
      out[10 + 8 * half + i] = alphabet[(bits >> (35 - 5 * i)) & 31];
  }
  out[ID_LEN] = '\0';
}

bool id_prefix(const char *text, char out[ID_SIZE]) {
  size_t len = strnlen(text, ID_SIZE);
  if (len == 0 || len > ID_LEN)
    return false;
  for (size_t i = 0; i < len; i++)
    out[i] = (char)toupper((unsigned char)text[i]);
  out[len] = '\0';
  return strspn(out, alphabet) == len && out[0] <= '7';
}

bool id_is_valid(const char *text) {
  return strspn(text, alphabet) == ID_LEN && text[ID_LEN] == '\0' && text[0] <= '7';
}
