/* SPDX-License-Identifier: MIT */
#include "wire/ref.h"

#include "base/mem.h"
#include "wire/check.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define CODED     "base64:"
#define CODED_LEN (sizeof CODED - 1)

static bool is_plain(const char *bytes, size_t len) {
  return !(len >= CODED_LEN && memcmp(bytes, CODED, CODED_LEN) == 0) &&
         wire_is_text(bytes, len, false);
}

char *wire_ref_text(const void *bytes, size_t len) {
  if (is_plain(bytes, len))
    return mem_dup_n(bytes, len);
  char *text = mem_alloc(CODED_LEN + 4 * ((len + 2) / 3) + 1);
  memcpy(text, CODED, CODED_LEN);
  EVP_EncodeBlock((unsigned char *)text + CODED_LEN, bytes, (int)len);
  return text;
}

char *wire_ref_bytes(const char *text, size_t *len) {
  size_t n = strlen(text);
  if (strncmp(text, CODED, CODED_LEN) != 0) {
    *len = n;
    return mem_dup_n(text, n);
  }
  text += CODED_LEN;
  n -= CODED_LEN;
  char *bytes = mem_alloc(n / 4 * 3 + 4);
  int got = n % 4 ? -1
                  : EVP_DecodeBlock((unsigned char *)bytes, (const unsigned char *)text, (int)n);
  if (got < 0) {
    free(bytes);
    return NULL;
  }
  for (size_t i = n; i > 0 && text[i - 1] == '='; i--)
    got--; /* the decoder counts what only fills up the last group */
  if (got < 0)
    got = 0;
  bytes[got] = '\0';
  *len = (size_t)got;
  return bytes;
}
