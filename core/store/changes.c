/* SPDX-License-Identifier: MIT
 *
 * Settings and the audit log: a change and the line that tells of it are one operation, so that
 * neither is ever on disk without the other.
 *
 *   store_change: setting, value, line -> the value before is looked up -> both written, or neither
 *   store_undo:   the last line by hand that is not undone -> its setting as it was before
 *
 * Here are the calls, on the loop.
 */
#include "store/private.h"

#include "base/clock.h"

#include <string.h>

static const char *dup_or_empty(struct arena *a, const char *text) {
  return arena_dup(a, text != NULL ? text : "");
}

static void push_change(struct store *s, enum op_type type, const struct store_change *c,
                        store_change_done *done, void *arg) {
  struct op *op = op_new(type, 0, NULL, arg);
  struct arena *a = &op->arena;
  op->line = (struct record_audit){
      .at_us = c->line.at_us != 0 ? c->line.at_us : clock_wall_us(),
      .who = dup_or_empty(a, c->line.who),
      .what = dup_or_empty(a, c->line.what),
      .about = dup_or_empty(a, c->line.about),
      .from_json = arena_dup(a, c->line.from_json),
      .to_json = arena_dup(a, c->line.to_json),
      .why = dup_or_empty(a, c->line.why),
      .by_hand = c->line.by_hand,
  };
  op->setting = arena_dup(a, c->setting);
  op->value_json = arena_dup(a, c->value_json);
  op->changed = done;
  store_push(s, op);
}

void store_change(struct store *s, const struct store_change *change, store_change_done *done,
                  void *arg) {
  push_change(s, OP_CHANGE, change, done, arg);
}

void store_undo(struct store *s, const struct record_audit *line, store_change_done *done,
                void *arg) {
  push_change(s, OP_UNDO, &(struct store_change){.line = *line}, done, arg);
}

void changes_tell(const struct op *op) {
  bool ok = op->code == 0;
  op->changed(op->arg, op->code,
              &(struct store_changed){.line = ok ? &op->line : NULL,
                                      .setting = ok ? op->setting : NULL,
                                      .value_json = ok ? op->value_json : NULL,
                                      .text = op->text});
}

/* ---- reads ---- */

int store_settings(struct store *s, store_setting_seen *seen, void *ctx, struct err *err) {
  return s->ops->settings(s->engine, seen, ctx, err);
}

void store_audit(struct store *s, const struct store_audit_filter *filter,
                 void (*done)(void *arg, int code, const struct record_audit *lines, size_t count,
                              bool more),
                 void *arg) {
  struct read *r = read_new(READ_AUDIT, arg);
  r->audit = *filter;
  r->audit.who = arena_dup(&r->arena, filter->who);
  r->audit.what = arena_dup(&r->arena, filter->what);
  r->audit.limit = filter->limit < 1 ? 1 : filter->limit > 1000 ? 1000 : filter->limit;
  r->done.audit = done;
  read_push(s, r);
}

void deliver_audit(struct read *r) {
  bool ok = r->code == 0;
  r->done.audit(r->arg, r->code, ok ? r->lines : NULL, ok ? r->count : 0, ok && r->more);
}
