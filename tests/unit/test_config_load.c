/* SPDX-License-Identifier: MIT */
#include "config_help.h"

#include "base/buf.h"
#include "base/mem.h"
#include "config/config.h"
#include "config/private.h"

#include <string.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static int load(const char *ini, struct config **c, struct config_problems *p) {
  char *path = write_at("lathe.ini", ini, strlen(ini));
  *p = (struct config_problems){0};
  int code = config_load(path, c, p);
  assert_int_equal(code == 0, *c != NULL);
  assert_int_equal(code != 0, p->errors > 0);
  free(path);
  return code;
}

static struct config *load_good(const char *ini) {
  struct config *c;
  struct config_problems p;
  if (load(ini, &c, &p) != 0 || p.count > 0)
    config_problems_print(&p, stderr);
  assert_non_null(c);
  assert_int_equal(p.count, 0);
  config_problems_free(&p);
  return c;
}

/* Everything that is said about the file, with the folder's name taken off. */
static char *complaints(const char *ini) {
  struct config *c;
  struct config_problems p;
  struct buf b = {0};
  load(ini, &c, &p);
  for (size_t i = 0; i < p.count; i++) {
    const char *where = p.items[i].where;
    if (strncmp(where, top, strlen(top)) == 0)
      where += strlen(top) + 1;
    buf_printf(&b, "%s: %s%s\n", where, p.items[i].warning ? "(warning) " : "", p.items[i].text);
  }
  config_problems_free(&p);
  config_free(c);
  return buf_take(&b);
}

static const char good_backend[] = "[backend local]\nplugin = local-gmsh\n";

static void defaults(void **state) {
  (void)state;
  struct config *c = load_good(good_backend);
  assert_string_equal(c->server.host, "127.0.0.1");
  assert_int_equal(c->server.port, 8080);
  assert_int_equal(c->server.data_dir[0], '/');
  assert_non_null(strstr(c->server.data_dir, "/data"));
  assert_null(strstr(c->server.data_dir, "/./"));
  assert_true(c->server.max_upload == 500LL << 20);
  assert_int_equal(c->limits.queue_max, 100000);
  assert_true(c->limits.wait_max_ms == 60000);
  assert_true(c->limits.cpus >= 1);
  assert_true(c->limits.memory > 1 << 20);
  assert_int_equal(c->log.level, 1);
  assert_int_equal(c->storage.sync, 1);
  assert_int_equal(c->backend_count, 1);
  assert_int_equal(c->backends[0].workers, c->limits.cpus);
  assert_int_equal(c->backends[0].enabled, 1);
  assert_non_null(strstr(c->backends[0].plugin_path, "/plugins/local-gmsh.so"));
  assert_int_equal(c->server.cors_origins.count, 0);
  assert_null(c->server.cors_origins.items[0]);
  config_free(c);
}

static void every_default_is_in_range(void **state) {
  (void)state;
  union {
    struct config c;
    struct config_backend b;
    struct config_route r;
  } place;
  for (size_t i = 0; i < config_key_count; i++) {
    struct err err = {0};
    memset(&place, 0, sizeof(place));
    assert_int_equal(config_value_parse(&config_keys[i], &place, config_keys[i].fallback, &err), 0);
    config_value_free(&config_keys[i], &place);
    assert_non_null(config_section_spec_find(config_keys[i].section));
    assert_ptr_equal(config_key_find(config_keys[i].section, config_keys[i].key), &config_keys[i]);
  }
}

