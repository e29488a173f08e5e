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

/* What a terminal or a pager would act on does not get there, in either format. */
static void no_controls(void **state) {
  (void)state;
  char out[4096];
  for (int json = 0; json < 2; json++) {
    log_configure(&(struct log_options){.level = LOG_INFO, .json = json});
    catch_stderr();
    log_error("a.b", "%s",
              "\xc2\x9b"
              "31m \xe2\x80\xae \r \x1b \x7f \x9b");
    caught(out, sizeof(out));
    assert_non_null(strstr(out, "\\u009b31m \\u202e \\r \\u001b \\u007f \xef\xbf\xbd"));
    assert_null(strstr(out, "\xc2\x9b"));
    assert_ptr_equal(strchr(out, '\n'), out + strlen(out) - 1);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(text_lines), cmocka_unit_test(json_lines),
                                     cmocka_unit_test(no_controls)};
  return cmocka_run_group_tests_name("observe_log", tests, NULL, NULL);
}
