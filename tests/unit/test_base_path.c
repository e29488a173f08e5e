/* SPDX-License-Identifier: MIT */
#include "base/path.h"

#include "base/mem.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static char *top; /* a temporary folder */

static char *in_top(const char *name) {
  return path_join(top, name);
}

static void write_file(const char *path, const char *text) {
  FILE *f = fopen(path, "w");
  assert_non_null(f);
  assert_true(fputs(text, f) >= 0);
  assert_int_equal(fclose(f), 0);
}

static void plain_names(void **state) {
  (void)state;
  const char *good[] = {"a", "part.step", "Teil \xc3\xa9.stp", "a..b", "_x", "c:x"};
  const char *bad[] = {"",     ".",    "..",   ".hidden", "-rf",       "a/b",
                       "a\\b", "a\nb", "\x7f", "\xff",    "\xc2\x85x", "x\xc0\xaf"};
  for (size_t i = 0; i < COUNT(good); i++)
    assert_true(path_is_plain_name(good[i]));
  for (size_t i = 0; i < COUNT(bad); i++)
    assert_false(path_is_plain_name(bad[i]));
  char name[202];
  memset(name, 'a', 201);
  name[201] = '\0';
  assert_false(path_is_plain_name(name));
  name[200] = '\0';
  assert_true(path_is_plain_name(name));
}

static void names_made_plain(void **state) {
  (void)state;
  static const struct {
    const char *in, *out;
  } cases[] = {
      {"part.step", "part.step"},
      {"../../etc/passwd", "passwd"},
      {"C:\\parts\\a b.stp", "a b.stp"},
      {"", "input"},
      {"a/", "input"},
      {"..", "_."},
      {".bashrc", "_bashrc"},
      {"-rf", "_rf"},
      {"a\nb", "a_b"},
      {"\xff\xfe.stl", "__.stl"},
      {"\xc3\xa9.stl", "\xc3\xa9.stl"},
  };
  char out[201];
  for (size_t i = 0; i < COUNT(cases); i++) {
    path_plain_name(cases[i].in, out, sizeof(out));
    assert_string_equal(out, cases[i].out);
    assert_true(path_is_plain_name(out));
  }
  char *name = mem_alloc(5000);
  memset(name, 'a', 4000);
  strcpy(name + 4000, "\xe2\x82\xac.step");
  path_plain_name(name, out, sizeof(out));
  assert_int_equal(strlen(out), 200);
  assert_string_equal(out + 195, ".step");
  free(name);
}

static void any_bytes_made_plain(void **state) {
  (void)state;
  srand(2);
  for (int round = 0; round < 5000; round++) {
    char in[400], out[201];
    size_t len = (size_t)rand() % sizeof(in);
    for (size_t i = 0; i < len; i++)
      in[i] = (char)(1 + rand() % 255);
    in[len ? len - 1 : 0] = '\0';
    path_plain_name(in, out, sizeof(out));
    assert_true(path_is_plain_name(out));
  }
}

static void joins(void **state) {
  (void)state;
  static const struct {
    const char *dir, *name, *out;
  } cases[] = {{"/a", "b", "/a/b"}, {"/a//", "/b", "/a/b"}, {"/", "b", "/b"}, {"", "b", "b"}};
  for (size_t i = 0; i < COUNT(cases); i++) {
    char *joined = path_join(cases[i].dir, cases[i].name);
    assert_string_equal(joined, cases[i].out);
    free(joined);
  }
}

static void make_and_remove(void **state) {
  (void)state;
  struct err err;
  struct stat st;
  char *tree = in_top("tree"), *deep = in_top("tree/a/b/c/"), *file = in_top("tree/a/file");
  char *outside = in_top("outside"), *link = in_top("tree/a/b/link"), *under = in_top("outside/x");
  assert_int_equal(path_make_dirs(deep, &err), 0);
  assert_int_equal(path_make_dirs(deep, &err), 0);
  assert_int_equal(stat(deep, &st), 0);
  assert_int_equal(st.st_mode & 0777, 0700);
  write_file(file, "x");
  assert_true(path_make_dirs(file, &err) < 0);
  assert_true(path_make_dirs(under, &err) == 0);
  assert_int_equal(symlink("../../../outside", link), 0);
  assert_int_equal(chmod(deep, 0), 0);

  assert_int_equal(path_remove_tree(tree, &err), 0);
  assert_int_not_equal(access(tree, F_OK), 0);
  assert_int_equal(access(under, F_OK), 0); /* links are not followed */
  assert_int_equal(path_remove_tree(tree, &err), 0);
  assert_int_equal(path_remove_tree(outside, &err), 0);
  free(tree), free(deep), free(file), free(outside), free(link), free(under);
}

/* Deeper than the number of files that may be open, longer than PATH_MAX. */
static void remove_a_very_deep_tree(void **state) {
  (void)state;
  struct err err;
  char *tree = in_top("deep");
  int home = open(".", O_RDONLY | O_DIRECTORY);
  assert_int_equal(mkdir(tree, 0700), 0);
  assert_int_equal(chdir(tree), 0);
  for (int i = 0; i < 1500; i++) {
    assert_int_equal(mkdir("folder", 0700), 0);
    write_file("file", "x");
    assert_int_equal(chdir("folder"), 0);
  }
  assert_int_equal(fchdir(home), 0);
  close(home);
  assert_int_equal(path_remove_tree(tree, &err), 0);
  assert_int_not_equal(access(tree, F_OK), 0);
  free(tree);
}

static void read_files(void **state) {
  (void)state;
  struct err err;
  char *data, *file = in_top("file"), *big = mem_alloc(20001);
  size_t len;
  write_file(file, "hello");
  assert_int_equal(path_read_file(file, 5, &data, &len, &err), 0);
  assert_int_equal(len, 5);
  assert_string_equal(data, "hello");
  free(data);
  assert_int_equal(path_read_file(file, 4, &data, &len, &err), ERR_LIMIT);
  assert_null(data);
  memset(big, 'b', 20000);
  write_file(file, big);
  assert_int_equal(path_read_file(file, 1 << 20, &data, &len, &err), 0);
  assert_int_equal(len, 20000);
  free(data);
  assert_int_equal(path_read_file("/proc/self/stat", 4096, &data, &len, &err), 0);
  assert_true(len > 10); /* a file that says its size is 0 */
  free(data);
  unlink(file);
  assert_int_equal(path_read_file(file, 4, &data, &len, &err), ERR_NOT_FOUND);
  assert_non_null(strstr(err.text, file));
  assert_true(path_read_file(top, 4, &data, &len, &err) < 0);
  free(file), free(big);
}

static void program_dir(void **state) {
  (void)state;
  char *dir = path_program_dir(), *self = path_join(dir, "test_base_path");
  assert_int_equal(access(self, X_OK), 0);
  free(dir), free(self);
}

static int make_top(void **state) {
  (void)state;
  const char *tmp = getenv("TMPDIR");
  top = path_join(tmp ? tmp : "/tmp", "lathe-base-XXXXXX");
  return mkdtemp(top) ? 0 : -1;
}

static int remove_top(void **state) {
  (void)state;
  int left = rmdir(top); /* each test leaves nothing behind */
  free(top);
  return left;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(plain_names),          cmocka_unit_test(names_made_plain),
      cmocka_unit_test(any_bytes_made_plain), cmocka_unit_test(joins),
      cmocka_unit_test(make_and_remove),      cmocka_unit_test(remove_a_very_deep_tree),
      cmocka_unit_test(read_files),           cmocka_unit_test(program_dir),
  };
  return cmocka_run_group_tests_name("base_path", tests, make_top, remove_top);
}
