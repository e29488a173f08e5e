/* SPDX-License-Identifier: MIT */
#include "routing/facts.h"

#include "base/mem.h"
#include "base/string_list.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const char *const no_kinds[] = {NULL};

static void kinds_free(const char *const *kinds) {
  if (kinds != no_kinds)
    string_list_free((char **)(uintptr_t)kinds);
}

/* They are told again and again, and seldom change. */
static void copy_kinds(const char *const **to, const char *const *from) {
  if (string_list_equal(*to, from))
    return;
  kinds_free(*to);
  size_t n = string_list_count(from);
  *to = n ? (const char *const *)string_list_copy(from, n) : no_kinds;
}

static void copy_text(const char **to, const char *from) {
  if (*to && from && strcmp(*to, from) == 0)
    return;
  free((char *)*to);
  *to = mem_dup(from);
}

/* ---- the table ---- */

static void grow(struct facts *f) {
  f->cap = f->cap ? f->cap * 2 : 8;
  f->all = mem_grow(f->all, f->cap * sizeof *f->all);
  f->there = mem_grow(f->there, f->cap * sizeof *f->there);
  f->told = mem_grow(f->told, f->cap * sizeof *f->told);
  f->told_gone = mem_grow(f->told_gone, f->cap * sizeof *f->told_gone);
}

struct backend_facts *facts_find(const struct facts *f, const char *name) {
  for (size_t i = 0; i < f->count; i++)
    if (strcmp(f->all[i]->name, name) == 0)
      return f->all[i];
  return NULL;
}

struct backend_facts *facts_of(struct facts *f, const char *name) {
  struct backend_facts *b = facts_find(f, name);
  if (b)
    return b;
  if (f->count == f->cap)
    grow(f);
  b = mem_alloc(sizeof *b);
  *b = (struct backend_facts){.name = mem_dup(name),
                              .kinds = no_kinds,
                              .gone_kinds = no_kinds,
                              .index = f->count,
                              .breaker = mem_alloc(sizeof(struct breaker))};
  f->told[f->count] = f->told_gone[f->count] = f->round - 1;
  f->all[f->count++] = b;
  return b;
}

void facts_begin(struct facts *f) {
  f->round++;
  f->there_count = 0;
}

void facts_tell(struct facts *f, const struct backend_facts *told) {
  struct backend_facts *b = facts_of(f, told->name);
  b->state = told->state;
  b->state_word = told->state_word;
  copy_text(&b->message, told->message);
  copy_kinds(&b->kinds, told->kinds ? told->kinds : no_kinds);
  b->slots = told->slots;
  b->running = told->running;
  b->room = told->room;
  b->threads = told->threads;
  b->local = told->local;
  b->remote = told->remote;
  f->told[b->index] = f->round;
  f->there[f->there_count++] = b;
}

void facts_tell_gone(struct facts *f, const char *name, const char *const *kinds) {
  struct backend_facts *b = facts_of(f, name);
  copy_kinds(&b->gone_kinds, kinds);
  f->told_gone[b->index] = f->round;
}

void facts_end(struct facts *f) {
  for (size_t i = 0; i < f->count; i++) {
    struct backend_facts *b = f->all[i];
    if (f->told[i] != f->round) {
      b->state = FACTS_ABSENT;
      b->slots = b->running = b->room = 0;
    }
    if (f->told_gone[i] != f->round)
      copy_kinds(&b->gone_kinds, no_kinds);
  }
}

void facts_bar(struct facts *f, const char *name, const struct bar *bar) {
  bar_set(&facts_of(f, name)->bars, bar);
}

bool facts_unbar(struct facts *f, const char *name, enum admission reason, const char *kind) {
  struct backend_facts *b = facts_find(f, name);
  return b && bar_lift(&b->bars, reason, kind);
}

void facts_busy(struct facts *f, const char *name, double ahead_s, double late) {
  struct backend_facts *b = facts_find(f, name);
  if (!b)
    return;
  b->ahead_s = ahead_s;
  b->late = late;
}

const struct kind_cost *facts_cost_of(const struct backend_facts *b, const char *kind) {
  for (const struct kind_cost *c = b->costs; c; c = c->next)
    if (strcmp(c->kind, kind) == 0)
      return c;
  return NULL;
}

void facts_cost(struct facts *f, const char *name, const struct kind_cost *cost) {
  struct backend_facts *b = facts_of(f, name);
  struct kind_cost *c = (struct kind_cost *)facts_cost_of(b, cost->kind);
  if (!c) {
    c = mem_alloc(sizeof *c);
    c->kind = mem_dup(cost->kind);
    c->next = b->costs;
    b->costs = c;
  }
  c->price = cost->price;
  c->mean = cost->mean;
  c->reported = cost->reported;
}

static void costs_free(struct kind_cost *c) {
  for (struct kind_cost *next; c; c = next) {
    next = c->next;
    free(c->kind);
    free(c);
  }
}

void facts_free(struct facts *f) {
  for (size_t i = 0; i < f->count; i++) {
    struct backend_facts *b = f->all[i];
    kinds_free(b->kinds);
    kinds_free(b->gone_kinds);
    bars_free(&b->bars);
    costs_free(b->costs);
    free(b->breaker);
    free((char *)b->message);
    free((char *)b->name);
    free(b);
  }
  free(f->all);
  free(f->there);
  free(f->told);
  free(f->told_gone);
  *f = (struct facts){0};
}

/* ---- questions ---- */

bool facts_does(const struct backend_facts *b, const char *kind) {
  return string_list_has(b->kinds, kind);
}

bool facts_may_do(const struct backend_facts *b, const char *kind) {
  switch (b->state) {
  case FACTS_READY:
    return string_list_has(b->kinds, kind);
  case FACTS_COMING:
    return b->kinds[0] == NULL || string_list_has(b->kinds, kind);
  case FACTS_ABSENT:
  case FACTS_FAILED:
    break;
  }
  return false;
}

bool facts_is_unfit(const struct backend_facts *b, const char *kind) {
  return (b->state == FACTS_READY || b->kinds[0]) && !facts_does(b, kind);
}

bool facts_takes(const struct backend_facts *b, const char *kind) {
  return b->state == FACTS_READY && facts_does(b, kind) && !bar_find(b->bars, kind) &&
         breaker_is_closed(b->breaker);
}

void facts_blame(const struct backend_facts *b, struct buf *out) {
  if (b->state == FACTS_ABSENT)
    buf_printf(out, "backend '%s' is not enabled", b->name);
  else if (b->state == FACTS_FAILED)
    buf_printf(out, "backend '%s' has failed", b->name);
  else
    buf_printf(out, "backend '%s' is %s", b->name, b->state_word);
  if (b->state != FACTS_ABSENT && b->message)
    buf_printf(out, ": %s", b->message);
}

bool facts_may_return(const struct backend_facts *b, const char *kind) {
  return string_list_has(b->gone_kinds, kind);
}
