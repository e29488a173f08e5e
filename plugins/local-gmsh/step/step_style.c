/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "step/step_style.h"

#include "base/out.h"
#include "step/step.h"
#include "step/step_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 10 /* entities from a styled item to its colour */
#define STEPS_MAX 64 /* visited for one */

/* ---- links ---- */

void links_add(struct links *l, uint32_t from, uint32_t to) {
  if (from == 0 || to == 0)
    return;
  if (l->count == l->cap) {
    size_t cap = l->cap ? 2 * l->cap : 64;
    l->of = out_again(l->of, l->count, cap, sizeof *l->of);
    l->cap = cap;
  }
  l->of[l->count++] = (struct link){from, to};
}

static int by_from(const void *a, const void *b) {
  const struct link *x = a, *y = b;
  if (x->from != y->from)
    return x->from > y->from ? 1 : -1;
  return (x->to > y->to) - (x->to < y->to);
}

void links_sort(struct links *l) {
  if (l->count)
    qsort(l->of, l->count, sizeof *l->of, by_from);
}

void links_free(struct links *l) {
  free(l->of);
  *l = (struct links){0};
}

const struct link *links_from(const struct links *l, uint32_t from, size_t *count) {
  size_t low = 0, high = l->count;
  while (low < high) {
    size_t mid = low + (high - low) / 2;
    if (l->of[mid].from < from)
      low = mid + 1;
    else
      high = mid;
  }
  for (*count = 0; low + *count < l->count && l->of[low + *count].from == from;)
    ++*count;
  return *count ? l->of + low : NULL;
}

/* ---- colours ---- */

static uint8_t byte_of(double value) {
  return (uint8_t)lround(255 * fmin(fmax(value, 0), 1));
}

static void read_rgb(const struct step_entity *e, struct tint *t) {
  for (int i = 0; i < 3; i++)
    t->rgb[i] = byte_of(step_number(step_arg(e, i + 1), 0));
  t->known = true;
}

static void read_word(const struct step_entity *e, struct tint *t) {
  static const struct {
    const char *word;
    uint8_t rgb[3];
  } WORDS[] = {{"red", {255, 0, 0}},      {"green", {0, 255, 0}},     {"blue", {0, 0, 255}},
               {"yellow", {255, 255, 0}}, {"magenta", {255, 0, 255}}, {"cyan", {0, 255, 255}},
               {"black", {0, 0, 0}},      {"white", {255, 255, 255}}};
  char *word = step_string(NULL, step_arg(e, 0));
  for (size_t i = 0; word && i < sizeof WORDS / sizeof *WORDS; i++)
    if (strcmp(word, WORDS[i].word) == 0) {
      memcpy(t->rgb, WORDS[i].rgb, 3);
      t->known = true;
    }
  free(word);
}

/* Down from a style to its first colour, and its transparency. */
static void step_style_follow(const struct step *s, uint32_t id, int depth, int *steps,
                              struct tint *t) {
  const struct step_entity *e = step_find(s, id);
  if (!e || depth > DEPTH_MAX || ++*steps > STEPS_MAX)
    return;
  if (e->kind == STEP_COLOUR_RGB && !t->known)
    read_rgb(e, t);
  else if (e->kind == STEP_COLOUR_WORD && !t->known)
    read_word(e, t);
  else if (e->kind == STEP_TRANSPARENT)
    t->transparency = (float)fmin(fmax(step_number(step_arg(e, 0), 0), 0), 1);
  else if (e->kind == STEP_STYLE) {
    struct span list = e->args;
    for (uint32_t next; (next = step_next_ref(&list)) != 0;)
      step_style_follow(s, next, depth + 1, steps, t);
  }
}

/* ---- where a style counts ---- */

/* The place of a usage in the chain, from 0 at the root; -1: it is not there.  A usage of several
 * levels stands where its first one does, if the others follow. */
static long place_of(const struct step *s, uint32_t usage, const struct chain *where, int depth) {
  const struct step_entity *higher = step_find_kind(s, usage, STEP_HIGHER_USAGE);
  for (size_t i = 0; !higher && i < where->count; i++)
    if (where->usages[i] == usage)
      return (long)i;
  if (!higher || depth > DEPTH_MAX)
    return -1;
  long upper = place_of(s, step_ref(step_arg(higher, 6)), where, depth + 1);
  long next = place_of(s, step_ref(step_arg(higher, 7)), where, depth + 1);
  return next > upper ? upper : -1;
}

/* How much a style for this context counts here: more, the nearer its place is to the root; 0: it
 * is for another place. */
static long weight(const struct styles *s, uint32_t context, const struct chain *where) {
  size_t n = 0;
  const struct link *l = links_from(&s->contexts, context, &n);
  long best = n == 0; /* the context says nothing about a place */
  for (size_t i = 0; i < n; i++) {
    long place = place_of(s->step, l[i].to, where, 0);
    long w = l[i].to == where->definition ? 2 : place >= 0 ? 3 + (long)where->count - place : 0;
    best = w > best ? w : best;
  }
  return best;
}

struct tint styles_find(const struct styles *s, uint32_t item, const struct chain *where) {
  struct tint found = {0};
  long best = 0;
  size_t n = 0;
  const struct link *l = links_from(&s->items, item, &n);
  for (size_t i = 0; i < n && i < STEPS_MAX; i++) {
    const struct step_entity *styled = step_find_kind(s->step, l[i].to, STEP_STYLED_ITEM);
    struct span list = styled ? step_arg(styled, 1) : (struct span){NULL, NULL};
    for (uint32_t id; (id = step_next_ref(&list)) != 0;) {
      const struct step_entity *style = step_find(s->step, id);
      bool placed = style && style->kind == STEP_STYLE_BY_CONTEXT;
      long w = placed ? weight(s, step_ref(step_arg(style, 1)), where) : 1;
      struct span inner = placed ? step_arg(style, 0) : (struct span){NULL, NULL};
      struct tint t = {0};
      int steps = 0;
      if (w <= best)
        continue;
      if (!placed)
        step_style_follow(s->step, id, 0, &steps, &t);
      for (uint32_t next; (next = step_next_ref(&inner)) != 0;)
        step_style_follow(s->step, next, 0, &steps, &t);
      if (t.known) {
        found = t;
        best = w;
      }
    }
  }
  return found;
}

void styles_open(struct styles *s, const struct step *step) {
  *s = (struct styles){.step = step};
  for (size_t i = 0; i < step->count; i++) {
    const struct step_entity *e = &step->entities[i];
    if (e->kind == STEP_STYLED_ITEM) {
      links_add(&s->items, step_ref(step_arg(e, 2)), e->id);
    } else if (e->kind == STEP_SHAPE_DEFINITION) {
      const struct step_entity *shape = step_find_kind(step, step_ref(step_arg(e, 0)),
                                                       STEP_DEFINITION_SHAPE);
      if (shape)
        links_add(&s->contexts, step_ref(step_arg(e, 1)), step_ref(step_arg(shape, 2)));
    }
  }
  links_sort(&s->items);
  links_sort(&s->contexts);
}

void styles_close(struct styles *s) {
  links_free(&s->items);
  links_free(&s->contexts);
}
