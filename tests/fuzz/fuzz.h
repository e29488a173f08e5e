/* SPDX-License-Identifier: MIT
 *
 * What the fuzz targets share.  A target is LLVMFuzzerTestOneInput of one parser; it asserts what
 * must hold for any bytes, and the same for other cuts of the same bytes.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Unlike assert() it is there in every build. */
#define MUST(condition)                                                                            \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);               \
      abort();                                                                                     \
    }                                                                                              \
  } while (0)

/* The length of the next piece, 1 to `left`, mostly short. */
static inline size_t fuzz_cut(uint32_t *seed, size_t left) {
  *seed = *seed * 1664525u + 1013904223u;
  size_t most = *seed >> 31 ? 7 : 300, n = 1 + (*seed >> 8) % most;
  return n < left ? n : left;
}

/* The bytes and a NUL; the caller frees. */
static inline char *fuzz_text(const void *data, size_t size) {
  char *text = malloc(size + 1);
  MUST(text);
  if (size)
    memcpy(text, data, size);
  text[size] = '\0';
  return text;
}

/* A file of this process alone, that holds the bytes; the same path each time. */
static inline const char *fuzz_file(const void *data, size_t size) {
  static char path[64];
  snprintf(path, sizeof path, "/tmp/lathe-fuzz.%d", (int)getpid());
  FILE *file = fopen(path, "wb");
  MUST(file && chmod(path, 0600) == 0);
  MUST(size == 0 || fwrite(data, 1, size, file) == size);
  MUST(fclose(file) == 0);
  return path;
}

#endif
