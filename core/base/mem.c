/* SPDX-License-Identifier: MIT */
#include "base/mem.h"

#include "base/fatal.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void mem_die(size_t size) {
  fatal("out of memory (%zu bytes were asked for); the process ends", size);
}

void *mem_alloc(size_t size) {
  void *p = calloc(1, size ? size : 1);
  if (!p)
    mem_die(size);
  return p;
}

void *mem_array(size_t count, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes))
    mem_die(SIZE_MAX);
  return mem_alloc(bytes);
}

void *mem_grow(void *old, size_t size) {
  void *p = realloc(old, size ? size : 1);
  if (!p)
    mem_die(size);
  return p;
}

char *mem_dup(const char *text) {
  return text ? mem_dup_n(text, strlen(text)) : NULL;
}

char *mem_dup_n(const char *text, size_t len) {
  char *copy = malloc(len + 1);
  if (!copy)
    mem_die(len + 1);
  if (len > 0)
    memcpy(copy, text, len);
  copy[len] = '\0';
  return copy;
}

char *mem_printf(const char *fmt, ...) {
  char *text;
  va_list args;
  va_start(args, fmt);
  if (vasprintf(&text, fmt, args) < 0)
    mem_die(strlen(fmt));
  va_end(args);
  return text;
}
