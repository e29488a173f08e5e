/* SPDX-License-Identifier: MIT
 *
 * Who may ask: hosts, origins, preflights, tokens.
 */
#include "http_help.h"

#include "http/peers.h"

static int setup(void **state) {
  *state = site_new(NULL);
  return 0;
}

static int teardown(void **state) {
  site_free(*state);
  return 0;
}

static void expect_host(struct site *s, const char *host, bool ours) {
  char header[300];
  snprintf(header, sizeof header, "Host: %s\r\n", host);
  struct reply r = ask(s, "GET", "/echo", header, NULL, 0);
  if (ours && r.status != 200)
    fail_msg("%s: %s", host, r.body);
  if (!ours)
    expect_problem(&r, 403, "forbidden-host");
  reply_drop(&r);
}

static void hosts(void **state) {
  struct site *s = *state;
  struct http_options o = site_options(s);
  static const char *const allowed[] = {"lathe.example.org", "other.example:8443", "[2001:db8::1]",
                                        NULL};
  static const char *const good[] = {"localhost",
                                     "LOCALHOST:1",
                                     "localhost.",
                                     "127.0.0.1",
                                     "127.0.0.1:80",
                                     "127.8.8.8",
                                     "[::1]",
                                     "[::1]:8080",
                                     "[0:0:0:0:0:0:0:1]",
                                     "lathe.example.org",
                                     "Lathe.Example.ORG:7",
                                     "other.example:8443",
                                     "[2001:db8::1]:7"};
  static const char *const bad[] = {"evil.example",
                                    "lathe.example.org.evil.example",
                                    "127.0.0.1.nip.io",
                                    "localhost.evil",
                                    "other.example",
                                    "other.example:80",
                                    "10.0.0.1",
                                    "::1",
                                    "[::2]",
                                    "[::1",
                                    "localhost:x",
                                    "localhost:123456",
                                    "localhost:80:80",
                                    "[127.0.0.1]",
                                    "2130706433",
                                    "lathe.example.org/x",
                                    "a@localhost",
                                    "0.0.0.0"};
  o.allowed_hosts = allowed;
  http_reconfigure(s->http, &o);
  for (size_t i = 0; i < sizeof good / sizeof *good; i++)
    expect_host(s, good[i], true);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    expect_host(s, bad[i], false);
  struct reply r = ask(s, "GET", "http://evil.example/echo", NULL, NULL, 0);
  expect_problem(&r, 403, "forbidden-host");
  reply_drop(&r);
  r = ask(s, "GET", "http://localhost:9/echo?q=a", "Host: evil.example\r\n", NULL, 0);
  expect_text(&r, 200, "q=a");
  reply_drop(&r);
  int fd = dial(s);
  say(s, fd, "GET /echo HTTP/1.1\r\n\r\n");
  hear(s, fd, &r, false);
  expect_problem(&r, 400, "bad-request");
  close(fd);
  reply_drop(&r);
  fd = dial(s);
  say(s, fd, "GET /echo HTTP/1.0\r\n\r\n"); /* no browser, so no rebinding */
  hear(s, fd, &r, false);
  assert_int_equal(r.status, 200);
  close(fd);
  reply_drop(&r);
}

static void any_address_is_ours_when_listening_on_all(void **state) {
  struct http_options o = site_options(*state);
  o.host = "0.0.0.0";
  struct site *s = site_new(&o);
  expect_host(s, "10.1.2.3:80", true);
  expect_host(s, "[2001:db8::7]", true);
  expect_host(s, "evil.example", false);
  site_free(s);
}

