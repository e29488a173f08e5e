/* SPDX-License-Identifier: MIT
 *
 * What an upload is, by its bytes: accepted, or refused as bad input with a sentence.
 */
#include "fuzz.h"

#include "import/sniff.h"
#include "task/task.h"

#include <stdarg.h>

static const char *file;

void task_path(const struct task *t, char *path, const char *name) {
  (void)t;
  (void)name;
  snprintf(path, PATH_MAX, "%s", file);
}

int32_t task_fail(struct task *t, int32_t code, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  if (t->code == LATHE_OK) {
    vsnprintf(t->error, sizeof t->error, fmt, args);
    t->code = code;
  }
  va_end(args);
  return t->code;
}

void task_warn(struct task *t, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  vsnprintf(t->warnings, sizeof t->warnings, fmt, args);
  va_end(args);
}

const char *const FORMAT_NAMES[] = {"step", "iges", "brep", "stl"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct task t;
  memset(&t, 0, sizeof t);
  snprintf(t.name, sizeof t.name, "part.%s", FORMAT_NAMES[size % 4]);
  snprintf(t.input, sizeof t.input, "in/%s", t.name);
  file = fuzz_file(data, size);
  int32_t rc = sniff_input(&t);
  MUST(rc == LATHE_OK || rc == LATHE_BAD_INPUT);
  MUST((rc == LATHE_OK) == (t.code == LATHE_OK));
  MUST(rc == LATHE_OK || *t.error);
  MUST(memchr(t.file_unit, '\0', sizeof t.file_unit));
  return 0;
}
