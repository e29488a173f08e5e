/* SPDX-License-Identifier: MIT
 *
 * What attempts cost: written by the writer with the attempts themselves, summed up by the reader.
 * Jobs that cost nothing have no row and pay for no look.
 */
#include "store/sqlite/private.h"

#include <limits.h>
#include <string.h>

enum { PIECES = 32 /* of time, in one go */, ROWS_A_PURGE = 2000 };

/* ---- writing ---- */

static void bind_amount(sqlite3_stmt *st, int at, int64_t amount) {
  if (amount < 0)
    sqlite3_bind_null(st, at);
  else
    sqlite3_bind_int64(st, at, amount);
}

/* Of a SUM_OF: the units, then the billionths. */
static int64_t sum_at(sqlite3_stmt *st, int col) {
  int64_t units = sqlite3_column_int64(st, col), rest = sqlite3_column_int64(st, col + 1), whole;
  if (__builtin_mul_overflow(units, MONEY_UNIT, &whole))
    return INT64_MAX;
  return money_add(whole, rest);
}

/* What counts in the month of the operation's attempt. */
static int look_at_month(struct engine *e, struct op *op, struct err *err) {
  const struct record_month *month = op->attempt->month;
  sqlite3_stmt *st = conn_stmt(&e->conn, SQL_LEDGER_MONTH);
  bind_text(st, 1, op->attempt->backend);
  sqlite3_bind_int64(st, 2, month->from_us);
  sqlite3_bind_int64(st, 3, month->to_us);
  int code = conn_step(&e->conn, st, err);
  if (code > 0)
    op->spent = sum_at(st, 0);
  sqlite3_reset(st);
  return code < 0 ? code : 0;
}

int ledger_may_start(struct engine *e, struct op *op, struct err *err) {
  if (op->attempt->month == NULL)
    return 0;
  int code = look_at_month(e, op, err);
  return code < 0 ? code : rules_may_spend(op, op->spent, err);
}

int ledger_put(struct engine *e, struct op *op, struct err *err) {
  const struct record_attempt *a = op->attempt;
  const struct record_cost *cost = a != NULL ? a->cost : NULL;
  if (cost == NULL)
    return 0;
  sqlite3_stmt *st = conn_stmt(&e->conn, SQL_LEDGER_PUT);
  sqlite3_bind_int64(st, 1, op->num);
  sqlite3_bind_int(st, 2, a->number);
  sqlite3_bind_int64(st, 3, a->started_us);
  sqlite3_bind_int64(st, 4, a->ended_us);
  bind_text(st, 5, a->backend);
  sqlite3_bind_int(st, 6, (int)a->state);
  bind_text(st, 7, cost->currency);
  sqlite3_bind_int(st, 8, (int)cost->source);
  bind_amount(st, 9, cost->estimated);
  bind_amount(st, 10, cost->priced);
  bind_amount(st, 11, cost->actual);
  bind_amount(st, 12, cost->counted);
  int code = conn_step(&e->conn, st, err);
  if (code < 0)
    return code;
  st = conn_stmt(&e->conn, SQL_JOB_PAID);
  sqlite3_bind_int64(st, 1, op->num);
  code = conn_step(&e->conn, st, err);
  return code < 0 || a->month == NULL ? code : look_at_month(e, op, err);
}

int ledger_purge(struct engine *e, struct op *op, struct err *err) {
  sqlite3_stmt *st = conn_stmt(&e->conn, SQL_LEDGER_PURGE);
  sqlite3_bind_int64(st, 1, op->retention->ledger_before_us);
  sqlite3_bind_int(st, 2, ROWS_A_PURGE);
  int code = conn_step(&e->conn, st, err);
  op->more |= code == 0 && sqlite3_changes(e->conn.db) == ROWS_A_PURGE;
  return code;
}

/* ---- reading ---- */

static int64_t amount_at(sqlite3_stmt *st, int col) {
  return sqlite3_column_type(st, col) == SQLITE_NULL ? MONEY_UNKNOWN
                                                     : sqlite3_column_int64(st, col);
}

static void currency_at(sqlite3_stmt *st, int col, char out[MONEY_CURRENCY_SIZE]) {
  const char *text = (const char *)sqlite3_column_text(st, col);
  if (text != NULL && money_is_currency(text))
    memcpy(out, text, MONEY_CURRENCY_SIZE);
}

