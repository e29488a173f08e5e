/* SPDX-License-Identifier: MIT
 *
 * What keeps jobs from a backend though it is ready: a drain, a breaker, a guard, a budget of money.
 * Each is set and lifted by whoever decides it, for all kinds or for one; admission only looks.  A
 * bar stays over reloads and over an absence of its backend, until it is lifted.
 */
#ifndef ROUTING_BAR_H
#define ROUTING_BAR_H

#include "routing/admission.h"

#include <stdbool.h>
#include <stdint.h>

struct bar {
  struct bar *next;      /* in the order of enum admission */
  enum admission reason; /* DRAINED, BREAKER, GUARD or BUDGET */
  char *kind;            /* NULL: every kind */
  char *why;             /* for people; NULL: there is nothing to add */
  int64_t until_us;      /* when it is expected to be lifted, wall clock; 0: nobody knows */
};

/* One for each reason and kind: a second one takes the place of the first.  `next` is not read, texts
 * are copied. */
void bar_set(struct bar **list, const struct bar *from);
bool bar_lift(struct bar **list, enum admission reason,
              const char *kind); /* false: there was none */
const struct bar *bar_find(const struct bar *list,
                           const char *kind); /* the first that holds, or NULL */
void bars_free(struct bar **list);

#endif
