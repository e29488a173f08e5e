/* SPDX-License-Identifier: MIT
 *
 * TLS: whose certificates are taken, which are refused, and who is told what.
 */
#include "net_tls_help.h"

#include <signal.h>

static char folder[40], ca_file[60], cert_file[60], key_file[60], old_cert[60], old_key[60],
    stranger_cert[60], stranger_key[60], wrong[60];
static struct signer ca, stranger_ca, good, expired, not_yet, other_name, stranger;

static int make_certificates(void **state) {
  (void)state;
  signal(SIGPIPE, SIG_IGN); /* of the server of these tests */
  strcpy(folder, "/tmp/lathe-net.XXXXXX");
  if (!mkdtemp(folder))
    return -1;
  const struct {
    char *path;
    const char *name;
  } files[] = {{ca_file, "ca.pem"},
               {cert_file, "cert.pem"},
               {key_file, "key.pem"},
               {old_cert, "old.pem"},
               {old_key, "old.key"},
               {stranger_cert, "stranger.pem"},
               {stranger_key, "stranger.key"},
               {wrong, "wrong.pem"}};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++)
    snprintf(files[i].path, 60, "%s/%s", folder, files[i].name);
  ca = sign("The CA", -1, 10, NULL);
  stranger_ca = sign("A stranger", -1, 10, NULL);
  good = sign("localhost", -1, 10, &ca);
  expired = sign("localhost", -10, -1, &ca);
  not_yet = sign("localhost", 1, 10, &ca);
  other_name = sign("elsewhere.example", -1, 10, &ca);
  stranger = sign("localhost", -1, 10, &stranger_ca);
  save(&ca, ca_file, NULL);
  save(&good, cert_file, key_file);
  save(&expired, old_cert, old_key);
  save(&stranger, stranger_cert, stranger_key);
  FILE *f = fopen(wrong, "w");
  fputs("no certificate at all\n", f);
  fclose(f);
  return 0;
}

static int remove_certificates(void **state) {
  struct signer *all[] = {&ca, &stranger_ca, &good, &expired, &not_yet, &other_name, &stranger};
  char *files[] = {ca_file, cert_file,     key_file,     old_cert,
                   old_key, stranger_cert, stranger_key, wrong};
  (void)state;
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    drop(all[i]);
  for (size_t i = 0; i < sizeof files / sizeof *files; i++)
    unlink(files[i]);
  return rmdir(folder);
}

static void yes(struct served *r) {
  answer_with(r, 200, "", asks(r, "Bearer s3cret-Value") ? "with a key" : "without");
}

struct kase {
  const struct signer *server, *clients;
  struct lathe_net_options options;
  int32_t result;
  const char *said;
};

static void try_it(const struct kase *k) {
  struct server s = {0};
  struct lathe_net_answer a = {0};
  struct lathe_net_options options = k->options;
  with_tls(&s, k->server, k->clients);
  start(&s, yes, NULL);
  options.base = s.url;
  options.token = "KEY";
  struct lathe_net *net = open_net(options);
  for (int i = 0; i < 2;
       i++) /* the second over the first one's connection, or as broken as the first */
    if (lathe_net_call(net, &(struct lathe_net_request){0}, &a) != k->result ||
        !strstr(a.why, k->said))
      fail_msg("%s: %d %s", k->said, a.result, a.why);
  assert_int_equal(atomic_load(&s.requests),
                   k->result == LATHE_OK ? 2 : 0); /* the key was not shown */
  assert_int_equal(atomic_load(&s.connections),
                   k->result == LATHE_OK ? 1 : atomic_load(&s.connections));
  if (k->result == LATHE_OK)
    assert_string_equal(a.body, "with a key");
  lathe_net_free(&a);
  lathe_net_close(net);
  stop(&s);
  SSL_CTX_free(s.tls);
}

