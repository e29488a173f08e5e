/* SPDX-License-Identifier: MIT
 *
 * Targets taken apart, and paths matched to routes.
 */
#include "base/mem.h"
#include "http/route.h"
#include "http/uri.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void segments_are_split_then_decoded(void **state) {
  (void)state;
  struct uri u;
  assert_null(uri_parse(&u, "/a%2Fb/c%20d/%C3%BC?x=1&y=a+b%26&z&x=2"));
  assert_int_equal(u.segment_count, 3);
  assert_string_equal(u.segments[0], "a/b");
  assert_string_equal(u.segments[1], "c d");
  assert_string_equal(u.segments[2], "\xc3\xbc");
  assert_string_equal(u.raw, "/a%2Fb/c%20d/%C3%BC");
  assert_string_equal(uri_query(&u, "x"), "1");
  assert_string_equal(uri_query(&u, "y"), "a b&");
  assert_string_equal(uri_query(&u, "z"), "");
  assert_null(uri_query(&u, "w"));
  uri_free(&u);
}

static void bad_targets_are_refused(void **state) {
  (void)state;
  static const char *const bad[] = {
      "",      "a",       "/%",         "/%4",  "/%zz",      "/%00",      "/a%0Ab", "/%ff",
      "/%c3",  "/\xff",   "/%ed%a0%80", "/a#b", "/?%00",     "/?a=%ff",   "/?a=%",  "/a\x7f",
      "/\x01", "/%C0%AF", "//x#",       "*x",   "ftp://a/b", "/?%c0%ae=1"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct uri u;
    const char *wrong = uri_parse(&u, bad[i]);
    if (!wrong)
      fail_msg("%s was taken", bad[i]);
    uri_free(&u);
  }
}

static void too_many_parts_are_refused(void **state) {
  (void)state;
  struct buf b = {0};
  struct uri u;
  for (int i = 0; i <= URI_SEGMENTS_MAX; i++)
    buf_puts(&b, "/a");
  assert_non_null(uri_parse(&u, b.data));
  uri_free(&u);
  buf_clear(&b);
  buf_puts(&b, "/?a");
  for (int i = 0; i < URI_QUERY_MAX; i++)
    buf_puts(&b, "&a=1");
  assert_non_null(uri_parse(&u, b.data));
  uri_free(&u);
  buf_free(&b);
}

static void absolute_targets_carry_their_host(void **state) {
  (void)state;
  struct uri u;
  assert_null(uri_parse(&u, "http://example.org:80/a?b=c"));
  assert_string_equal(u.authority, "example.org:80");
  assert_string_equal(u.raw, "/a");
  assert_string_equal(uri_query(&u, "b"), "c");
  uri_free(&u);
  assert_null(uri_parse(&u, "HTTP://h?q=1"));
  assert_string_equal(u.authority, "h");
  assert_int_equal(u.segment_count, 0);
  assert_string_equal(uri_query(&u, "q"), "1");
  uri_free(&u);
  assert_null(uri_parse(&u, "http://h"));
  assert_string_equal(u.raw, "/");
  uri_free(&u);
  assert_null(uri_parse(&u, "*"));
  assert_true(u.asterisk);
  uri_free(&u);
}

static void handler(void *ctx, struct http_request *r) {
  (void)ctx, (void)r;
}

static const struct http_route routes[] = {
    {.method = "GET", .pattern = "/", .handler = handler},
    {.method = "GET", .pattern = "/jobs/{id}", .handler = handler},
    {.method = "POST", .pattern = "/jobs/{kind}", .handler = handler},
    {.method = "GET", .pattern = "/jobs/all", .handler = handler},
    {.method = "GET", .pattern = "/jobs/{id}/log/{name}", .handler = handler},
    {.method = "GET", .pattern = "/files/{path*}", .handler = handler},
    {.method = "GET", .pattern = "/files/{one}/x", .handler = handler},
    {.method = NULL},
};

