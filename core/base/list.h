/* SPDX-License-Identifier: MIT
 *
 * An intrusive doubly linked ring.  The head is a `struct list` of its own.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
  struct list *next, *prev;
};

/* NOLINTBEGIN(bugprone-macro-parentheses): types and loop variables cannot stand in parentheses */
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define list_for_each(it, head)         for (struct list *it = (head)->next; it != (head); it = it->next)
/* The body may remove `it`. */
#define list_for_each_safe(it, head)                                                               \
  for (struct list *it = (head)->next, *it##_next = it->next; it != (head);                        \
       it = it##_next, it##_next = it->next)
/* NOLINTEND(bugprone-macro-parentheses) */

static inline void list_init(struct list *l) {
  l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l) {
  return l->next == l;
}

static inline void list_push_back(struct list *head, struct list *item) {
  item->prev = head->prev;
  item->next = head;
  head->prev->next = item;
  head->prev = item;
}

static inline void list_push_front(struct list *head, struct list *item) {
  list_push_back(head->next, item);
}

/* Leaves the item a ring of its own, so that removing twice does no harm. */
static inline void list_remove(struct list *item) {
  item->prev->next = item->next;
  item->next->prev = item->prev;
  list_init(item);
}

static inline struct list *list_pop_front(struct list *head) {
  struct list *item = head->next;
  if (item == head)
    return NULL;
  list_remove(item);
  return item;
}

#endif
