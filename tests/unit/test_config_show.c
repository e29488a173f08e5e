/* SPDX-License-Identifier: MIT
 *
 * Printing, comparing, tokens, and docs/configuration.md, which this program renews when it is run
 * with UPDATE_DOCS=1 in its environment.
 */
#include "config_help.h"

#include "base/mem.h"
#include "config/config.h"
#include "config/private.h"
#include "config/tokens.h"

#include <string.h>
#include <unistd.h>

static char *write_mode(const char *name, const char *text, mode_t mode) {
  char *path = write_at(name, text, strlen(text));
  assert_int_equal(chmod(path, mode), 0);
  return path;
}

static struct config *load(const char *ini) {
  char *path = write_mode("lathe.ini", ini, 0600);
  struct config *c;
  struct config_problems p = {0};
  config_load(path, &c, &p);
  config_problems_print(&p, stderr);
  assert_non_null(c);
  config_problems_free(&p);
  free(path);
  return c;
}

static char *printed(const struct config *c) {
  char *text;
  size_t len;
  FILE *f = open_memstream(&text, &len);
  config_print(c, f);
  fclose(f);
  return text;
}

static const char base_ini[] = "[server]\n"
                               "cors_origins = https://a.example, https://b.example\n"
                               "[limits]\n"
                               "queue_max = 10\n"
                               "[backend local]\n"
                               "plugin = echo\n"
                               "colour = red\n"
                               "api_token = hunter2hunter2\n"
                               "[backend b]\n"
                               "plugin = echo\n"
                               "[route mesh]\n"
                               "backends = local, b\n";

static void printed_configuration_loads_again(void **state) {
  (void)state;
  setenv("LATHE_LOG__LEVEL", "debug", 1);
  struct config *c = load(base_ini);
  unsetenv("LATHE_LOG__LEVEL");
  char *text = printed(c);
  assert_null(strstr(text, "hunter2"));
  assert_non_null(strstr(text, "; api_token is not shown ; "));
  assert_non_null(strstr(text, "; environment LATHE_LOG__LEVEL\n"));
  assert_non_null(strstr(text, "/lathe.ini:4\n"));
  assert_non_null(strstr(text, "listen = 127.0.0.1:8080"));
  assert_non_null(strstr(text, "; default\n"));

  struct config *again = load(text);
  struct config_changes changes;
  config_diff(c, again, &changes);
  assert_int_equal(changes.count, 1); /* the secret */
  assert_string_equal(changes.items[0].key, "api_token");
  config_changes_free(&changes);
  config_free(again);
  config_free(c);
  free(text);
}

static void differences(void **state) {
  (void)state;
  struct config_changes changes;
  struct config *a = load(base_ini), *b = load(base_ini);
  config_diff(a, b, &changes);
  assert_int_equal(changes.count, 0);
  config_free(b);

  b = load("[server]\n"
           "cors_origins = https://a.example\n"
           "listen = 127.0.0.1:9\n"
           "[limits]\n"
           "queue_max = 11\n"
           "wait_max = 1m\n" /* the default, written differently */
           "[backend local]\n"
           "plugin = echo\n"
           "colour = blue\n"
           "size = 3\n"
           "[backend new]\n"
           "plugin = echo\n"
           "[route mesh]\n"
           "backends = new, local\n");
  static const struct {
    const char *section, *key;
    int what;
    bool restart;
  } expected[] = {
      {"server", "listen", CONFIG_CHANGED, true},
      {"server", "cors_origins", CONFIG_CHANGED, false},
      {"limits", "queue_max", CONFIG_CHANGED, false},
      {"backend local", "colour", CONFIG_CHANGED, false},
      {"backend local", "api_token", CONFIG_CHANGED, false},
      {"backend local", "size", CONFIG_CHANGED, false},
      {"backend b", NULL, CONFIG_REMOVED, false},
      {"route mesh", "backends", CONFIG_CHANGED, false},
      {"backend new", NULL, CONFIG_ADDED, false},
  };
  config_diff(a, b, &changes);
  assert_int_equal(changes.count, sizeof(expected) / sizeof(expected[0]));
  assert_true(changes.needs_restart);
  for (size_t i = 0; i < changes.count; i++) {
    assert_string_equal(changes.items[i].section, expected[i].section);
    if (expected[i].key)
      assert_string_equal(changes.items[i].key, expected[i].key);
    else
      assert_null(changes.items[i].key);
    assert_int_equal(changes.items[i].what, expected[i].what);
    assert_int_equal(changes.items[i].needs_restart, expected[i].restart);
  }
  config_changes_free(&changes);
  config_free(a);
  config_free(b);
}