static void values(void **state) {
  (void)state;
  struct config *c = load_good("; a comment\n"
                               "# another\n"
                               "[server]\r\n"
                               "listen = [::1]:0 ; every value may have one\n"
                               "  cors_origins = https://a.example, http://b.example:3000\n"
                               "allowed_hosts = lathe.example\n"
                               "data_dir = /srv/lathe\n"
                               "[limits]\n"
                               "job_memory = 1.5G\n"
                               "cpus = 3\n"
                               "[log]\nlevel=error\nformat: json\n"
                               "[backend quick]\n"
                               "plugin = echo.so\nthreads = 2\n"
                               "mesh_size = 0.5\nname = a = b\n"
                               "[backend off]\nplugin = absent\nenabled = no\n"
                               "[route mesh]\nbackends = quick\npolicy = spread\n"
                               "timeout = 2h");
  assert_string_equal(c->server.host, "::1");
  assert_int_equal(c->server.port, 0);
  assert_int_equal(c->server.cors_origins.count, 2);
  assert_string_equal(c->server.cors_origins.items[1], "http://b.example:3000");
  assert_null(c->server.cors_origins.items[2]);
  assert_string_equal(c->server.data_dir, "/srv/lathe");
  assert_true(c->limits.job_memory == 3LL << 29);
  assert_int_equal(c->log.level, 3);
  assert_int_equal(c->log.format, 1);
  assert_int_equal(c->backend_count, 2);
  const struct config_backend *b = &c->backends[0];
  assert_string_equal(b->name, "quick");
  assert_int_equal(b->workers, 3);
  assert_int_equal(b->threads, 2);
  assert_int_equal(b->option_count, 2);
  assert_string_equal(b->options[0].key, "mesh_size");
  assert_string_equal(b->options[0].value, "0.5");
  assert_non_null(strstr(b->options[0].where, "lathe.ini:17"));
  assert_string_equal(b->options[1].value, "a = b");
  assert_int_equal(c->backends[1].enabled, 0);
  assert_null(c->backends[1].plugin_path);
  assert_int_equal(c->route_count, 1);
  assert_string_equal(c->routes[0].kind, "mesh");
  assert_string_equal(c->routes[0].backends.items[0], "quick");
  assert_int_equal(c->routes[0].policy, 1);
  assert_true(c->routes[0].timeout_ms == 7200000);
  config_free(c);
}

