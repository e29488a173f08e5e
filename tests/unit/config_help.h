/* SPDX-License-Identifier: MIT
 *
 * What the tests of the room config share: a temporary folder with plugins to be found.
 */
#ifndef CONFIG_HELP_H
#define CONFIG_HELP_H

#include "base/path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

static char *top; /* a temporary folder with plugins/ and lathe.ini */

/* Returns the path; the caller frees. */
static char *write_at(const char *name, const void *text, size_t len) {
  char *path = path_join(top, name);
  FILE *f = fopen(path, "w");
  assert_non_null(f);
  assert_int_equal(fwrite(text, 1, len, f), len);
  assert_int_equal(fclose(f), 0);
  return path;
}

static int make_top(void **state) {
  (void)state;
  const char *tmp = getenv("TMPDIR");
  top = path_join(tmp ? tmp : "/tmp", "lathe-config-XXXXXX");
  if (!mkdtemp(top))
    return -1;
  char *real = realpath(top, NULL), *plugins = path_join(real, "plugins");
  free(top);
  top = real;
  if (mkdir(plugins, 0700) != 0)
    return -1;
  setenv("LATHE_PLUGIN_PATH", plugins, 1);
  free(plugins);
  free(write_at("plugins/local-gmsh.so", "x", 1));
  free(write_at("plugins/echo.so", "x", 1));
  return 0;
}

static int remove_top(void **state) {
  (void)state;
  int code = path_remove_tree(top, NULL);
  free(top);
  return code;
}

#endif