static void reload_keeps_what_needs_a_restart(void **state) {
  (void)state;
  struct config_changes changes;
  struct config_problems p = {0};
  char *token_path = write_mode("tokens", "alice:0123456789abcdef\n", 0600);
  struct config *open_one = load("[server]\nlisten = 0.0.0.0:80\ntoken_file = tokens\n"
                                 "[backend e]\nplugin = echo\n");
  struct config *next;

  char *path = write_mode("lathe.ini",
                          "[server]\nlisten = 127.0.0.1:81\ntoken_file = tokens\ndata_dir = /else\n"
                          "[storage]\nsync = no\n[limits]\nqueue_max = 5\nconnections = 99\n"
                          "[backend e]\nplugin = echo\n",
                          0600);
  assert_int_equal(config_reload(open_one, &next, &changes, &p), 0);
  assert_int_equal(changes.count, 5);
  assert_true(changes.needs_restart);
  assert_string_equal(next->server.host, "0.0.0.0");
  assert_int_equal(next->server.port, 80);
  assert_string_equal(next->server.listen, "0.0.0.0:80");
  assert_string_equal(next->server.data_dir, open_one->server.data_dir);
  assert_int_equal(next->storage.sync, 1);
  assert_int_equal(next->limits.connections, 12000);
  assert_int_equal(next->limits.queue_max, 5);
  config_changes_free(&changes);
  config_free(next);
  free(path);

  /* The running daemon still listens to everybody, so its tokens must not go. */
  path = write_mode("lathe.ini", "[server]\nlisten = 127.0.0.1:81\n[backend e]\nplugin = echo\n",
                    0600);
  assert_int_equal(config_reload(open_one, &next, &changes, &p), ERR_INVAL);
  assert_null(next);
  assert_int_equal(p.errors, 1);
  assert_non_null(strstr(p.items[0].text, "tokens cannot go"));
  config_problems_free(&p);
  config_free(open_one);
  free(path);
  free(token_path);
}

static void tokens(void **state) {
  (void)state;
  struct tokens *t;
  struct err err;
  enum role role = ROLE_NONE;
  char *path = write_mode("tokens",
                          "# who may\n\n"
                          "alice:0123456789abcdef-alice\r\n"
                          "  alice:second-token-of-alice  \n"
                          "0123456789abcdef0123",
                          0600);
  assert_int_equal(tokens_load(path, &t, &err), 0);
  assert_string_equal(tokens_client(t, "0123456789abcdef-alice", &role), "alice");
  assert_string_equal(tokens_client(t, "second-token-of-alice", &role), "alice");
  assert_string_equal(tokens_client(t, "0123456789abcdef0123", &role), "token-5");
  assert_int_equal(role, ROLE_ADMIN); /* as before there were roles */
  assert_null(tokens_client(t, "", &role));
  assert_null(tokens_client(t, "alice", &role));
  assert_null(tokens_client(t, "0123456789abcdef012", &role));
  tokens_free(t);
  assert_int_equal(chmod(path, 0640), 0);
  assert_int_equal(tokens_load(path, &t, &err), ERR_DENIED);
  assert_non_null(strstr(err.text, "chmod 600"));
  free(path);

  static const struct {
    const char *text, *said;
  } bad[] = {
      {"", "holds no token"},
      {"# only this\n", "holds no token"},
      {"alice:short\n", "tokens:1: a token has 16 to"},
      {"\nal ice:0123456789abcdef\n", "tokens:2: the client's name"},
      {":0123456789abcdef\n", "tokens:1: the client's name"},
      {"a:0123456789 abcdef\n", "a token has"},
      {"a:0123456789abcdef\nb:0123456789abcdef\n", "tokens:2: this token was given before"},
      {"a:0123456789abcdef submit\nb:0123456789abcdef read\n", "tokens:2: this token was given"},
      {"\n\nci:0123456789abcdef sumbit\n",
       "tokens:3: what stands after the token is not a role (did "
       "you mean 'submit'?); write `name:token role`"},
      {"ci:0123456789abcdef wizard\n", "not a role; write"},
      {"ci:0123456789abcdef read submit\n", "not a role"},
      {"ci: 0123456789abcdef\n", "a token has"},
      {"ci:0123456789abcdef none\n", "not a role"},
      {"signal:0123456789abcdef\n", "tokens:1: the audit log has a meaning of its own"},
      {"ci:0123456789abcdef\v read\n", "visible ASCII"},
  };
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    path = write_mode("tokens", bad[i].text, 0600);
    assert_true(tokens_load(path, &t, &err) < 0);
    assert_null(t);
    if (!strstr(err.text, bad[i].said))
      fail_msg("%s: %s", bad[i].text, err.text);
    assert_null(strstr(err.text, "0123456789")); /* neither a token nor a part of one is told */
    assert_null(strstr(err.text, "wizard"));
    free(path);
  }
  assert_true(tokens_load(top, &t, &err) < 0);
}