static void origins(void **state) {
  struct site *s = *state;
  char text[200];
  struct http_options o = site_options(s);
  static const char *const allowed[] = {"https://viewer.example.org", NULL};
  o.cors_origins = allowed;
  http_reconfigure(s->http, &o);
  struct reply r = ask(s, "POST", "/echo", "Origin: https://viewer.example.org\r\n", "x", 1);
  assert_int_equal(r.status, 200);
  assert_string_equal(header_of(&r, "Access-Control-Allow-Origin", text, sizeof text),
                      "https://viewer.example.org");
  assert_string_equal(header_of(&r, "Vary", text, sizeof text), "Origin");
  reply_drop(&r);
  r = ask(s, "POST", "/echo", "Host: localhost:8\r\nOrigin: http://localhost:8\r\n", "x", 1);
  assert_int_equal(r.status, 200);
  assert_null(header_of(&r, "Access-Control-Allow-Origin", text, sizeof text));
  reply_drop(&r);
  static const char *const bad[] = {"https://evil.example",      "null",
                                    "http://viewer.example.org", "https://viewer.example.org.evil",
                                    "http://localhost:9",        "localhost:8",
                                    "file://localhost:8"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    char headers[200];
    snprintf(headers, sizeof headers, "Host: localhost:8\r\nOrigin: %s\r\n", bad[i]);
    r = ask(s, "POST", "/echo", headers, "x", 1);
    expect_problem(&r, 403, "forbidden-origin");
    assert_null(header_of(&r, "Access-Control-Allow-Origin", text, sizeof text));
    reply_drop(&r);
    r = ask(s, "GET", "/echo", headers, NULL, 0); /* may be asked, not read by the page */
    assert_int_equal(r.status, 200);
    assert_null(header_of(&r, "Access-Control-Allow-Origin", text, sizeof text));
    assert_string_equal(header_of(&r, "Vary", text, sizeof text), "Origin");
    reply_drop(&r);
  }
  /* Also an error can be read by the page that may ask. */
  r = ask(s, "GET", "/nothing", "Origin: https://viewer.example.org\r\n", NULL, 0);
  expect_problem(&r, 404, "not-found");
  assert_non_null(header_of(&r, "Access-Control-Allow-Origin", text, sizeof text));
  reply_drop(&r);
}

static void preflight(void **state) {
  struct site *s = *state;
  char text[200];
  struct http_options o = site_options(s);
  static const char *const allowed[] = {"https://viewer.example.org", NULL}, *const any[] = {"*",
                                                                                             NULL};
  static const char asks[] = "Access-Control-Request-Method: POST\r\n"
                             "Access-Control-Request-Headers: content-type, prefer\r\n";
  char headers[300];
  o.cors_origins = allowed;
  http_reconfigure(s->http, &o);
  snprintf(headers, sizeof headers, "Origin: https://viewer.example.org\r\n%s", asks);
  struct reply r = ask(s, "OPTIONS", "/echo", headers, NULL, 0);
  assert_int_equal(r.status, 204);
  assert_string_equal(header_of(&r, "Access-Control-Allow-Methods", text, sizeof text),
                      "GET, HEAD, POST, OPTIONS");
  assert_string_equal(header_of(&r, "Access-Control-Allow-Headers", text, sizeof text),
                      "content-type, prefer");
  assert_non_null(header_of(&r, "Access-Control-Max-Age", text, sizeof text));
  reply_drop(&r);
  snprintf(headers, sizeof headers, "Origin: https://evil.example\r\n%s", asks);
  r = ask(s, "OPTIONS", "/echo", headers, NULL, 0);
  expect_problem(&r, 403, "forbidden-origin");
  assert_null(header_of(&r, "Access-Control-Allow-Methods", text, sizeof text));
  reply_drop(&r);
  o.cors_origins = any;
  http_reconfigure(s->http, &o);
  r = ask(s, "OPTIONS", "/echo", headers, NULL, 0);
  assert_int_equal(r.status, 204);
  assert_string_equal(header_of(&r, "Access-Control-Allow-Origin", text, sizeof text), "*");
  reply_drop(&r);
}

static const char *authorise(void *ctx, const char *token, enum role *role) {
  (void)ctx;
  *role = ROLE_ADMIN;
  return strcmp(token, "secret") == 0 ? "alice" : NULL;
}

