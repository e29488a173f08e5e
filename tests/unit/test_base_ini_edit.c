/* SPDX-License-Identifier: MIT
 *
 * One value of an INI text replaced, and nothing else.
 */
#include "base/ini_edit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct ini_place mesh = {"route", "mesh", "backends"};

static const struct {
  const char *before, *value, *after; /* value: as it is read before; NULL: it is not there */
} cases[] = {
    {"[route mesh]\nbackends = a, b\npolicy = spread\n", "a, b",
     "[route mesh]\nbackends = NEW\npolicy = spread\n"},
    {"; top\n\n [ route\tmesh ] ; x\n\tbackends=a ; why\n; backends = z\n", "a",
     "; top\n\n [ route\tmesh ] ; x\n\tbackends=NEW ; why\n; backends = z\n"},
    {"[route preview]\nbackends = p\n[route mesh]\n# backends = z\npolicy = spread", NULL,
     "[route preview]\nbackends = p\n[route mesh]\nbackends = NEW\n# backends = z\npolicy = "
     "spread"},
    {"[route mesh]", NULL, "[route mesh]\nbackends = NEW\n"},
    {"[server]\r\nlisten = x\r\n", NULL,
     "[server]\r\nlisten = x\r\n\r\n[route mesh]\r\nbackends = NEW\r\n"},
    {"[route mesh]\r\nbackends : a\r\n", "a", "[route mesh]\r\nbackends : NEW\r\n"},
    {"[server]\nlisten = x", NULL, "[server]\nlisten = x\n\n[route mesh]\nbackends = NEW\n"},
    {"", NULL, "[route mesh]\nbackends = NEW\n"},
    {"[route mesh2]\nbackends = a\n[route meshes]\nbackends = b\n[backend mesh]\nbackends = c\n",
     NULL,
     "[route mesh2]\nbackends = a\n[route meshes]\nbackends = b\n[backend mesh]\nbackends = c\n"
     "\n[route mesh]\nbackends = NEW\n"},
    {"[route mesh]\nbackends2 = z\nbackends =\n[x]\nbackends = y", "",
     "[route mesh]\nbackends2 = z\nbackends =NEW\n[x]\nbackends = y"},
    {"\xef\xbb\xbf[route mesh]\nbackends = a;b ;c\n", "a;b",
     "\xef\xbb\xbf[route mesh]\nbackends = NEW ;c\n"},
    {"no pair\n[route mesh]\nno pair\nbackends = a\n", "a",
     "no pair\n[route mesh]\nno pair\nbackends = NEW\n"},
};

static void one_value_changes(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct buf value = {0}, out = {0}, again = {0};
    size_t len = strlen(cases[i].before);
    bool there = ini_get(cases[i].before, len, &mesh, &value);
    assert_int_equal(there, cases[i].value != NULL);
    if (there)
      assert_string_equal(value.len ? value.data : "", cases[i].value);
    ini_set(cases[i].before, len, &mesh, "NEW", &out);
    if (strcmp(out.data, cases[i].after) != 0)
      fail_msg("case %zu: %s", i, out.data);
    buf_clear(&value);
    assert_true(ini_has_section(out.data, out.len, &mesh));
    assert_true(ini_get(out.data, out.len, &mesh, &value));
    assert_string_equal(value.data, "NEW");
    ini_set(out.data, out.len, &mesh, "NEW", &again); /* nothing more changes */
    assert_string_equal(again.data, out.data);
    buf_free(&value);
    buf_free(&out);
    buf_free(&again);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(one_value_changes)};
  return cmocka_run_group_tests_name("base_ini_edit", tests, NULL, NULL);
}