int row_costs(struct conn *c, int64_t num, struct record_attempt *attempts, size_t count,
              struct arena *a, struct err *err) {
  sqlite3_stmt *st = conn_stmt(c, SQL_LEDGER_OF_JOB);
  int code;
  sqlite3_bind_int64(st, 1, num);
  while ((code = conn_step(c, st, err)) > 0) {
    int number = sqlite3_column_int(st, 0);
    for (size_t i = 0; i < count; i++) {
      if (attempts[i].number != number)
        continue;
      struct record_cost *cost = arena_alloc(a, sizeof *cost);
      currency_at(st, 1, cost->currency);
      cost->source = (enum cost_source)sqlite3_column_int(st, 2);
      cost->estimated = amount_at(st, 3);
      cost->priced = amount_at(st, 4);
      cost->actual = amount_at(st, 5);
      cost->counted = amount_at(st, 6);
      attempts[i].cost = cost;
    }
  }
  return code;
}

static void take_sum(sqlite3_stmt *st, struct read *r, int64_t from_us) {
  struct record_cost_sum *sum = &r->sums[r->count++];
  *sum = (struct record_cost_sum){
      .from_us = from_us,
      .kind = row_text(st, 0, &r->arena),
      .backend = row_text(st, 1, &r->arena),
      .client = row_text(st, 2, &r->arena),
      .currency = row_text(st, 3, &r->arena),
      .attempts = sqlite3_column_int64(st, 4),
      .unknown = sqlite3_column_int64(st, 10),
      .amount = sum_at(st, 11),
      .reported = sum_at(st, 13),
      .reserved = sum_at(st, 15),
      .counted = sum_at(st, 17),
  };
  for (int i = 0; i < 5; i++)
    sum->states[i] = sqlite3_column_int64(st, 5 + i);
}

static int sum_piece(struct conn *c, struct read *r, struct err *err) {
  const struct store_costs_query *q = &r->costs;
  sqlite3_stmt *st = conn_stmt(c, SQL_LEDGER_SUMS);
  int64_t from_us = q->edges[r->edge];
  int code;
  sqlite3_bind_int64(st, 1, from_us);
  sqlite3_bind_int64(st, 2, q->edges[r->edge + 1]);
  sqlite3_bind_int(st, 3, q->by);
  bind_text(st, 4, q->kind);
  bind_text(st, 5, q->backend);
  bind_text(st, 6, q->client);
  sqlite3_bind_int64(st, 7, q->limit + 1 - (int64_t)r->count);
  while ((code = conn_step(c, st, err)) > 0) {
    if (r->count == (size_t)q->limit) {
      r->more = true;
      break;
    }
    take_sum(st, r, from_us);
  }
  sqlite3_reset(st);
  return code < 0 ? code : 0;
}

int read_costs(struct conn *c, struct read *r, struct err *err) {
  int code = 0;
  if (r->sums == NULL)
    r->sums = arena_alloc(&r->arena, (size_t)r->costs.limit * sizeof *r->sums);
  for (int i = 0; i < PIECES && r->edge + 1 < r->costs.edge_count && !r->more; i++, r->edge++)
    if ((code = sum_piece(c, r, err)) < 0)
      return code;
  return r->edge + 1 < r->costs.edge_count && !r->more ? ENGINE_AGAIN : 0;
}

int read_costs_latest(struct conn *c, struct read *r, struct err *err) {
  sqlite3_stmt *st = conn_stmt(c, SQL_LEDGER_LATEST);
  int code = 0;
  r->sums = arena_alloc(&r->arena, (size_t)r->costs.limit * sizeof *r->sums);
  sqlite3_bind_int(st, 1, r->costs.limit);
  while (r->count < (size_t)r->costs.limit && (code = conn_step(c, st, err)) > 0)
    r->sums[r->count++] = (struct record_cost_sum){
        .kind = row_text(st, 0, &r->arena),
        .backend = row_text(st, 1, &r->arena),
        .currency = row_text(st, 2, &r->arena),
        .attempts = 1,
        .amount = sqlite3_column_int64(st, 3),
        .reported = sqlite3_column_int(st, 4) == COST_REPORTED ? sqlite3_column_int64(st, 3) : 0,
    };
  sqlite3_reset(st);
  return code < 0 ? code : 0;
}
