/* SPDX-License-Identifier: MIT
 *
 * A hash table from numbers that were handed out one after another (tokens) to structures that
 * hold the node.
 */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct table_node {
  struct table_node *next;
  uint64_t key;
};

struct table { /* zeroed: empty */
  struct table_node **slots;
  size_t count, cap;
};

/* The key must not be there yet. */
void table_put(struct table *t, struct table_node *n, uint64_t key);
struct table_node *table_get(const struct table *t, uint64_t key); /* NULL when absent */
/* Removing one that is not there does no harm. */
void table_remove(struct table *t, struct table_node *n);
void table_free(struct table *t); /* the nodes are their owners' */

#endif
