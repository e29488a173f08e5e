/* SPDX-License-Identifier: MIT
 *
 * Settings and the audit log in the store: one commit for both, undoing, lists, retention.
 */
#include "store_help.h"

static struct buf seen;

static void on_changed(void *arg, int code, const struct store_changed *c) {
  int *last = arg;
  *last = code;
  if (code < 0) {
    buf_printf(&seen, "failed(%s) ", c->text);
    return;
  }
  buf_printf(&seen, "%lld:%s:%s:%s>%s ", (long long)c->line->num, c->line->what,
             c->setting ? c->setting : "-", c->line->from_json ? c->line->from_json : "-",
             c->line->to_json ? c->line->to_json : "-");
  if (c->line->num > 0 && c->setting) {
    const char *to = c->line->to_json;
    assert_true(to == c->value_json || strcmp(to, c->value_json) == 0 || !c->line->by_hand);
  }
}

static const char *take_seen(void) {
  static char text[4000];
  snprintf(text, sizeof text, "%s", seen.len ? seen.data : "");
  buf_clear(&seen);
  return text;
}

static int set(struct world *w, const char *setting, const char *value, bool by_hand) {
  int code = 1;
  store_change(w->store,
               &(struct store_change){.line = {.who = "ann",
                                               .what = "backend.drain",
                                               .about = "gpu",
                                               .why = "a disk",
                                               .by_hand = by_hand},
                                      .setting = setting,
                                      .value_json = value},
               on_changed, &code);
  settle(w);
  return code;
}

static int undo(struct world *w) {
  int code = 1;
  store_undo(w->store, &(struct record_audit){.who = "bob", .what = "rollback", .why = "oops"},
             on_changed, &code);
  settle(w);
  return code;
}

static void on_setting(void *ctx, const struct record_setting *s) {
  (void)ctx;
  assert_true(s->at_us > 0);
  buf_printf(&seen, "%s=%s(%s,%s) ", s->name, s->value_json, s->who, s->why);
}

/* As after a restart. */
static const char *settings(struct world *w) {
  struct err err = {0};
  world_close(w);
  world_must_open(w);
  assert_int_equal(store_settings(w->store, on_setting, NULL, &err), 0);
  return take_seen();
}

static void on_lines(void *arg, int code, const struct record_audit *found, size_t count,
                     bool more) {
  (void)arg;
  assert_int_equal(code, 0);
  for (size_t i = 0; i < count; i++)
    buf_printf(&seen, "%lld:%s:%s:%s:%s:%s%s%s ", (long long)found[i].num, found[i].who,
               found[i].what, found[i].about, found[i].why,
               found[i].from_json ? found[i].from_json : "-",
               found[i].to_json ? found[i].to_json : "-", found[i].undone ? ":undone" : "");
  buf_puts(&seen, more ? "more" : "end");
}

static const char *lines(struct world *w, struct store_audit_filter f) {
  store_audit(w->store, &f, on_lines, NULL);
  settle(w);
  return take_seen();
}

static void test_a_setting_and_its_line(void **state) {
  struct world *w = *state;
  assert_int_equal(set(w, "drained:gpu", "true", true), 0);
  assert_int_equal(set(w, "drained:gpu", "true", true), 0); /* it is so already */
  assert_int_equal(set(w, "first:mesh", "\"b\"", true), 0);
  assert_int_equal(set(w, "drained:gpu", NULL, true), 0);
  assert_int_equal(set(w, "nothing", NULL, true), 0);
  assert_string_equal(take_seen(),
                      "1:backend.drain:drained:gpu:->true 0:backend.drain:drained:gpu:->- "
                      "2:backend.drain:first:mesh:->\"b\" 3:backend.drain:drained:gpu:true>- "
                      "0:backend.drain:nothing:->- ");
  assert_string_equal(settings(w), "first:mesh=\"b\"(ann,a disk) ");
  assert_string_equal(lines(w, (struct store_audit_filter){.limit = 2}),
                      "3:ann:backend.drain:gpu:a disk:true- 2:ann:backend.drain:gpu:a disk:-\"b\" "
                      "more");
  assert_string_equal(lines(w, (struct store_audit_filter){.limit = 9, .before_num = 2}),
                      "1:ann:backend.drain:gpu:a disk:-true end");
}