static void tokens_have_roles(void **state) {
  (void)state;
  struct tokens *t;
  struct err err;
  static const struct {
    const char *token, *client;
    enum role role;
  } expected[] = {
      {"0123456789abcdef-root", "root", ROLE_ADMIN},   {"0123456789abcdef-ops", "ops", ROLE_ADMIN},
      {"0123456789abcdef-ci", "ci", ROLE_SUBMIT},      {"0123456789abcdef-page", "page", ROLE_READ},
      {"0123456789abcdef-bare", "token-5", ROLE_READ}, {"0123456789abcdef-ci2", "ci", ROLE_READ},
  };
  char *path = write_mode("tokens",
                          "root:0123456789abcdef-root\n"
                          "ops:0123456789abcdef-ops admin\n"
                          "ci:0123456789abcdef-ci \t submit  \r\n"
                          "page:0123456789abcdef-page\tread\n"
                          "0123456789abcdef-bare read\n"
                          "ci:0123456789abcdef-ci2 read",
                          0600);
  if (tokens_load(path, &t, &err) < 0)
    fail_msg("%s", err.text);
  for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
    enum role role = ROLE_NONE;
    assert_string_equal(tokens_client(t, expected[i].token, &role), expected[i].client);
    assert_int_equal(role, expected[i].role);
  }
  tokens_free(t);
  free(path);
}

static void token_file_lies_beside_the_configuration(void **state) {
  (void)state;
  char *path = write_mode("tokens", "alice:0123456789abcdef\n", 0600);
  struct config *c = load("[server]\nlisten = 0.0.0.0:80\ntoken_file = tokens\n"
                          "[backend e]\nplugin = echo\n");
  assert_string_equal(c->server.token_file, path);
  assert_string_equal(c->server.host, "0.0.0.0");
  config_free(c);
  free(path);
}

static char *find_plugin(const struct config *c, const char *name) {
  struct err err;
  char *path;
  assert_int_equal(config_find_plugin(name, c->server.plugin_path.items, &path, &err), 0);
  return path;
}

static void plugins_are_found(void **state) {
  (void)state;
  struct err err;
  struct config *c = load("[backend e]\nplugin = echo\n");
  char *path = NULL, *expected = path_join(top, "plugins/echo.so");
  const char *const names[] = {"echo", "echo.so", expected};
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    path = find_plugin(c, names[i]);
    assert_string_equal(path, expected);
    free(path);
  }
  assert_int_equal(config_find_plugin("nix", NULL, &path, &err), ERR_NOT_FOUND);
  assert_null(path);
  assert_non_null(strstr(err.text, top));
  assert_non_null(strstr(err.text, "/../lib/lathe/plugins"));
  config_free(c);
  free(expected);
}

