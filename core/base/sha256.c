/* SPDX-License-Identifier: MIT */
#include "base/sha256.h"

#include "base/fatal.h"
#include "base/mem.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct sha256 {
  EVP_MD_CTX *ctx;
};

/* Fetched once: looking the algorithm up costs more than hashing a short text. */
static EVP_MD *sha256_algorithm;
static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;

static _Noreturn void sha256_die(void) {
  fatal("libcrypto's SHA-256 failed; the process ends");
}

static void sha256_fetch(void) {
  sha256_algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
  if (!sha256_algorithm)
    sha256_die();
}

struct sha256 *sha256_begin(void) {
  struct sha256 *h = mem_alloc(sizeof(*h));
  pthread_once(&sha256_once, sha256_fetch);
  h->ctx = EVP_MD_CTX_new();
  if (!h->ctx || !EVP_DigestInit_ex(h->ctx, sha256_algorithm, NULL))
    sha256_die();
  return h;
}

void sha256_add(struct sha256 *h, const void *data, size_t len) {
  if (!EVP_DigestUpdate(h->ctx, data, len))
    sha256_die();
}

static void sha256_hex(const unsigned char digest[32], char hex[SHA256_HEX_SIZE]) {
  static const char digits[] = "0123456789abcdef";
  for (int i = 0; i < 32; i++) {
    hex[2 * i] = digits[digest[i] >> 4];
    hex[2 * i + 1] = digits[digest[i] & 15];
  }
  hex[64] = '\0';
}

void sha256_end(struct sha256 *h, char hex[SHA256_HEX_SIZE]) {
  unsigned char digest[32];
  if (hex) {
    if (!EVP_DigestFinal_ex(h->ctx, digest, NULL))
      sha256_die();
    sha256_hex(digest, hex);
  }
  EVP_MD_CTX_free(h->ctx);
  free(h);
}

void sha256_of(const void *data, size_t len, char hex[SHA256_HEX_SIZE]) {
  unsigned char digest[32];
  pthread_once(&sha256_once, sha256_fetch);
  if (!EVP_Digest(data, len, digest, NULL, sha256_algorithm, NULL))
    sha256_die();
  sha256_hex(digest, hex);
}

bool sha256_is_hex(const char *text) {
  size_t n = strspn(text, "0123456789abcdef");
  return n == 64 && text[n] == '\0';
}