static void test_a_line_alone(void **state) {
  struct world *w = *state;
  int code = 1;
  store_change(w->store,
               &(struct store_change){.line = {.at_us = 7,
                                               .who = "start",
                                               .what = "config.start",
                                               .from_json = "{\"a\":1}",
                                               .to_json = "{\"a\":2}"},
                                      .setting = "config",
                                      .value_json = "{\"whole\":0}"},
               on_changed, &code);
  store_change(w->store, &(struct store_change){.line = {.who = "signal", .what = "guard.trip"}},
               on_changed, &code);
  settle(w);
  assert_string_equal(take_seen(), "1:config.start:config:{\"a\":1}>{\"a\":2} "
                                   "2:guard.trip:-:->- ");
  assert_int_equal(undo(w), ERR_NOT_FOUND); /* neither was by hand */
  assert_string_equal(take_seen(), "failed(nothing that was set by hand is left to be undone) ");
  assert_string_equal(lines(w, (struct store_audit_filter){.limit = 9, .what = "config"}),
                      "1:start:config.start:::{\"a\":1}{\"a\":2} end");
  assert_string_equal(lines(w, (struct store_audit_filter){.limit = 9, .what = "conf"}), "end");
  assert_string_equal(lines(w, (struct store_audit_filter){.limit = 9, .who = "signal"}),
                      "2:signal:guard.trip:::-- end");
  assert_string_equal(lines(w, (struct store_audit_filter){.limit = 9, .since_us = 8}),
                      "2:signal:guard.trip:::-- end");
  assert_string_equal(settings(w), "config={\"whole\":0}(start,) ");
}

static void test_undo_goes_back_step_by_step(void **state) {
  struct world *w = *state;
  set(w, "first:mesh", "\"a\"", true);
  set(w, "first:mesh", "\"b\"", true);
  set(w, "drained:c", "true", true);
  take_seen();
  assert_int_equal(undo(w), 0);
  assert_int_equal(undo(w), 0);
  assert_string_equal(take_seen(), "4:rollback:drained:c:true>- "
                                   "5:rollback:first:mesh:\"b\">\"a\" ");
  set(w, "first:mesh", "\"c\"", true); /* from here on that is the last one */
  assert_int_equal(undo(w), 0);
  assert_string_equal(settings(w), "6:backend.drain:first:mesh:\"a\">\"c\" "
                                   "7:rollback:first:mesh:\"c\">\"a\" "
                                   "first:mesh=\"a\"(bob,oops) ");
  assert_int_equal(undo(w), 0);
  assert_int_equal(undo(w), ERR_NOT_FOUND);
  assert_string_equal(settings(w), "8:rollback:first:mesh:\"a\">- "
                                   "failed(nothing that was set by hand is left to be undone) ");
  assert_string_equal(lines(w, (struct store_audit_filter){.limit = 3, .before_num = 5}),
                      "4:bob:rollback:gpu:oops:true- 3:ann:backend.drain:gpu:a disk:-true:undone "
                      "2:ann:backend.drain:gpu:a disk:\"a\"\"b\":undone more");
}

/* A file that says the same now, for one. */
static void test_a_change_that_is_not_by_hand_ends_the_undoing(void **state) {
  struct world *w = *state;
  set(w, "drained:a", "true", true);
  set(w, "first:mesh", "\"b\"", true);
  set(w, "first:mesh", NULL, false);
  take_seen();
  assert_int_equal(undo(w), 0);
  assert_int_equal(undo(w), ERR_NOT_FOUND);
  assert_string_equal(take_seen(), "4:rollback:drained:a:true>- "
                                   "failed(nothing that was set by hand is left to be undone) ");
}

static void on_purged(void *arg, int code, const struct store_purged *p) {
  bool *more = arg;
  assert_int_equal(code, 0);
  *more = p->more;
}

static void purge(struct world *w, struct store_retention r) {
  bool more = true;
  for (int i = 0; more && i < 20; i++) {
    store_purge(w->store, &r, on_purged, &more);
    settle(w);
  }
  assert_false(more);
}

static void test_retention(void **state) {
  struct world *w = *state;
  int code;
  for (int i = 1; i <= 5000; i++)
    store_change(w->store, &(struct store_change){.line = {.at_us = i, .who = "x", .what = "y"}},
                 on_changed, &code);
  settle(w);
  take_seen();
  purge(w, (struct store_retention){.audit_before_us = 100});
  assert_string_equal(lines(w, (struct store_audit_filter){.limit = 1, .before_num = 101}),
                      "100:x:y:::-- end");
  purge(w, (struct store_retention){.audit_max = 3});
  assert_string_equal(lines(w, (struct store_audit_filter){.limit = 9}),
                      "5000:x:y:::-- 4999:x:y:::-- 4998:x:y:::-- end");
  purge(w, (struct store_retention){.jobs_max = 1});
  assert_string_equal(lines(w, (struct store_audit_filter){.limit = 1}), "5000:x:y:::-- more");
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      T(test_a_setting_and_its_line),
      T(test_a_line_alone),
      T(test_undo_goes_back_step_by_step),
      T(test_a_change_that_is_not_by_hand_ends_the_undoing),
      T(test_retention),
  };
  int failed = cmocka_run_group_tests_name("store_audit", tests, NULL, NULL);
  buf_free(&seen);
  return failed;
}
