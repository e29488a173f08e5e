/* SPDX-License-Identifier: MIT
 *
 * Memory that is given back in one go: an operation with its strings, or the
 * records of one read.  Zeroed: ready for use.  One thread at a time.
 */
#ifndef STORE_ARENA_H
#define STORE_ARENA_H

#include <stddef.h>

struct arena {
  struct arena_chunk *head;
};

void *arena_alloc(struct arena *a, size_t size);                  /* zeroed, aligned for anything */
char *arena_dup(struct arena *a, const char *text);               /* NULL gives NULL */
char *arena_dup_n(struct arena *a, const char *text, size_t len); /* adds a NUL */
void arena_free(struct arena *a);

#endif
