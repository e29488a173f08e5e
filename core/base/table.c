/* SPDX-License-Identifier: MIT */
#include "base/table.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>

enum { FIRST_CAP = 16 };

/* Keys come one after another, so their low bits spread them as well as a hash would. */
static struct table_node **slot_of(const struct table *t, uint64_t key) {
  return &t->slots[key & (t->cap - 1)];
}

static void grow(struct table *t) {
  struct table old = *t;
  t->cap = old.cap ? old.cap * 2 : FIRST_CAP;
  t->slots = mem_array(t->cap, sizeof *t->slots);
  for (size_t i = 0; i < old.cap; i++) {
    for (struct table_node *n = old.slots[i], *next; n; n = next) {
      struct table_node **slot = slot_of(t, n->key);
      next = n->next;
      n->next = *slot;
      *slot = n;
    }
  }
  free(old.slots);
}

void table_put(struct table *t, struct table_node *n, uint64_t key) {
  assert(!table_get(t, key));
  if (t->count == t->cap)
    grow(t);
  struct table_node **slot = slot_of(t, key);
  n->key = key;
  n->next = *slot;
  *slot = n;
  t->count++;
}

struct table_node *table_get(const struct table *t, uint64_t key) {
  struct table_node *n = t->cap ? *slot_of(t, key) : NULL;
  while (n && n->key != key)
    n = n->next;
  return n;
}

void table_remove(struct table *t, struct table_node *n) {
  struct table_node **at = t->cap ? slot_of(t, n->key) : NULL;
  while (at && *at && *at != n)
    at = &(*at)->next;
  if (!at || !*at)
    return;
  *at = n->next;
  t->count--;
}

void table_free(struct table *t) {
  free(t->slots);
  *t = (struct table){0};
}
