/* SPDX-License-Identifier: MIT */
#include "store/arena.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* Fits an operation with the strings of an ordinary job, so that it costs one malloc. */
#define CHUNK_BYTES 1408

struct arena_chunk {
  struct arena_chunk *next;
  size_t used, size;
  _Alignas(max_align_t) char data[];
};

static void *take(struct arena *a, size_t size, size_t align) {
  struct arena_chunk *c = a->head;
  size_t at = c != NULL ? (c->used + align - 1) & ~(align - 1) : 0;
  if (c == NULL || at > c->size || size > c->size - at) {
    size_t room = size > CHUNK_BYTES ? size : CHUNK_BYTES;
    struct arena_chunk *fresh = mem_grow(NULL, sizeof *fresh + room);
    *fresh = (struct arena_chunk){.next = c, .size = room};
    a->head = c = fresh;
    at = 0;
  }
  c->used = at + size;
  return c->data + at;
}

void *arena_alloc(struct arena *a, size_t size) {
  return memset(take(a, size, _Alignof(max_align_t)), 0, size);
}

char *arena_dup_n(struct arena *a, const char *text, size_t len) {
  char *copy = take(a, len + 1, 1);
  memcpy(copy, text, len);
  copy[len] = '\0';
  return copy;
}

char *arena_dup(struct arena *a, const char *text) {
  return text != NULL ? arena_dup_n(a, text, strlen(text)) : NULL;
}

void arena_free(struct arena *a) {
  struct arena_chunk *c = a->head;
  a->head = NULL;
  while (c != NULL) { /* the arena itself may lie in its last chunk */
    struct arena_chunk *next = c->next;
    free(c);
    c = next;
  }
}
