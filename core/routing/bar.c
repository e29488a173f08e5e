/* SPDX-License-Identifier: MIT */
#include "routing/bar.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static bool same_kind(const char *a, const char *b) {
  return a == b || (a && b && strcmp(a, b) == 0);
}

static void free_bar(struct bar *bar) {
  free(bar->kind);
  free(bar->why);
  free(bar);
}

bool bar_lift(struct bar **list, enum admission reason, const char *kind) {
  for (struct bar **at = list; *at; at = &(*at)->next) {
    struct bar *bar = *at;
    if (bar->reason != reason || !same_kind(bar->kind, kind))
      continue;
    *at = bar->next;
    free_bar(bar);
    return true;
  }
  return false;
}

void bar_set(struct bar **list, const struct bar *from) {
  struct bar *bar = mem_alloc(sizeof *bar), **at = list;
  *bar = (struct bar){.reason = from->reason,
                      .kind = mem_dup(from->kind),
                      .why = mem_dup(from->why),
                      .until_us = from->until_us};
  bar_lift(list, bar->reason, bar->kind);
  while (*at && (*at)->reason <= bar->reason)
    at = &(*at)->next;
  bar->next = *at;
  *at = bar;
}

const struct bar *bar_find(const struct bar *list, const char *kind) {
  for (const struct bar *bar = list; bar; bar = bar->next)
    if (!bar->kind || strcmp(bar->kind, kind) == 0)
      return bar;
  return NULL;
}

void bars_free(struct bar **list) {
  for (struct bar *next; *list; *list = next) {
    next = (*list)->next;
    free_bar(*list);
  }
}