/* Each file, and what must be said about it. */
static void mistakes(void **state) {
  (void)state;
  static const struct {
    const char *ini, *said;
  } cases[] = {
      {"[limits]\nqueue_mx = 1\n", "lathe.ini:2: [limits] has no key \"queue_mx\"; did you mean "
                                   "queue_max?\n"},
      {"[limits]\nqeueu_max = 1\n", "did you mean queue_max?"},
      {"[limits]\nlisten = 1\n", "[limits] has no key \"listen\"; it belongs to [server]\n"},
      {"[limits]\nzzzzzzz = 1\n", "lathe.ini:2: [limits] has no key \"zzzzzzz\"\n"},
      {"[limits]\nqueue_max = 1\nqueue_max = 2\n", "lathe.ini:3: queue_max was given before, at "},
      {"[limits]\nqueue_max = many\n", "lathe.ini:2: [limits] queue_max: \"many\" is not a whole"},
      {"[limits]\nqueue_max = 0\n", "0 is out of range; it goes from 1 to 100000000\n"},
      {"[limits]\nqueue_max = 5 # five\n", "a comment after a value begins with ';'"},
      {"[limits]\njob_timeout = 30\n", "write it as 250ms, 30s"},
      {"[limits]\nbackoff_base = 10m\n", "backoff_max: it is shorter than backoff_base"},
      {"[limits\nqueue_max = 1\n", "lathe.ini:1: the section's ']' is missing; write it as"},
      {"[limit]\nqueue_max = 1\n", "lathe.ini:1: there is no section [limit]; did you mean "
                                   "[limits]?\n"},
      {"[limits big]\n", "[limits] takes no name"},
      {"[limits]\n[limits]\n", "lathe.ini:2: [limits] was begun before, at "},
      {"queue_max = 1\n", "lathe.ini:1: \"queue_max\" stands before the first [section]\n"},
      {"[limits]\nqueue_max\n", "lathe.ini:2: this line is neither"},
      {"[limits]\n= 5\n", "there is no key before '='"},
      {"[log]\nlevel = loud\n", "\"loud\" is not one of debug|info|warn|error"},
      {"[storage]\nsync = maybe\n", "neither yes nor no"},
      {"[backend]\nplugin = echo\n", "[backend] needs a name: [backend NAME]"},
      {"[backend a/b]\nplugin = echo\n", "cannot be a name"},
      {"[backend a]\n", "lathe.ini:1: [backend a] plugin: it is missing, and [backend a] cannot do "
                        "without; write for example: plugin = local-gmsh\n"},
      {"[backend a]\nplugin =\n", "lathe.ini:2: [backend a] plugin: it is empty, and [backend a] "
                                  "cannot do without; write for example: plugin = local-gmsh\n"},
      {"[backend a]\nplugin = nix\n", "there is no plugin nix; looked in "},
      {"[backend a]\nplugin = ../x\n", "neither a file name like local-gmsh nor an absolute path"},
      {"[backend a]\nplugin = /nowhere/x.so\n", "there is no readable file /nowhere/x.so"},
      {"[backend a]\nplugin = echo\nworker = 4\n", "lathe.ini:3: (warning) [backend a] \"worker\" "
                                                   "goes to the plugin, because lathed does not "
                                                   "know it; did you mean workers?\n"},
      {"[backend a]\nplugin = echo\nx = 1\nx = 2\n", "lathe.ini:4: x was given before, at "},
      {"[backend a]\nplugin = echo\n[backend a]\n", "[backend a] was begun before"},
      {"[backend a]\nplugin = echo\n[route mesh]\nbackends = b\n", "there is no [backend b]"},
      {"[backend loca]\nplugin = echo\n[route mesh]\nbackends = local\n", "did you mean loca?"},
      {"[backend a]\nplugin = echo\n[route mesh]\nbackends = a, a\n", "a is named twice"},
      {"[backend a]\nplugin = echo\nenabled = no\n[route m]\nbackends = a\n",
       "(warning) [route m] backends: a gets no jobs, because [backend a] says enabled = no"},
      {"[backend a]\nplugin = echo\n[route m]\nbackends = a\ncanary = a\n",
       "[route m] canary: \"a\" is not a backend and a share; write it as NAME 10%"},
      {"[backend a]\nplugin = echo\n[route m]\nbackends = a\ncanary = a 10\n",
       "\"10\" is not a share; write it as 5%"},
      {"[backend a]\nplugin = echo\n[route m]\nbackends = a\ncanary = a 101%\n",
       "\"101%\" is not a share"},
      {"[backend a]\nplugin = echo\n[route m]\nbackends = a\ncanary = a 0.00001%\n",
       "[route m] canary: \"a 0.00001%\" is a share that no job is drawn for; the least is 0.01%, "
       "and "
       "0% is none"},
      {"[backend loca]\nplugin = echo\n[route m]\nbackends = loca\ncanary = local 10%\n",
       "[route m] canary: there is no [backend local]; did you mean loca?"},
      {"[backend a]\nplugin = echo\n[route m]\nbackends = a\nsticky = user\n",
       "[route m] sticky: \"user\" is not one of client|input|none"},
      {"[route mesh]\n", "[route mesh] backends: it is missing"},
      {"[backend a]\nplugin = echo\n[route m]\nbackends = a\npolicy = least_loaded\n",
       "lathe.ini:5: (warning) [route m] policy: least_loaded is of an earlier version and is read "
       "as "
       "spread; write spread"},
      {"[backend a]\nplugin = echo\n[route m]\nbackends = a\npolicy = round_robin\n",
       "(warning) [route m] policy: round_robin is of an earlier version and is read as spread"},
      {"[backend a]\nplugin = echo\n[route m]\nbackends = a\npolicy = robin\n",
       "[route m] policy: \"robin\" is not one of ordered|spread|fastest|cheapest"},
      {"[guard quiet]\nx = 1\n", "lathe.ini:1: this version does not know [guard ...] yet"},
      {"[model m]\n", "this version does not know [model ...] yet"},
      {"[cost]\ncurrency = euro\n", "[cost] currency: \"euro\" is not a code of ISO 4217"},
      {"[cost]\ntime_zone = Mars/Olympus\n",
       "[cost] time_zone: there is no time zone \"Mars/Olympus\""},
      {"[cost]\nkeep = 30d\n", "[cost] keep: it is shorter than 62d"},
      {"[backend a]\nplugin = echo\ncost_per_second = 1,5\n",
       "[backend a] cost_per_second: \"1,5\" is not an amount; write it as 0.0004 or 12"},
      {"[backend a]\nplugin = echo\ncurrency = EUR\n[backend b]\nplugin = echo\ncurrency = USD\n"
       "[route m]\nbackends = a, b\npolicy = cheapest\n",
       "[route m] policy: cheapest cannot compare a and b, whose prices are in different "
       "currencies"},
      {"[backend a]\nplugin = echo\nbudget_month = 10\n",
       "[backend a] budget_month: it has no effect without a price"},
      {"[backend a]\nplugin = echo\nbudget_job = 0\n", "[backend a] budget_job: it has no effect"},
      {"[backend a]\nplugin = echo\ncost_per_job = 1\ncurrency = Eur\n",
       "[backend a] currency: \"Eur\" is not a code of ISO 4217"},
      {"[server]\nlisten = 8080\n", "has no port from 0 to 65535; write it as 127.0.0.1:8080"},
      {"[server]\nlisten = 127.0.0.1:70000\n", "has no port"},
      {"[server]\nlisten = ::1:80\n", "does not begin with a numeric address"},
      {"[server]\nlisten = 0.0.0.0:80\n", "so token_file must be set"},
      {"[server]\nlisten = [::]:80\n", "so token_file must be set"},
      {"[server]\ntoken_file = absent\n", "lathe.ini:2: [server] token_file: cannot read the token "
                                          "file "},
      {"[server]\ncors_origins = example.org\n", "is not an origin"},
      {"[server]\ncors_origins = https://example.org/\n", "is not an origin"},
      {"[server]\nallowed_hosts = http://x\n", "is not a host name"},
      {"[server]\ndata_dir =\n", "data_dir: it is empty; write a folder"},
      {"", "lathe.ini: (warning) there is no [backend NAME]"},
      {"[server]\nlisten = \xff\n", "lathe.ini:2: the line is not UTF-8 text"},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    char *said = complaints(cases[i].ini);
    if (!strstr(said, cases[i].said))
      fail_msg("of %s\nwas said %s\ninstead of %s", cases[i].ini, said, cases[i].said);
    free(said);
  }
}

