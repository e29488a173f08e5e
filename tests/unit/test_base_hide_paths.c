/* SPDX-License-Identifier: MIT
 *
 * Texts for clients, without the paths of this machine.
 */
#include "base/hide_paths.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void expect(const char *text, const char *shown) {
  struct buf b = {0};
  hide_paths(&b, text, strlen(text));
  assert_string_equal(b.len ? b.data : "", shown);
  buf_free(&b);
}

static void paths_are_cut_to_their_last_name(void **state) {
  static const struct {
    const char *text, *shown;
  } all[] = {
      {"/opt/models/a.onnx", "a.onnx"},
      {"cannot open /opt/models/a.onnx: No such file", "cannot open a.onnx: No such file"},
      {"it is '/home/me/my parts/a b.step', they say", "it is 'a b.step', they say"},
      {"the command \"/usr/bin/python3 /opt/a/b.py\" ended", "the command \"python3 b.py\" ended"},
      {"(/srv/a/b)", "(b)"},
      {"path=/srv/a/b,/srv/c/d;", "path=b,d;"},
      {"Look at /etc/lathe/lathe.ini.", "Look at lathe.ini."},
      {"/etc/lathe/lathe.ini:12: wrong", "lathe.ini:12: wrong"},
      {"moved from /a/b/c\nto /a/b/d\n", "moved from c\nto d\n"},
      {"/opt/models/", "models/"},
      {"file:///etc/passwd", "file://passwd"},
      {"don't read /a/b, isn't it", "don't read b, isn't it"},
      {"'/a/b", "'b"},
      {"\"/a/b c\n/d/e\"", "\"b c\ne\""},
      {"//a/b /a//b", "//a/b b"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    expect(all[i].text, all[i].shown);
}

static void what_is_no_path_stays(void **state) {
  static const char *const all[] = {
      "",
      "/",
      "and/or, 3/4, a / b",
      "m/s and km/h/s",
      "/tmp is full",
      "https://example.org/v1/jobs/7?x=/y",
      "GET /api/backends says why",
      "/problems/no-backend",
      "set /proc/sys/user/max_user_namespaces to 100",
      "the driver of /dev/nvidia0",
      "in/part.step",
  };
  (void)state;
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    expect(all[i], all[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(paths_are_cut_to_their_last_name),
      cmocka_unit_test(what_is_no_path_stays),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
