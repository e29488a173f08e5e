/* SPDX-License-Identifier: MIT */
#include "api/cost.h"

#include <stdbool.h>
#include <string.h>

struct sum {
  int64_t estimated, actual;
  const char *currency; /* NULL: of none yet */
  const char *source;
  bool mixed, sources_mixed;
};

static void add(int64_t *sum, int64_t amount) {
  if (amount != MONEY_UNKNOWN)
    *sum = *sum == MONEY_UNKNOWN ? amount : money_add(*sum, amount);
}

static void add_attempt(struct sum *s, const struct record_cost *cost) {
  const char *source = cost_source_word(cost->source);
  add(&s->estimated, cost->estimated);
  add(&s->actual, cost->actual);
  s->mixed |= s->currency && strcmp(s->currency, cost->currency) != 0;
  s->currency = cost->currency;
  s->sources_mixed |= s->source && source && strcmp(s->source, source) != 0;
  s->source = source ? source : s->source;
}

void render_currency(struct buf *b, const char *currency) {
  buf_put_json_str(b, *currency ? currency : NULL);
}

static void put_amount(struct buf *b, const char *key, int64_t amount) {
  buf_puts(b, key);
  money_put(b, amount);
}

void render_cost(struct buf *b, const struct record_job *job) {
  struct sum s = {.estimated = MONEY_UNKNOWN, .actual = MONEY_UNKNOWN};
  for (size_t i = 0; i < job->attempt_count; i++)
    if (job->attempts[i].cost)
      add_attempt(&s, job->attempts[i].cost);
  if (!s.currency) {
    buf_puts(b, "null");
    return;
  }
  put_amount(b, "{\"estimated\":", s.mixed ? MONEY_UNKNOWN : s.estimated);
  put_amount(b, ",\"actual\":", s.mixed ? MONEY_UNKNOWN : s.actual);
  buf_puts(b, ",\"currency\":");
  render_currency(b, s.mixed ? "" : s.currency);
  buf_puts(b, ",\"source\":");
  buf_put_json_str(b, s.mixed ? NULL : s.sources_mixed ? "mixed" : s.source);
  buf_putc(b, '}');
}

void render_attempt_cost(struct buf *b, const struct record_attempt *attempt) {
  const struct record_cost *cost = attempt->cost;
  if (!cost) {
    buf_puts(b, "null");
    return;
  }
  put_amount(b, "{\"estimated\":", cost->estimated);
  put_amount(b, ",\"actual\":", cost->actual);
  buf_puts(b, ",\"currency\":");
  render_currency(b, cost->currency);
  buf_puts(b, ",\"source\":");
  buf_put_json_str(b, cost_source_word(cost->source));
  put_amount(b, ",\"priced\":", cost->priced);
  buf_putc(b, '}');
}
