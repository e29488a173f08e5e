/* SPDX-License-Identifier: MIT
 *
 * A binary heap of nodes that lie inside larger structures and know their place,
 * so that one can be taken out of the middle.
 */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
  uint32_t at; /* index + 1; 0: in no heap */
};

struct heap {
  struct heap_node **nodes;
  uint32_t count, cap;
  bool (*before)(const struct heap_node *a, const struct heap_node *b);
};

void heap_push(struct heap *h, struct heap_node *n);
void heap_remove(struct heap *h, struct heap_node *n);
void heap_fix(struct heap *h, struct heap_node *n); /* its key changed */
void heap_free(struct heap *h);

static inline struct heap_node *heap_top(const struct heap *h) {
  return h->count > 0 ? h->nodes[0] : NULL;
}

#endif
