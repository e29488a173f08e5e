/* SPDX-License-Identifier: MIT */
#include "routing/draw.h"

#include "base/mem.h"
#include "base/sha256.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

const char *route_sticky_word(enum route_sticky sticky) {
  static const char *const words[] = {
#define X(name, word) [name] = (word),
      ROUTE_STICKY_TABLE(X)
#undef X
  };
  return words[sticky];
}

static const char *key_of(enum route_sticky sticky, const struct draw_keys *keys) {
  const char *key = sticky == ROUTE_STICKY_CLIENT  ? keys->client
                    : sticky == ROUTE_STICKY_INPUT ? keys->input
                                                   : NULL;
  return key && *key ? key : keys->job;
}

int draw_number(enum route_sticky sticky, const struct draw_keys *keys, const char *canary,
                const char *kind) {
  const char *key = key_of(sticky, keys);
  char hex[SHA256_HEX_SIZE];
  if (!key || !*key)
    return 0;
  char *text = mem_printf("%s\n%s\n%s", canary, kind, key);
  sha256_of(text, strlen(text), hex);
  free(text);
  hex[15] = '\0'; /* 60 bits */
  return (int)(strtoull(hex, NULL, 16) % DRAW_OF) + 1;
}
