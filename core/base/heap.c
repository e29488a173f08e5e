/* SPDX-License-Identifier: MIT */
#include "base/heap.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>

static void set(struct heap *h, uint32_t i, struct heap_node *n) {
  h->nodes[i] = n;
  n->at = i + 1;
}

static void sift_up(struct heap *h, uint32_t i, struct heap_node *n) {
  while (i > 0 && h->before(n, h->nodes[(i - 1) / 2])) {
    set(h, i, h->nodes[(i - 1) / 2]);
    i = (i - 1) / 2;
  }
  set(h, i, n);
}

static void sift_down(struct heap *h, uint32_t i, struct heap_node *n) {
  for (;;) {
    uint32_t child = 2 * i + 1;
    if (child >= h->count)
      break;
    if (child + 1 < h->count && h->before(h->nodes[child + 1], h->nodes[child]))
      child++;
    if (!h->before(h->nodes[child], n))
      break;
    set(h, i, h->nodes[child]);
    i = child;
  }
  set(h, i, n);
}

static void place(struct heap *h, uint32_t i, struct heap_node *n) {
  if (i > 0 && h->before(n, h->nodes[(i - 1) / 2]))
    sift_up(h, i, n);
  else
    sift_down(h, i, n);
}

void heap_push(struct heap *h, struct heap_node *n) {
  assert(n->at == 0);
  if (h->count == h->cap) {
    h->cap = h->cap ? h->cap * 2 : 4;
    h->nodes = mem_grow(h->nodes, h->cap * sizeof(struct heap_node *));
  }
  sift_up(h, h->count++, n);
}

void heap_remove(struct heap *h, struct heap_node *n) {
  assert(n->at >= 1 && n->at <= h->count && h->nodes[n->at - 1] == n);
  uint32_t i = n->at - 1;
  struct heap_node *last = h->nodes[--h->count];
  n->at = 0;
  if (last != n)
    place(h, i, last);
}

void heap_fix(struct heap *h, struct heap_node *n) {
  assert(n->at >= 1 && n->at <= h->count && h->nodes[n->at - 1] == n);
  place(h, n->at - 1, n);
}

void heap_free(struct heap *h) {
  free(h->nodes);
  h->nodes = NULL;
  h->count = h->cap = 0;
}
