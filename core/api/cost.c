/* SPDX-License-Identifier: MIT */
#include "api/cost.h"

#include "base/json64.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct sum {
  double estimated, actual;
  bool has_estimated, has_actual, mixed;
  char currency[8]; /* "": none was named */
};

static void add(double *sum, bool *has, const json_t *v) {
  if (!json64_is_number(v))
    return;
  *sum += json64_number(v);
  *has = true;
}

static void add_attempt(struct sum *s, const char *facts) {
  json_t *f = strstr(facts, "\"cost.") ? json64_load(facts, strlen(facts), 0, NULL) : NULL;
  const char *currency = json_string_value(json_object_get(f, "cost.currency"));
  add(&s->estimated, &s->has_estimated, json_object_get(f, "cost.estimated"));
  add(&s->actual, &s->has_actual, json_object_get(f, "cost.actual"));
  if (currency) {
    s->mixed |= s->currency[0] && strncmp(s->currency, currency, sizeof s->currency - 1) != 0;
    snprintf(s->currency, sizeof s->currency, "%s", currency);
  }
  json_decref(f);
}

static void put_amount(struct buf *b, const char *key, double amount, bool known) {
  if (known && isfinite(amount)) /* each was finite; their sum may be past what JSON holds */
    buf_printf(b, "%s%.12g", key, amount);
  else
    buf_printf(b, "%snull", key);
}

void render_cost(struct buf *b, const struct record_job *job) {
  struct sum s = {0};
  for (size_t i = 0; i < job->attempt_count; i++)
    if (job->attempts[i].facts_json)
      add_attempt(&s, job->attempts[i].facts_json);
  if (!s.has_estimated && !s.has_actual) {
    buf_puts(b, "null");
    return;
  }
  put_amount(b, "{\"estimated\":", s.estimated, s.has_estimated && !s.mixed);
  put_amount(b, ",\"actual\":", s.actual, s.has_actual && !s.mixed);
  buf_puts(b, ",\"currency\":");
  buf_put_json_str(b, s.currency[0] && !s.mixed ? s.currency : NULL);
  buf_putc(b, '}');
}