static void all_mistakes_at_once_in_order(void **state) {
  (void)state;
  char *said = complaints("[server]\nlisten = x\n[limits]\nqueue_mx = 1\n[model m]\nfree = 1\n"
                          "[backend a]\nplugin = echo\nworkers = -1\n");
  static const char *const lines[] = {
      "lathe.ini:2: ", "lathe.ini:4: ", "lathe.ini:5: ", "lathe.ini:9: "};
  const char *at = said;
  for (size_t i = 0; i < COUNT(lines); i++) {
    assert_memory_equal(at, lines[i], strlen(lines[i]));
    at = strchr(at, '\n') + 1;
  }
  assert_string_equal(at, ""); /* and no more */
  free(said);
}

static void long_lines(void **state) {
  (void)state;
  struct buf b = {0};
  buf_puts(&b, "[server]\nallowed_hosts = h0");
  for (int i = 1; i < 300; i++)
    buf_printf(&b, ", host-%d.example", i);
  buf_printf(&b, "\n%s", good_backend);
  struct config *c;
  struct config_problems p;
  if (load(b.data, &c, &p) == 0) {
    assert_int_equal(c->server.allowed_hosts.count, 300);
    assert_string_equal(c->server.allowed_hosts.items[299], "host-299.example");
  } else { /* a build of inih with short lines says so, and cuts nothing */
    assert_non_null(strstr(p.items[0].text, "the line is longer than"));
  }
  config_free(c);
  config_problems_free(&p);
  buf_clear(&b);
  buf_puts(&b, "[server]\nallowed_hosts = h");
  for (int i = 0; i < 10000; i++)
    buf_putc(&b, 'x');
  char *said = complaints(b.data);
  assert_non_null(strstr(said, "lathe.ini:2: the line is longer than"));
  free(said);
  buf_free(&b);
}

