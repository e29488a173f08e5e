/* SPDX-License-Identifier: MIT
 *
 * GET /api/costs: sums over the ledger, by kind, backend, client and day of the configured zone.
 *
 *   query -> days of the zone as moments -> store -> rows
 */
#include "api/cost.h"
#include "api/internal.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/zone.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS_MAX = 10000, DAYS_MAX = 3660, BY_DAY = 8, YEAR_FIRST = 1970, YEAR_LAST = 9999 };

static const struct {
  const char *word;
  int bit;
} parts[] = {{"day", BY_DAY},
             {"kind", COSTS_BY_KIND},
             {"backend", COSTS_BY_BACKEND},
             {"client", COSTS_BY_CLIENT}};
enum { PARTS = sizeof parts / sizeof *parts };

struct costs {
  struct call call;
  int by;
  struct zone_date first, after; /* from the first day to the day after the last */
  int64_t from, to;              /* the same as moments, in seconds */
  struct buf out;
};

/* ---- the query ---- */

/* "backend,kind" as bits; -1 after the 400 was sent. */
static int read_by(struct http_request *r) {
  const char *text = http_query(r, "by");
  int by = 0;
  if (!text || !*text)
    return COSTS_BY_BACKEND | COSTS_BY_KIND;
  for (const char *p = text; *p; p += *p == ',') {
    size_t len = strcspn(p, ","), i = 0;
    while (i < PARTS && (strlen(parts[i].word) != len || memcmp(parts[i].word, p, len) != 0))
      i++;
    if (i == PARTS) {
      http_problem(r, 0, "bad-request", 0,
                   "by is a list of day, kind, backend and client, as by=day,backend; \"%.*s\" is "
                   "none of them.",
                   (int)(len < 40 ? len : 40), p);
      return -1;
    }
    by |= parts[i].bit;
    p += len;
  }
  return by;
}

static bool digits(const char *text, int count, int *out) {
  *out = 0;
  for (int i = 0; i < count; i++) {
    if (text[i] < '0' || text[i] > '9')
      return false;
    *out = *out * 10 + text[i] - '0';
  }
  return true;
}

/* "2026-11", or with a day. */
static bool parse_date(const char *text, bool with_day, struct zone_date *d) {
  d->day = 1;
  if (strlen(text) != (with_day ? 10 : 7) || !digits(text, 4, &d->year) || text[4] != '-' ||
      !digits(text + 5, 2, &d->month) ||
      (with_day && (text[7] != '-' || !digits(text + 8, 2, &d->day))))
    return false;
  return d->year >= YEAR_FIRST && d->year <= YEAR_LAST && d->month >= 1 && d->month <= 12 &&
         d->day >= 1 && d->day <= 31;
}

/* False after the 400 was sent; *given: it is there. */
static bool read_date(struct http_request *r, const char *name, bool with_day, struct zone_date *d,
                      bool *given) {
  const char *text = http_query(r, name);
  *given = text && *text;
  if (!*given || parse_date(text, with_day, d))
    return true;
  http_problem(r, 0, "bad-request", 0, "%s is a %s, as %s, not '%.40s'.", name,
               with_day ? "day" : "month", with_day ? "2026-11-29" : "2026-11", text);
  return false;
}

/* The days that are asked for: those of a month, from one to another, or this month. */
static bool read_days(struct costs *c, struct http_request *r, const struct zone *zone) {
  struct zone_date month, from, to, today = zone_date(zone, clock_wall_us() / 1000000);
  bool has_month, has_from, has_to;
  if (!read_date(r, "month", false, &month, &has_month) ||
      !read_date(r, "from", true, &from, &has_from) || !read_date(r, "to", true, &to, &has_to))
    return false;
  if (has_month && (has_from || has_to)) {
    http_problem(r, 0, "bad-request", 0, "month goes without from and to.");
    return false;
  }
  if (!has_month)
    month = today;
  c->first = has_from ? from : (struct zone_date){month.year, month.month, 1};
  c->after = (struct zone_date){month.year, month.month + 1, 1};
  if (has_from || has_to) {
    c->after = has_to ? to : today;
    c->after.day++;
    if (!has_from)
      c->first = (struct zone_date){to.year, to.month, 1};
  }
  c->from = zone_begin(zone, c->first);
  c->to = zone_begin(zone, c->after);
  if (c->from < c->to)
    return true;
  http_problem(r, 0, "bad-request", 0, "from is later than to.");
  return false;
}