struct match {
  const struct route_node *node;
  const char *params[ROUTE_PARAMS_MAX];
  struct buf rest;
  struct uri uri;
};

static void match(struct match *m, const struct route_index *x, const char *path) {
  *m = (struct match){0};
  assert_null(uri_parse(&m->uri, path));
  m->node = route_match(x, m->uri.segments, m->uri.segment_count, m->params, &m->rest);
}

static void match_end(struct match *m) {
  uri_free(&m->uri);
  buf_free(&m->rest);
}

static void routes_are_found(void **state) {
  (void)state;
  struct route_index *x;
  struct match m;
  assert_int_equal(route_index_new(&x, routes, NULL), 0);
  static const struct {
    const char *path, *method, *pattern, *first, *second;
  } good[] = {
      {"/", "GET", "/", NULL, NULL},
      {"/jobs/1", "GET", "/jobs/{id}", "1", NULL},
      {"/jobs/1", "HEAD", "/jobs/{id}", "1", NULL},
      {"/jobs/mesh", "POST", "/jobs/{kind}", "mesh", NULL},
      {"/jobs/all", "GET", "/jobs/all", NULL, NULL},
      {"/jobs/all/log/n", "GET", "/jobs/{id}/log/{name}", "all", "n"}, /* goes back */
      {"/files/a", "GET", "/files/{path*}", "a", NULL},
      {"/files/a/b%20c/d", "GET", "/files/{path*}", "a/b c/d", NULL},
      {"/files/a/x", "GET", "/files/{one}/x", "a", NULL},
  };
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    match(&m, x, good[i].path);
    assert_non_null(m.node);
    const struct route *r = route_of_method(m.node, good[i].method);
    assert_non_null(r);
    assert_string_equal(r->http->pattern, good[i].pattern);
    if (good[i].first)
      assert_string_equal(m.params[0], good[i].first);
    if (good[i].second)
      assert_string_equal(m.params[1], good[i].second);
    match_end(&m);
  }
  static const char *const bad[] = {"/jobs",      "/jobs/",       "//jobs/1",      "/jobs//log/x",
                                    "/jobs/1/",   "/jobs/..",     "/jobs/.",       "/jobs/a%2Fb",
                                    "/files/",    "/files/a//b",  "/files/a/../b", "/jobs/%2e%2e",
                                    "/files/%2e", "/files/a%2fb", "/jobs/1/log",   "/x"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    match(&m, x, bad[i]);
    if (m.node)
      fail_msg("%s was found", bad[i]);
    match_end(&m);
  }
  route_index_free(x);
}

static void methods_are_listed(void **state) {
  (void)state;
  struct route_index *x;
  struct match m;
  struct buf b = {0};
  assert_int_equal(route_index_new(&x, routes, NULL), 0);
  match(&m, x, "/jobs/1");
  assert_null(route_of_method(m.node, "PUT"));
  route_allow(m.node, NULL, &b);
  assert_string_equal(b.data, "GET, HEAD, POST, OPTIONS");
  buf_free(&b);
  match_end(&m);
  route_index_free(x);
}

static void bad_patterns_are_refused(void **state) {
  (void)state;
  static const char *const bad[] = {"x", "/{a*}/b", "/{a}/{b}/{c}/{d}/{e}/{f}/{g}"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    const struct http_route table[] = {{.method = "GET", .pattern = bad[i], .handler = handler},
                                       {.method = NULL}};
    struct route_index *x;
    struct err err;
    assert_int_equal(route_index_new(&x, table, &err), ERR_INVAL);
    assert_non_null(strstr(err.text, bad[i]));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(segments_are_split_then_decoded),
      cmocka_unit_test(bad_targets_are_refused),
      cmocka_unit_test(too_many_parts_are_refused),
      cmocka_unit_test(absolute_targets_carry_their_host),
      cmocka_unit_test(routes_are_found),
      cmocka_unit_test(methods_are_listed),
      cmocka_unit_test(bad_patterns_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
