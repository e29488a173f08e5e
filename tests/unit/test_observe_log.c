/* SPDX-License-Identifier: MIT */
#include "observe/log.h"

#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int saved_stderr, channel[2];

/* From here on, what goes to stderr can be read with caught(). */
static void catch_stderr(void) {
  assert_int_equal(pipe(channel), 0);
  saved_stderr = dup(STDERR_FILENO);
  dup2(channel[1], STDERR_FILENO);
  close(channel[1]);
}

static void caught(char *out, size_t size) {
  dup2(saved_stderr, STDERR_FILENO); /* closes the last writing end */
  close(saved_stderr);
  size_t len = 0;
  for (ssize_t n; (n = read(channel[0], out + len, size - 1 - len)) > 0;)
    len += (size_t)n;
  out[len] = '\0';
  close(channel[0]);
}

static void text_lines(void **state) {
  (void)state;
  char out[4096];
  log_configure(&(struct log_options){.level = LOG_INFO});
  catch_stderr();
  log_debug("quiet", "not shown");
  errno = ENOENT;
  log_warn("worker.exit", "backend %s said\n\"bye\" \x1b[31m", "local");
  int after = errno;
  caught(out, sizeof(out));
  assert_int_equal(after, ENOENT);
  assert_null(strstr(out, "not shown"));
  assert_non_null(strstr(out, "Z level=warn event=worker.exit msg=\"backend local said\\n"
                              "\\\"bye\\\" \\u001b[31m\"\n"));
  assert_memory_equal(out, "time=2", 6);
  assert_ptr_equal(strchr(out, '\n'), out + strlen(out) - 1);
}

static void json_lines(void **state) {
  (void)state;
  char out[16384], big[3000];
  memset(big, 'q', sizeof(big) - 1);
  big[sizeof(big) - 1] = '\0';
  log_configure(&(struct log_options){.level = LOG_DEBUG, .json = 1});
  catch_stderr();
  log_debug("a.b", "%s\xff", big);
  caught(out, sizeof(out));
  json_t *json = json_loads(out, 0, NULL);
  assert_non_null(json);
  assert_string_equal(json_string_value(json_object_get(json, "level")), "debug");
  assert_string_equal(json_string_value(json_object_get(json, "event")), "a.b");
  assert_int_equal(json_string_length(json_object_get(json, "message")), sizeof(big) - 1 + 3);
  json_decref(json);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(text_lines), cmocka_unit_test(json_lines)};
  return cmocka_run_group_tests_name("observe_log", tests, NULL, NULL);
}
