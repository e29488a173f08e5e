/* SPDX-License-Identifier: MIT
 *
 * lathe costs.
 */
#include "base/mem.h"
#include "http_client.h"
#include "table.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The columns that an answer may have, by the members of its rows. */
static const struct {
  const char *key, *head;
} parts[] = {{"day", "DAY"}, {"kind", "~KIND"}, {"backend", "~BACKEND"}, {"client", "~CLIENT"}};
enum { PARTS = sizeof parts / sizeof *parts };

static char *costs_path(struct cli *c) {
  static const char *const filters[] = {"month", "from", "to", "by", "kind", "backend", "client"};
  struct buf path = {0};
  buf_puts(&path, "/api/costs");
  for (size_t i = 0, n = 0; i < sizeof filters / sizeof *filters; i++) {
    const char *value = option_get(c, filters[i]);
    char *text = value ? http_path(c, "%s", value) : NULL;
    if (text)
      buf_printf(&path, "%s%s=%s", n++ ? "&" : "?", filters[i], text);
    free(text);
  }
  return buf_take(&path);
}

static void put_amount(struct table *t, const json_t *row, const char *key) {
  table_putf(t, "%.15g", json_real_of(row, key));
}

static void put_count(struct table *t, const json_t *row, const char *key) {
  table_putf(t, "%.0f", json_real_of(row, key));
}

static void put_row(struct table *t, const json_t *row, const bool *has) {
  for (size_t i = 0; i < PARTS; i++)
    if (has[i])
      table_put(t, json_text(row, parts[i].key));
  put_amount(t, row, "cost");
  table_put(t, json_text(row, "currency"));
  put_count(t, row, "attempts");
  put_count(t, row, "failed");
  put_amount(t, row, "reserved");
  put_count(t, row, "unknown");
}

static void print_rows(const json_t *rows) {
  struct table t;
  struct buf head = {0};
  bool has[PARTS] = {false};
  size_t i;
  json_t *row;
  for (size_t k = 0; k < PARTS; k++) {
    json_array_foreach(rows, i, row) has[k] |= json_is_string(json_object_get(row, parts[k].key));
    if (has[k])
      buf_printf(&head, "%s|", parts[k].head);
  }
  buf_puts(&head, ">COST|CURRENCY|>ATTEMPTS|?>FAILED|?>RESERVED|?>UNKNOWN");
  table_begin(&t, head.data);
  json_array_foreach(rows, i, row) put_row(&t, row, has);
  table_print(&t, 0);
  buf_free(&head);
}

/* A line for each currency. */
static void print_totals(const json_t *rows) {
  size_t i, k;
  json_t *row, *other;
  json_array_foreach(rows, i, row) {
    const char *currency = json_text(row, "currency");
    double sum = 0, unknown = 0;
    size_t first = json_array_size(rows);
    json_array_foreach(rows, k, other) {
      if (strcmp(json_text(other, "currency"), currency) != 0)
        continue;
      first = k < first ? k : first;
      sum += json_real_of(other, "cost");
      unknown += json_real_of(other, "unknown");
    }
    if (first != i)
      continue;
    struct buf line = {0};
    buf_printf(&line, "total %.15g%s%s", sum, *currency ? " " : "", currency);
    if (unknown > 0)
      buf_printf(&line, ", and %.0f attempts at a cost that nobody knows", unknown);
    say_wrapped("", 2, line.data, 0);
    buf_free(&line);
  }
}

static void print_budgets(const json_t *prices) {
  size_t i;
  json_t *price;
  json_array_foreach(prices, i, price) {
    struct buf line = {0};
    const char *currency = json_text(price, "currency");
    time_t ends = (time_t)json_real_of(price, "month_ends_at");
    struct tm tm;
    char at[40] = "";
    if (!json_is_number(json_object_get(price, "budget_month")))
      continue;
    if (localtime_r(&ends, &tm))
      strftime(at, sizeof at, "%Y-%m-%d %H:%M %Z", &tm);
    buf_printf(&line, "%s: %.15g of %.15g%s%s are left until %s", json_text(price, "backend"),
               json_real_of(price, "left"), json_real_of(price, "budget_month"),
               *currency ? " " : "", currency, at);
    say_wrapped("", 2, line.data, 0);
    buf_free(&line);
  }
}

int verb_costs(struct cli *c) {
  json_t *answer = NULL;
  char *path = costs_path(c);
  int code = http_fetch(c, NULL, path, "costs[]", &answer);
  free(path);
  const json_t *rows = json_object_get(answer, "costs");
  if (code == CLI_OK && c->json) {
    say_json(answer);
  } else if (code == CLI_OK && json_array_size(rows) == 0) {
    say_note("Nothing cost anything in that time.\n");
  } else if (code == CLI_OK) {
    print_rows(rows);
    print_totals(rows);
    if (json_is_true(json_object_get(answer, "more")))
      say_note("There is more; ask for less with --from, --to, --kind, --backend or --client.\n");
  }
  if (code == CLI_OK && !c->json)
    print_budgets(json_object_get(answer, "prices"));
  json_decref(answer);
  return code;
}