/* The moments between which is summed up apart.  0 after the 400 was sent. */
static size_t make_edges(const struct costs *c, struct http_request *r, const struct zone *zone,
                         int64_t **out) {
  size_t count = 0;
  int64_t *edges = mem_array(DAYS_MAX + 2, sizeof *edges);
  struct zone_date day = c->first;
  int64_t at = c->from;
  while (at < c->to && count <= DAYS_MAX) {
    edges[count++] = at * 1000000;
    if (!(c->by & BY_DAY))
      break;
    do { /* a day that a zone leaves out has no moment of its own */
      day.day++;
    } while (zone_begin(zone, day) <= at);
    at = zone_begin(zone, day);
  }
  edges[count] = c->to * 1000000;
  *out = edges;
  if (count <= DAYS_MAX)
    return count + 1;
  http_problem(r, 0, "bad-request", 0, "by=day is for at most %d days; ask for fewer.", DAYS_MAX);
  return 0;
}

/* ---- the answer ---- */

static void put_day(struct buf *b, const struct zone *zone, int64_t at) {
  struct zone_date d = zone_date(zone, at);
  buf_printf(b, "\"%04d-%02d-%02d\"", d.year, d.month, d.day);
}

static void put_sum(struct buf *b, const struct costs *c, const struct zone *zone,
                    const struct record_cost_sum *s) {
  static const char *const words[] = {"given_back", "running", "completed", "failed", "cancelled"};
  buf_puts(b, "{\"day\":");
  if (c->by & BY_DAY)
    put_day(b, zone, s->from_us / 1000000);
  else
    buf_puts(b, "null");
  buf_puts(b, ",\"kind\":");
  buf_put_json_str(b, s->kind);
  buf_puts(b, ",\"backend\":");
  buf_put_json_str(b, s->backend);
  buf_puts(b, ",\"client\":");
  buf_put_json_str(b, s->client);
  buf_puts(b, ",\"currency\":");
  render_currency(b, s->currency);
  buf_puts(b, ",\"cost\":");
  money_put(b, s->amount);
  buf_puts(b, ",\"reported\":");
  money_put(b, s->reported);
  buf_puts(b, ",\"reserved\":");
  money_put(b, s->reserved);
  buf_printf(b, ",\"unknown\":%lld,\"attempts\":%lld", (long long)s->unknown,
             (long long)s->attempts);
  for (int i = 0; i < 5; i++)
    buf_printf(b, ",\"%s\":%lld", words[i], (long long)s->states[i]);
  buf_putc(b, '}');
}

static void put_amount(struct buf *b, const char *key, int64_t amount) {
  buf_puts(b, key);
  money_put(b, amount);
}

/* What is spent of the month's budget; sums: of this month, by backend. */
static void put_month(struct buf *b, const struct api *a, const struct jobs_backend_budget *budget,
                      const struct record_cost_sum *sums, size_t count) {
  int64_t spent = 0, from_us, to_us;
  for (size_t i = 0; i < count; i++)
    if (strcmp(sums[i].backend, budget->backend) == 0)
      spent = money_add(spent, sums[i].counted);
  jobs_month(a->at.jobs, clock_wall_us(), &from_us, &to_us);
  put_amount(b, ",\"spent\":", spent);
  put_amount(b, ",\"left\":", budget->budget_month > spent ? budget->budget_month - spent : 0);
  buf_printf(b, ",\"month_ends_at\":%lld", (long long)(to_us / 1000000));
}

