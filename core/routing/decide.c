/* SPDX-License-Identifier: MIT */
#include "routing/decide.h"

#include "base/buf.h"
#include "base/money.h"

#include <string.h>

/* ---- policies: each picks one that is admitted, from a list in the order of the route ---- */

typedef const struct candidate *picker(struct candidate *list, size_t count);

static const struct candidate *pick_first(struct candidate *list, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (list[i].admission == ADMISSION_YES)
      return &list[i];
  return NULL;
}

static int64_t slots_of(const struct candidate *c) {
  return c->backend->slots > 0 ? c->backend->slots : 1;
}

/* The least (running + queued) / slots; of equals, the first. */
static const struct candidate *pick_least_busy(struct candidate *list, size_t count) {
  const struct candidate *best = NULL;
  for (size_t i = 0; i < count; i++) {
    const struct candidate *c = &list[i];
    if (c->admission == ADMISSION_YES &&
        (!best || c->ahead * slots_of(best) < best->ahead * slots_of(c)))
      best = c;
  }
  return best;
}

enum { FASTEST_OF = 64 }; /* candidates; those that come later in the route are not asked */

/* One to see how it is, or the one that ends the job first.  Where that is busy none gets it yet. */
static const struct candidate *pick_fastest(struct candidate *list, size_t count) {
  struct estimate_candidate times[FASTEST_OF];
  count = count < FASTEST_OF ? count : FASTEST_OF;
  for (size_t i = 0; i < count; i++) {
    bool now = list[i].admission == ADMISSION_YES;
    times[i] = list[i].estimate;
    times[i].able = now || list[i].admission == ADMISSION_FULL;
    times[i].free = now;
    times[i].idle = list[i].ahead == 0;
    times[i].slots = (int)slots_of(&list[i]);
  }
  int explored = estimate_explore(times, count);
  if (explored >= 0)
    return &list[explored];
  int first = estimate_first(times, count);
  if (first < 0)
    return NULL;
  list[first].awaited = list[first].admission != ADMISSION_YES;
  return list[first].awaited ? NULL : &list[first];
}

/* In time goes before too slow, known before unknown, then the lower one. */
static bool is_cheaper(const struct candidate *a, const struct candidate *b) {
  bool a_known = a->cost != MONEY_UNKNOWN, b_known = b->cost != MONEY_UNKNOWN;
  if (a->too_slow != b->too_slow)
    return b->too_slow;
  return a_known != b_known ? a_known : a_known && a->cost < b->cost;
}

static const struct candidate *pick_cheapest(struct candidate *list, size_t count) {
  const struct candidate *best = NULL;
  for (size_t i = 0; i < count; i++)
    if (list[i].admission == ADMISSION_YES && (!best || is_cheaper(&list[i], best)))
      best = &list[i];
  return best;
}

static picker *const policies[] = {
    [ROUTE_ORDERED] = pick_first,
    [ROUTE_SPREAD] = pick_least_busy,
    [ROUTE_FASTEST] = pick_fastest,
    [ROUTE_CHEAPEST] = pick_cheapest,
};

static const char *const policy_words[] = {
#define X(name, word) [name] = (word),
    ROUTE_POLICY_TABLE(X)
#undef X
};

int route_policy_parse(const char *word) {
  for (int i = 0; i < (int)(sizeof policy_words / sizeof *policy_words); i++)
    if (strcmp(word, policy_words[i]) == 0)
      return i;
  return -1;
}

const char *route_policy_word(enum route_policy policy) {
  return policy_words[policy];
}

/* ---- admission ---- */

/* What keeps all jobs of the kind from it, though it is ready. */
static enum admission kept_away(const struct candidate *c) {
  enum admission bar = c->bar ? c->bar->reason : ADMISSION_YES;
  return c->cut_off && (!c->bar || bar > ADMISSION_BREAKER) ? ADMISSION_BREAKER : bar;
}

bool candidate_is_kept_away(const struct candidate *c) {
  return c->admission != ADMISSION_YES && c->admission == kept_away(c);
}

static enum admission admit(const struct candidate *c) {
  const struct {
    bool holds;
    enum admission reason;
  } rules[] = {
      {c->excluded, ADMISSION_EXCLUDED},
      {c->elsewhere, ADMISSION_PINNED_ELSEWHERE},
      {c->unfit, ADMISSION_UNFIT},
      {c->backend->state != FACTS_READY, ADMISSION_NOT_READY},
      {kept_away(c) != ADMISSION_YES, kept_away(c)},
      {c->dear, ADMISSION_BUDGET},
      {c->full, ADMISSION_FULL},
      {c->lacks != 0, ADMISSION_BUDGET},
  };
  for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
    if (rules[i].holds)
      return rules[i].reason;
  return ADMISSION_YES;
}

const struct candidate *decide(enum route_policy policy, struct candidate *list, size_t count) {
  for (size_t i = 0; i < count; i++)
    list[i].admission = admit(&list[i]);
  for (size_t i = 0; i < count; i++)
    if (list[i].preferred && list[i].admission == ADMISSION_YES)
      return &list[i];
  return policies[policy](list, count);
}

bool candidate_is_busy(const struct candidate *c) {
  return c->admission == ADMISSION_FULL ||
         (c->admission == ADMISSION_BUDGET && c->lacks && !c->dear && !c->bar);
}

const char *candidate_detail(const struct candidate *c) {
  if (c->admission == ADMISSION_BREAKER && c->cut_off)
    return breaker_reason(c->backend->breaker);
  if (c->admission == ADMISSION_BUDGET && c->dear)
    return "its earlier attempts there took what budget_job allows";
  return c->bar && c->bar->reason == c->admission ? c->bar->why : NULL;
}

void candidate_blame(const struct candidate *c, struct buf *out) {
  if (c->admission == ADMISSION_NOT_READY) {
    facts_blame(c->backend, out);
    return;
  }
  const char *why = candidate_detail(c);
  buf_printf(out, "backend '%s' %s", c->backend->name, admission_text(c->admission));
  if (why)
    buf_printf(out, ": %s", why);
}