static void tokens(void **state) {
  struct site *s = *state;
  char text[200];
  struct http_options o = site_options(s);
  o.authorise = authorise;
  http_reconfigure(s->http, &o);
  static const char *const bad[] = {"", "Authorization: Bearer wrong\r\n",
                                    "Authorization: Bearer\r\n", "Authorization: Basic secret\r\n",
                                    "Authorization: secret\r\n"};
  static const char *const paths[] = {"/echo", "/nothing", "/things/1"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    for (size_t k = 0; k < 3; k++) {
      struct reply r = ask(s, "GET", paths[k], bad[i], NULL, 0);
      expect_problem(&r, 401, "unauthorized");
      assert_non_null(strstr(header_of(&r, "WWW-Authenticate", text, sizeof text), "Bearer"));
      assert_null(strstr(r.body, "secret"));
      reply_drop(&r);
    }
  }
  struct reply r = ask(s, "GET", "/open", NULL, NULL, 0);
  expect_text(&r, 200, "client= ");
  reply_drop(&r);
  r = ask(s, "GET", "/echo", "authorization: bearer  secret\r\n", NULL, 0);
  expect_text(&r, 200, "client=alice ");
  reply_drop(&r);
}

static const char *two_clients(void *ctx, const char *token, enum role *role) {
  (void)ctx;
  *role = strcmp(token, "secret") == 0 ? ROLE_SUBMIT : ROLE_READ;
  return strcmp(token, "secret") == 0 ? "alice" : strcmp(token, "other") == 0 ? "bob" : NULL;
}

static void wrong_tokens_are_slowed(void **state) {
  struct site *s = *state;
  struct http_options o = site_options(s);
  char text[20];
  int status = 0, tries = 0;
  o.authorise = two_clients;
  http_reconfigure(s->http, &o);
  struct reply r = ask(s, "GET", "/echo", "Authorization: Bearer secret\r\n", NULL, 0);
  assert_int_equal(r.status, 200);
  reply_drop(&r);
  for (; tries < 5000 && status != 429; tries++) {
    r = ask(s, "GET", "/echo", "Authorization: Bearer guess\r\n", NULL, 0);
    status = r.status;
    if (status == 429) {
      expect_problem(&r, 429, "too-many-attempts");
      assert_string_equal(header_of(&r, "Retry-After", text, sizeof text), "1");
    } else {
      expect_problem(&r, 401, "unauthorized");
    }
    reply_drop(&r);
  }
  assert_int_equal(status, 429);
  assert_true(tries > PEERS_WRONG_AT_ONCE);
  assert_int_equal(metric_of(s, "lathe_http_wrong_tokens_total"), tries - 1);
  assert_int_equal(metric_of(s, "lathe_http_slowed_tokens_total"), 1);
  /* Who was there before goes on. */
  r = ask(s, "GET", "/echo", "Authorization: Bearer secret\r\n", NULL, 0);
  expect_text(&r, 200, "client=alice ");
  reply_drop(&r);
}