static void environment(void **state) {
  (void)state;
  setenv("LATHE_LIMITS__QUEUE_MAX", "77", 1);
  setenv("LATHE_BACKEND__local__WORKERS", " 9 ", 1);
  setenv("LATHE_BACKEND__local__MESH_SIZE", "2", 1);
  setenv("LATHE_BACKEND__two_b__NICE", "3", 1);
  setenv("LATHE_SERVER__LISTEN", "127.0.0.1:0", 1);
  struct config *c = load_good("[limits]\nqueue_max = 5\n[backend local]\nplugin = local-gmsh\n"
                               "mesh_size = 1\n[backend two-b]\nplugin = echo\n");
  assert_int_equal(c->limits.queue_max, 77);
  assert_int_equal(c->server.port, 0);
  assert_int_equal(c->backends[0].workers, 9);
  assert_int_equal(c->backends[0].option_count, 1);
  assert_string_equal(c->backends[0].options[0].value, "2");
  assert_string_equal(c->backends[0].options[0].where,
                      "environment LATHE_BACKEND__local__MESH_SIZE");
  assert_int_equal(c->backends[1].nice, 3);
  config_free(c);
  unsetenv("LATHE_LIMITS__QUEUE_MAX");
  unsetenv("LATHE_BACKEND__local__WORKERS");
  unsetenv("LATHE_BACKEND__local__MESH_SIZE");
  unsetenv("LATHE_BACKEND__two_b__NICE");
  unsetenv("LATHE_SERVER__LISTEN");

  static const struct {
    const char *name, *value, *said;
  } cases[] = {
      {"LATHE_LIMITS__QUEUE_MX", "1",
       "environment LATHE_LIMITS__QUEUE_MX: [limits] has no key "
       "\"queue_mx\"; did you mean queue_max?\n"},
      {"LATHE_LIMIT__QUEUE_MAX", "1", "there is no section [limit]; did you mean [limits]?"},
      {"LATHE_LIMITS__QUEUE_MAX", "x", "LATHE_LIMITS__QUEUE_MAX: [limits] queue_max: \"x\" is not"},
      {"LATHE_LIMITS__a__QUEUE_MAX", "1", "[limits] takes no name"},
      {"LATHE_BACKEND__WORKERS", "1", "[backend] needs a name"},
      {"LATHE_BACKEND__locl__WORKERS", "1", "the file has no [backend locl]; did you mean local?"},
      {"LATHE_COST__MAX", "1", "[cost] has no key \"max\""},
      {"LATHE_LOG____", "1", "LATHE_LOG____: "},
      {"LATHE___", "1", "LATHE___: there is no section []"},
      {"LATHE_BACKEND__local__X", "a ;b", "a value is one line"},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    setenv(cases[i].name, cases[i].value, 1);
    char *said = complaints(good_backend);
    unsetenv(cases[i].name);
    if (!strstr(said, cases[i].said))
      fail_msg("of %s was said %s", cases[i].name, said);
    free(said);
  }
  setenv("LATHE_SOMETHING", "of another program", 1);
  config_free(load_good(good_backend));
  unsetenv("LATHE_SOMETHING");
}

static void no_file(void **state) {
  (void)state;
  struct config *c;
  struct config_problems p = {0};
  assert_int_equal(config_load("/nowhere/lathe.ini", &c, &p), ERR_INVAL);
  assert_null(c);
  assert_int_equal(p.errors, 1);
  assert_int_equal(p.count, 1); /* nothing is said of what may stand in it */
  assert_non_null(strstr(p.items[0].text, "cannot read /nowhere/lathe.ini"));
  config_problems_free(&p);
  assert_int_equal(config_load(NULL, &c, &p), 0);
  assert_int_equal(p.count, 1); /* no backend */
  config_free(c);
  config_problems_free(&p);
}