/* $LATHE_PLUGIN_PATH in its order, then [server] plugin_path, then what was installed. */
static void plugins_are_found_in_order(void **state) {
  (void)state;
  char *more = path_join(top, "more"), *other = path_join(top, "other");
  char *places = mem_printf("%s/plugins::%s", top, other),
       *before = mem_dup(getenv("LATHE_PLUGIN_PATH"));
  assert_int_equal(mkdir(more, 0700) | mkdir(other, 0700), 0);
  free(write_at("more/echo.so", "x", 1));
  free(write_at("more/extra.so", "x", 1));
  free(write_at("other/extra.so", "x", 1));
  char *ini = mem_printf("[server]\nplugin_path = %s\n[backend e]\nplugin = echo\n", more);
  struct config *c = load(ini);
  const struct {
    const char *environment, *name, *expected;
  } cases[] = {
      {before, "echo", "plugins/echo.so"}, {before, "extra", "more/extra.so"},
      {places, "extra", "other/extra.so"}, {places, "echo", "plugins/echo.so"},
      {NULL, "echo", "more/echo.so"},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    if (cases[i].environment)
      setenv("LATHE_PLUGIN_PATH", cases[i].environment, 1);
    else
      unsetenv("LATHE_PLUGIN_PATH");
    char *path = find_plugin(c, cases[i].name), *expected = path_join(top, cases[i].expected);
    assert_string_equal(path, expected);
    free(expected);
    free(path);
  }
  setenv("LATHE_PLUGIN_PATH", before, 1);
  config_free(c);
  free(ini);
  free(before);
  free(places);
  free(other);
  free(more);
}

/* The files of conf.d go on where lathe.ini ends; mistakes are told in that order. */
static void fragments_are_read(void **state) {
  (void)state;
  char *folder = path_join(top, "conf.d"), text[2000] = "";
  assert_int_equal(mkdir(folder, 0700), 0);
  char *second = write_mode("conf.d/20-b.ini", "[backend b]\nplugin = echo\nsize = 3\n", 0600);
  char *first = write_mode("conf.d/10-a.ini", "\n[backend a]\nplugin = echo\n", 0600);
  free(write_mode("conf.d/.hidden.ini", "nonsense", 0600));
  free(write_mode("conf.d/a.ini.dpkg-new", "nonsense", 0600));
  struct config *c = load("[backend z]\nplugin = echo\n[route k]\nbackends = b, a\n");
  assert_int_equal(c->backend_count, 3);
  assert_string_equal(c->backends[0].name, "z");
  assert_string_equal(c->backends[1].name, "a");
  assert_string_equal(c->backends[2].options[0].value, "3");
  assert_non_null(strstr(c->backends[2].options[0].where, "conf.d/20-b.ini:3"));
  config_free(c);

  free(
      write_mode("conf.d/10-a.ini", "[backend z]\nplugin = echo\n[limits]\nqueue_max = x\n", 0600));
  char *ini = write_mode("lathe.ini", "\n\n\n[backend z]\nplugin = echo\nx = 1\nx = 2\n", 0600);
  struct config_problems problems = {0};
  assert_int_not_equal(config_load(ini, &c, &problems), 0);
  for (size_t i = 0; i < problems.count; i++) {
    assert_true(strlen(text) + strlen(problems.items[i].where) + 2 < sizeof(text));
    strcat(strcat(text, problems.items[i].where + strlen(top) + 1), "\n");
  }
  assert_string_equal(text, "lathe.ini:7\nconf.d/10-a.ini:1\nconf.d/10-a.ini:4\n");
  config_problems_free(&problems);
  assert_int_equal(path_remove_tree(folder, NULL), 0);
  free(ini);
  free(first);
  free(second);
  free(folder);
}

static void reference_is_up_to_date(void **state) {
  (void)state;
  static const char path[] = TEST_SOURCE_DIR "/docs/configuration.md";
  char *text, *stored;
  size_t len, stored_len;
  FILE *f = open_memstream(&text, &len);
  config_print_reference(f);
  fclose(f);
  if (getenv("UPDATE_DOCS")) {
    f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
  }
  for (size_t i = 0; i < config_key_count; i++)
    assert_non_null(strstr(text, config_keys[i].key));
  assert_int_equal(path_read_file(path, 1 << 20, &stored, &stored_len, NULL), 0);
  if (strcmp(stored, text) != 0)
    fail_msg("docs/configuration.md is not that of the table; run: UPDATE_DOCS=1 %s",
             "build/tests/test_config_show");
  free(stored);
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(printed_configuration_loads_again),
      cmocka_unit_test(differences),
      cmocka_unit_test(reload_keeps_what_needs_a_restart),
      cmocka_unit_test(tokens),
      cmocka_unit_test(tokens_have_roles),
      cmocka_unit_test(token_file_lies_beside_the_configuration),
      cmocka_unit_test(plugins_are_found),
      cmocka_unit_test(plugins_are_found_in_order),
      cmocka_unit_test(fragments_are_read),
      cmocka_unit_test(reference_is_up_to_date),
  };
  return cmocka_run_group_tests_name("config_show", tests, make_top, remove_top);
}