static void roles(void **state) {
  struct site *s = *state;
  static const struct {
    const char *method, *path, *token;
    int status;
  } asked[] = {
      {"GET", "/roles", "other", 200},   {"GET", "/roles", "secret", 200},
      {"HEAD", "/roles", "other", 200},  {"POST", "/roles", "other", 403},
      {"POST", "/roles", "secret", 200}, {"DELETE", "/roles", "secret", 403},
      {"GET", "/echo", "other", 200},
  };
  struct http_options o = site_options(s);
  o.authorise = two_clients;
  http_reconfigure(s->http, &o);
  for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
    char header[100];
    snprintf(header, sizeof header, "Authorization: Bearer %s\r\n", asked[i].token);
    struct reply r = ask(s, asked[i].method, asked[i].path, header, NULL, 0);
    if (r.status != asked[i].status)
      fail_msg("%s %s of %s: %d %s", asked[i].method, asked[i].path, asked[i].token, r.status,
               r.body);
    if (r.status == 403)
      expect_problem(&r, 403, "forbidden-role");
    reply_drop(&r);
  }
  /* Both roles are named, and the query is looked at later. */
  struct reply r = ask(s, "DELETE", "/roles?nothing=1", "Authorization: Bearer other\r\n", NULL, 0);
  expect_problem(&r, 403, "forbidden-role");
  assert_non_null(
      strstr(r.body, "needs a token with the role admin; that of bob has the role read"));
  reply_drop(&r);
  o.authorise = NULL; /* without tokens all may */
  http_reconfigure(s->http, &o);
  r = ask(s, "DELETE", "/roles", NULL, NULL, 0);
  expect_text(&r, 200, "client= role=admin ");
  reply_drop(&r);
}

static struct sockaddr_in v4(uint32_t address) {
  return (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(address)}};
}

static enum peer_verdict judge(struct peers *p, uint32_t address, const char *client, int64_t ms) {
  struct sockaddr_in a = v4(address);
  return peers_judge(p, (struct sockaddr *)&a, client, ms);
}

static void peers_are_judged_each_by_itself(void **state) {
  (void)state;
  struct peers *p = peers_new();
  int64_t now = 1000;
  assert_int_equal(judge(p, 1, "old", now), PEER_PASSES);
  for (int i = 0; i < PEERS_WRONG_AT_ONCE; i++)
    assert_int_equal(judge(p, 1, NULL, now), PEER_IS_WRONG);
  assert_int_equal(judge(p, 1, NULL, now), PEER_IS_SLOWED);
  assert_int_equal(judge(p, 1, "old", now), PEER_PASSES);
  assert_int_equal(judge(p, 1, "new", now), PEER_IS_SLOWED); /* a hit looks like a guess */
  assert_int_equal(judge(p, 2, NULL, now), PEER_IS_WRONG);
  assert_int_equal(judge(p, 2, "new", now), PEER_PASSES);
  now += PEERS_WRONG_EACH_MS;
  assert_int_equal(judge(p, 1, NULL, now), PEER_IS_WRONG);
  assert_int_equal(judge(p, 1, NULL, now), PEER_IS_SLOWED);
  now += 100 * PEERS_WRONG_EACH_MS;
  assert_int_equal(judge(p, 1, "new", now), PEER_PASSES);
  for (uint32_t i = 0; i < 20000; i++) /* the table does not grow */
    assert_int_equal(judge(p, 1000 + i, NULL, now), PEER_IS_WRONG);
  peers_free(p);
}

static void a_network_of_ipv6_is_one_peer(void **state) {
  (void)state;
  struct peers *p = peers_new();
  struct sockaddr_in6 a = {.sin6_family = AF_INET6};
  inet_pton(AF_INET6, "2001:db8::1", &a.sin6_addr);
  for (int i = 0; i < PEERS_WRONG_AT_ONCE; i++) {
    a.sin6_addr.s6_addr[15] = (uint8_t)i;
    assert_int_equal(peers_judge(p, (struct sockaddr *)&a, NULL, 5), PEER_IS_WRONG);
  }
  assert_int_equal(peers_judge(p, (struct sockaddr *)&a, NULL, 5), PEER_IS_SLOWED);
  a.sin6_addr.s6_addr[7] = 1; /* another network */
  assert_int_equal(peers_judge(p, (struct sockaddr *)&a, NULL, 5), PEER_IS_WRONG);
  peers_free(p);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(hosts),
      TEST(any_address_is_ours_when_listening_on_all),
      TEST(origins),
      TEST(preflight),
      TEST(tokens),
      TEST(roles),
      TEST(wrong_tokens_are_slowed),
      TEST(peers_are_judged_each_by_itself),
      TEST(a_network_of_ipv6_is_one_peer),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