/* Whatever the bytes are: an answer, with errors that have a place. */
static void rubbish(void **state) {
  (void)state;
  static const char *const pieces[] = {
      "[",
      "]",
      "[server]",
      "[backend ",
      "local]",
      "=",
      "\n",
      "\n",
      "\r\n",
      "listen",
      "plugin",
      "echo",
      ";",
      "#",
      " ",
      "\t",
      "[limits]",
      "\"",
      "queue_max",
      "workers",
      "1",
      "-1",
      "99999999999999999999",
      "\x00",
      "\xff",
      "\xc3\xa9",
      ":",
      ",",
      "[route mesh]",
      "backends",
      "yes",
  };
  srand(3);
  for (int round = 0; round < 3000; round++) {
    struct buf b = {0};
    int n = rand() % 60;
    for (int i = 0; i < n; i++) {
      const char *piece = pieces[(size_t)rand() % COUNT(pieces)];
      if (rand() % 8 == 0)
        buf_putc(&b, (char)rand());
      else
        buf_put(&b, piece, *piece ? strlen(piece) : 1);
    }
    char *path = write_at("rubbish.ini", b.data ? b.data : "", b.len);
    struct config *c;
    struct config_problems p = {0};
    int code = config_load(path, &c, &p);
    assert_int_equal(code == 0, c != NULL);
    assert_int_equal(code != 0, p.errors > 0);
    for (size_t i = 0; i < p.count; i++)
      assert_memory_equal(p.items[i].where, path, strlen(path));
    config_free(c);
    config_problems_free(&p);
    free(path);
    buf_free(&b);
  }
}

static void shipped_files_load(void **state) {
  (void)state;
  static const char *const files[] = {"lathe.ini", "examples/network.ini", "examples/two-pools.ini",
                                      "examples/container.ini", "examples/ssh-tunnel.ini"};
  char *tokens = write_at("tokens", "alice:0123456789abcdef0123456789abcdef\n", 39);
  assert_int_equal(chmod(tokens, 0600), 0);
  for (size_t i = 0; i < COUNT(files); i++) {
    char *path = mem_printf("%s/conf/%s", TEST_SOURCE_DIR, files[i]);
    struct config *c;
    struct config_problems p = {0};
    if (i > 0)
      setenv("LATHE_SERVER__TOKEN_FILE", tokens, 1);
    config_load(path, &c, &p);
    config_problems_print(&p, stderr);
    assert_int_equal(p.count, 0);
    if (i == 0) {
      assert_string_equal(c->server.listen, "127.0.0.1:8080");
      assert_int_equal(c->backend_count, 2);
      assert_string_equal(c->backends[0].plugin, "local-gmsh");
      assert_int_equal(c->backends[0].workers, c->limits.cpus);
      assert_string_equal(c->backends[1].name, "echo");
      assert_int_equal(c->backends[1].workers, 4);
    }
    config_free(c);
    config_problems_free(&p);
    free(path);
  }
  unsetenv("LATHE_SERVER__TOKEN_FILE");
  free(tokens);
}

/* "; key = value" lines of conf/lathe.ini show defaults, so they must be keys. */
static void hints_of_the_shipped_file_are_keys(void **state) {
  (void)state;
  char *data;
  size_t len;
  struct buf b = {0};
  assert_int_equal(path_read_file(TEST_SOURCE_DIR "/conf/lathe.ini", 1 << 20, &data, &len, NULL),
                   0);
  for (char *next = data, *line; (line = strsep(&next, "\n"));) {
    bool hint = line[0] == ';' && line[1] != ' ';
    buf_printf(&b, "%s\n", line + hint);
  }
  char *tokens = write_at("tokens", "alice:0123456789abcdef0123456789abcdef\n", 39);
  assert_int_equal(chmod(tokens, 0600), 0);
  config_free(load_good(b.data));
  free(tokens);
  free(data);
  buf_free(&b);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(defaults),
      cmocka_unit_test(every_default_is_in_range),
      cmocka_unit_test(values),
      cmocka_unit_test(mistakes),
      cmocka_unit_test(all_mistakes_at_once_in_order),
      cmocka_unit_test(long_lines),
      cmocka_unit_test(environment),
      cmocka_unit_test(no_file),
      cmocka_unit_test(rubbish),
      cmocka_unit_test(shipped_files_load),
      cmocka_unit_test(hints_of_the_shipped_file_are_keys),
  };
  return cmocka_run_group_tests_name("config_load", tests, make_top, remove_top);
}