static void the_certificate_of_a_service_must_be_good(void **state) {
  const struct kase cases[] = {
      {&good, NULL, {.ca_file = ca_file}, LATHE_OK, ""},
      {&good, NULL, {.ca_file = NULL}, LATHE_RETRY_DOWN, "of a CA that is trusted here"},
      {&expired, NULL, {.ca_file = ca_file}, LATHE_RETRY_DOWN, "certificate has expired"},
      {&not_yet, NULL, {.ca_file = ca_file}, LATHE_RETRY_DOWN, "certificate is not yet valid"},
      {&other_name, NULL, {.ca_file = ca_file}, LATHE_RETRY_DOWN, "for this host"},
      {&stranger, NULL, {.ca_file = ca_file}, LATHE_RETRY_DOWN, "of a CA that is trusted here"},
      {&good, NULL, {.ca_file = wrong}, LATHE_RETRY_DOWN, "certificates in PEM"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    try_it(&cases[i]);
}

static void a_client_shows_its_certificate(void **state) {
  const struct kase cases[] = {
      {&good,
       &ca,
       {.ca_file = ca_file, .cert_file = cert_file, .key_file = key_file},
       LATHE_OK,
       ""},
      {&good,
       &ca,
       {.ca_file = ca_file},
       LATHE_AUTH,
       "refuses the client certificate, or misses one"},
      {&good,
       &ca,
       {.ca_file = ca_file, .cert_file = stranger_cert, .key_file = stranger_key},
       LATHE_AUTH,
       "refuses the client certificate"},
      {&good,
       &ca,
       {.ca_file = ca_file, .cert_file = old_cert, .key_file = old_key},
       LATHE_AUTH,
       "refuses the client certificate"},
      {&good,
       &ca,
       {.ca_file = ca_file, .cert_file = cert_file, .key_file = old_key},
       LATHE_AUTH,
       "must be a pair in PEM"},
      {&good,
       &ca,
       {.ca_file = ca_file, .cert_file = cert_file},
       LATHE_AUTH,
       "must be a pair in PEM"},
      {&good,
       &ca,
       {.ca_file = ca_file, .cert_file = wrong, .key_file = wrong},
       LATHE_AUTH,
       "must be a pair in PEM"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    try_it(&cases[i]);
}

static void plain(struct served *r) {
  answer_with(r, 200, "", "");
}

static void tls_where_there_is_none_is_told(void **state) {
  struct server s = {0}, secure = {0};
  struct lathe_net_answer a = {0};
  char url[80];
  (void)state;
  start(&s, plain, NULL);
  snprintf(url, sizeof url, "https://localhost:%d", s.port);
  struct lathe_net *net = open_net((struct lathe_net_options){.base = url});
  assert_int_equal(lathe_net_call(net, &(struct lathe_net_request){0}, &a), LATHE_RETRY_DOWN);
  assert_non_null(strstr(a.why, "speak TLS"));
  lathe_net_close(net);
  stop(&s);
  with_tls(&secure, &good, NULL);
  start(&secure, plain, NULL);
  snprintf(url, sizeof url, "http://localhost:%d", secure.port);
  net = open_net((struct lathe_net_options){.base = url});
  assert_int_equal(lathe_net_call(net, &(struct lathe_net_request){0}, &a), LATHE_RETRY_DOWN);
  lathe_net_free(&a);
  lathe_net_close(net);
  stop(&secure);
  SSL_CTX_free(secure.tls);
}

static void a_client_certificate_stays_with_its_service(void **state) {
  struct server s = {0};
  struct lathe_net_answer a = {0};
  (void)state;
  with_tls(&s, &good, &ca);
  start(&s, yes, NULL);
  struct lathe_net *net = open_net((struct lathe_net_options){.base = "https://localhost:1",
                                                              .ca_file = ca_file,
                                                              .cert_file = cert_file,
                                                              .key_file = key_file});
  struct lathe_net_request get = {.path = s.url};
  assert_int_equal(lathe_net_call(net, &get, &a),
                   LATHE_RETRY_DOWN); /* its CA is for its own service, too */
  assert_int_equal(atomic_load(&s.requests), 0);
  lathe_net_free(&a);
  lathe_net_close(net);
  stop(&s);
  SSL_CTX_free(s.tls);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_certificate_of_a_service_must_be_good),
      cmocka_unit_test(a_client_shows_its_certificate),
      cmocka_unit_test(tls_where_there_is_none_is_told),
      cmocka_unit_test(a_client_certificate_stays_with_its_service),
  };
  return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