static void put_prices(struct buf *b, const struct api *a, const struct record_cost_sum *sums,
                       size_t sum_count) {
  size_t count;
  const struct jobs_backend_budget *budgets = jobs_budgets(a->at.jobs, &count);
  buf_puts(b, "],\"prices\":[");
  for (size_t i = 0; i < count; i++) {
    const struct cost_price *p = &budgets[i].price;
    buf_puts(b, i ? ",{\"backend\":" : "{\"backend\":");
    buf_put_json_str(b, budgets[i].backend);
    buf_puts(b, ",\"currency\":");
    render_currency(b, p->currency);
    put_amount(b, ",\"cost_per_second\":", p->per_second);
    put_amount(b, ",\"cost_per_job\":", p->per_job);
    put_amount(b, ",\"budget_job\":", budgets[i].budget_job);
    put_amount(b, ",\"budget_month\":", budgets[i].budget_month);
    if (budgets[i].budget_month != MONEY_UNKNOWN)
      put_month(b, a, &budgets[i], sums, sum_count);
    else
      buf_puts(b, ",\"spent\":null,\"left\":null,\"month_ends_at\":null");
    buf_putc(b, '}');
  }
}

static void costs_free(struct costs *c) {
  buf_free(&c->out);
  free(c);
}

/* Frees where the answer cannot be given (any more). */
static bool is_lost(struct costs *c, int code) {
  if (c->call.r && code == 0)
    return false;
  if (c->call.r)
    api_refuse(c->call.r, code, NULL);
  costs_free(c);
  return true;
}

static void finish(struct costs *c, const struct record_cost_sum *sums, size_t count) {
  put_prices(&c->out, c->call.api, sums, count);
  buf_puts(&c->out, "]}");
  http_add_header(c->call.r, "Cache-Control", "no-store");
  api_reply_json(c->call.r, 200, &c->out);
  costs_free(c);
}

static void on_month(void *arg, int code, const struct record_cost_sum *sums, size_t count,
                     bool more) {
  (void)more;
  if (!is_lost(arg, code))
    finish(arg, sums, count);
}

static bool has_budget(const struct api *a) {
  size_t count;
  const struct jobs_backend_budget *budgets = jobs_budgets(a->at.jobs, &count);
  for (size_t i = 0; i < count; i++)
    if (budgets[i].budget_month != MONEY_UNKNOWN)
      return true;
  return false;
}

static void on_sums(void *arg, int code, const struct record_cost_sum *sums, size_t count,
                    bool more) {
  struct costs *c = arg;
  struct api *a = c->call.api;
  int64_t month[2];
  if (is_lost(c, code))
    return;
  const struct zone *zone = jobs_zone(a->at.jobs);
  buf_puts(&c->out, "{\"time_zone\":");
  buf_put_json_str(&c->out, zone_name(zone));
  buf_printf(&c->out, ",\"from\":%lld,\"to\":%lld,\"more\":%s,\"costs\":[", (long long)c->from,
             (long long)c->to, more ? "true" : "false");
  for (size_t i = 0; i < count; i++) {
    if (i)
      buf_putc(&c->out, ',');
    put_sum(&c->out, c, zone, &sums[i]);
  }
  if (!has_budget(a)) {
    finish(c, NULL, 0);
    return;
  }
  jobs_month(a->at.jobs, clock_wall_us(), &month[0], &month[1]);
  const struct store_costs_query q = {
      .edges = month, .edge_count = 2, .by = COSTS_BY_BACKEND, .limit = ROWS_MAX};
  store_costs(a->at.store, &q, on_month, c);
}

static const char *filter(const struct http_request *r, const char *name) {
  const char *text = http_query(r, name);
  return text && *text ? text : NULL;
}

void costs_get(void *ctx, struct http_request *r) {
  struct api *a = ctx;
  const struct zone *zone = jobs_zone(a->at.jobs);
  struct costs c = {.by = read_by(r)};
  int64_t *edges = NULL;
  if (c.by < 0 || !read_days(&c, r, zone))
    return;
  size_t count = make_edges(&c, r, zone, &edges);
  if (count > 0) {
    struct costs *kept = mem_alloc(sizeof *kept);
    *kept = c;
    call_init(&kept->call, a, r);
    const struct store_costs_query q = {
        .edges = edges,
        .edge_count = count,
        .by = c.by & ~BY_DAY,
        .kind = filter(r, "kind"),
        .backend = filter(r, "backend"),
        .client = filter(r, "client"),
        .limit = ROWS_MAX,
    };
    store_costs(a->at.store, &q, on_sums, kept);
  }
  free(edges);
}
