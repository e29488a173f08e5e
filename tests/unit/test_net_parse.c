/* SPDX-License-Identifier: MIT
 *
 * What strangers write into headers, streams and JSON, read without a network.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/private.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { NOW = 1600000000 }; /* Sun, 13 Sep 2020 12:26:40 GMT */

static void a_pause_is_digits_or_a_date_within_an_hour(void **state) {
  static const struct {
    const char *value;
    int64_t ms;
  } cases[] = {
      {"0", 0},
      {"4", 4000},
      {"3600", 3600000},
      {"3601", 3600000},
      {"9999999999", 3600000},
      {"99999999999999999999", -1},
      {"-5", -1},
      {"+5", -1},
      {" 5", -1},
      {"5 ", -1},
      {"1.5", -1},
      {"0x10", -1},
      {"", -1},
      {"soon", -1},
      {"Sun, 13 Sep 2020 12:26:50 GMT", 10000},
      {"Sunday, 13-Sep-20 12:26:50 GMT", 10000},
      {"Sun Sep 13 12:26:50 2020", 10000},
      {"Sun, 13 Sep 2020 12:26:30 GMT", 0},
      {"Fri, 31 Dec 9999 23:59:59 GMT", 3600000},
      {"Sun, 13 Sep 2020 12:26:50 CET", -1},
      {"Sun, 13 Sep 2020 12:26:50", -1},
      {"Sun, 31 Feb 2021 12:00:00 GMT", -1},
      {"Sun, 13 Sep 2020 25:00:00 GMT", -1},
      {"2020-09-13T12:26:50Z", -1},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    assert_int_equal(net_retry_after(cases[i].value, NOW), cases[i].ms);
}

static void dates_have_the_three_forms_of_the_rfc(void **state) {
  (void)state;
  assert_int_equal(net_date("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);
  assert_int_equal(net_date("Sunday, 06-Nov-94 08:49:37 GMT"), 784111777);
  assert_int_equal(net_date("Sun Nov  6 08:49:37 1994"), 784111777);
  assert_int_equal(net_date("Thu, 29 Feb 2024 00:00:00 GMT"), 1709164800);
  assert_int_equal(net_date("Wed, 29 Feb 2023 00:00:00 GMT"), -1);
  assert_int_equal(net_date("Sun, 6 Nov 1994 08:49:37 GMT"), -1);
  assert_int_equal(net_date("06 Nov 1994 08:49:37 GMT"), -1);
}

static void a_range_of_content_is_whole_or_none(void **state) {
  static const char *const bad[] = {
      "",
      "bytes",
      "bytes 0-9",
      "bytes 0-9/*",
      "bytes */10",
      "bytes 5-4/9",
      "bytes 0-9/9",
      "bytes 0-9/10 ",
      "bytes -9/10",
      "octets 0-9/10",
      "bytes 0-9/99999999999999999999",
      "bytes=0-9/10",
      "bytes 0 - 9/10",
  };
  int64_t range[3];
  (void)state;
  assert_true(net_content_range("bytes 100-199/200", range));
  assert_true(range[0] == 100 && range[1] == 199 && range[2] == 200);
  assert_true(net_content_range("BYTES 0-0/1", range));
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_false(net_content_range(bad[i], range));
}

static void only_a_strong_tag_counts(void **state) {
  static const char *const bad[] = {"", "\"", "abc", "W/\"abc\"", "\"a\"b\"", "\"a b\"", "\"a\n\""};
  (void)state;
  assert_true(net_is_strong_tag("\"abc\""));
  assert_true(net_is_strong_tag("\"\""));
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_false(net_is_strong_tag(bad[i]));
}

static void json_is_measured_before_it_is_built(void **state) {
  char deep[400];
  const char *why;
  (void)state;
  memset(deep, '[', 65);
  memset(deep + 65, ']', 65);
  assert_null(net_json_of(deep, 130, &why));
  assert_non_null(strstr(why, "deeper"));
  json_t *json = net_json_of(deep + 1, 128, &why);
  assert_non_null(json);
  json_decref(json);

  size_t len = 2 * 300000;
  char *many = malloc(len);
  for (size_t i = 0; i < len; i += 2)
    many[i] = '0', many[i + 1] = ',';
  many[0] = '[', many[1] = '0', many[len - 1] = ']';
  assert_null(net_json_of(many, len, &why));
  assert_non_null(strstr(why, "values"));
  free(many);

  assert_true(net_json_fits("\"[[[[,,,,\\\"[[[\"", 15, 1, 1));
  assert_null(net_json_of("<html>", 6, &why));
  assert_null(net_json_of("\"text\"", 6, &why));
  assert_null(net_json_of("{\"a\": 1} {}", 11, &why));
  assert_null(net_json_of("{\"a\": \"\xff\"}", 10, &why));
}

static void names_of_others_go_into_a_path_as_one_part(void **state) {
  char buf[16];
  (void)state;
  assert_string_equal(lathe_net_escape("a-b_c.~9", buf, sizeof buf), "a-b_c.~9");
  assert_string_equal(lathe_net_escape("a/b?c", buf, sizeof buf), "a%2Fb%3Fc");
  assert_string_equal(lathe_net_escape("\xc3\xa9", buf, sizeof buf), "%C3%A9");
  assert_string_equal(lathe_net_escape("...", buf, sizeof buf), "...");
  assert_string_equal(lathe_net_escape("", buf, sizeof buf), "");
  assert_null(lathe_net_escape("..", buf, sizeof buf));
  assert_null(lathe_net_escape(".", buf, sizeof buf));
  assert_null(lathe_net_escape("/////", buf, 15));
  assert_non_null(lathe_net_escape("/////", buf, 16));
  assert_null(lathe_net_escape("", buf, 0));
}

/* ---- streams ---- */

struct heard {
  char text[4096];
  size_t len;
  int32_t answer;
};

static int32_t hear(void *user, const struct lathe_net_event *e) {
  struct heard *h = user;
  h->len += (size_t)snprintf(h->text + h->len, sizeof h->text - h->len, "%s|%s|%.*s\n", e->name,
                             e->id, (int)e->data_len, e->data);
  return h->answer ? h->answer : LATHE_PENDING;
}

static void a_stream_reads_the_same_however_it_is_cut(void **state) {
  static const char stream[] = "\xef\xbb\xbf"
                               ": hello\n\n"
                               "data: one\n\n"
                               "event: progress\r\nid: 7\r\ndata:two\r\ndata: three\r\n\r\n"
                               "id\ndata\n\n"
                               "id: 9\n\n"
                               "event: x\n\n"
                               "retry: 5\nother: y\ndata:  four\r\r"
                               "id: 12\ndata: not whole";
  static const char want[] = "message||one\n"
                             "progress|7|two\nthree\n"
                             "message||\n"
                             "message|9| four\n";
  (void)state;
  for (size_t cut = 1; cut < sizeof stream; cut++) {
    struct net_sse sse = {.most = 100};
    struct heard heard = {0};
    for (size_t at = 0; at < sizeof stream - 1; at += cut) {
      size_t left = sizeof stream - 1 - at;
      assert_int_equal(net_sse_feed(&sse, stream + at, left < cut ? left : cut, hear, &heard),
                       LATHE_PENDING);
    }
    assert_string_equal(heard.text, want);
    assert_string_equal(sse.last_id.data, "9");
    net_sse_free(&sse);
  }
}

static void a_stream_ends_by_its_reader_or_by_its_length(void **state) {
  struct net_sse sse = {.most = 64};
  struct heard heard = {.answer = LATHE_BAD_INPUT};
  (void)state;
  assert_int_equal(net_sse_feed(&sse, "data: a\n\ndata: b\n\n", 18, hear, &heard), LATHE_BAD_INPUT);
  assert_string_equal(heard.text, "message||a\n");
  net_sse_free(&sse);
  sse.most = 64;
  int32_t rc = LATHE_PENDING;
  int fed = 0;
  for (; rc == LATHE_PENDING && fed < 1000; fed++) /* lines without data, which add up */
    rc = net_sse_feed(&sse, "data\n", 5, hear, &heard);
  assert_int_equal(rc, NET_SSE_TOO_LONG);
  assert_in_range(fed, 60, 64);
  net_sse_free(&sse);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_pause_is_digits_or_a_date_within_an_hour),
      cmocka_unit_test(dates_have_the_three_forms_of_the_rfc),
      cmocka_unit_test(a_range_of_content_is_whole_or_none),
      cmocka_unit_test(only_a_strong_tag_counts),
      cmocka_unit_test(json_is_measured_before_it_is_built),
      cmocka_unit_test(names_of_others_go_into_a_path_as_one_part),
      cmocka_unit_test(a_stream_reads_the_same_however_it_is_cut),
      cmocka_unit_test(a_stream_ends_by_its_reader_or_by_its_length),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
