/* SPDX-License-Identifier: MIT
 *
 * COMPUTE_BACKEND and the other variables of the original services, as sections.
 */
#include "config_help.h"

#include "base/mem.h"
#include "config/config.h"

#include <stdlib.h>
#include <string.h>

static const char *const variables[] = {"COMPUTE_BACKEND", "SSH_TUNNEL_PORT", "REMOTE_COMPUTE_URL",
                                        "USE_MODAL_COMPUTE"};
static const char plain[] =
    "[server]\nlisten = 127.0.0.1:9999\n[backend here]\nplugin = local-gmsh\n"
    "[backend echo]\nplugin = echo\n";

struct given {
  const char *ini, *values[4]; /* of `variables`; NULL: not set */
};

static void set(const struct given *g) {
  for (size_t i = 0; i < 4; i++) {
    unsetenv(variables[i]);
    if (g->values[i])
      setenv(variables[i], g->values[i], 1);
  }
}

/* What is said, or the configuration as --print-config shows it; the caller frees. */
static char *outcome(const struct given *g) {
  char *path = write_at("lathe.ini", g->ini, strlen(g->ini)), *text = NULL;
  size_t size;
  struct config_problems p = {0};
  struct config *c = NULL;
  FILE *out = open_memstream(&text, &size);
  set(g);
  if (config_load(path, &c, &p) == 0)
    config_print(c, out);
  else
    config_problems_print(&p, out);
  fclose(out);
  config_free(c);
  config_problems_free(&p);
  free(path);
  set(&(struct given){0});
  return text;
}

/* Without the runs of spaces before the comments. */
static char *squeezed(char *text) {
  char *to = text;
  for (const char *p = text; *p; p++)
    if (*p != ' ' || p[1] != ' ')
      *to++ = *p;
  *to = '\0';
  return text;
}

static void check(const struct given *g, const char *const *texts, size_t count) {
  char *said = squeezed(outcome(g));
  for (size_t i = 0; i < count && texts[i]; i++)
    if (texts[i][0] == '!' ? strstr(said, texts[i] + 1) != NULL : strstr(said, texts[i]) == NULL)
      fail_msg("%s\nis not so in:\n%s", texts[i], said);
  free(said);
}

static void test_what_they_mean(void **state) {
  static const struct {
    struct given given;
    const char *texts[6];
  } cases[] = {
      {{plain, {NULL, "7000", "http://far:1", NULL}}, {"![route", "![backend ssh_tunnel]"}},
      {{plain, {"auto"}},
       {"[backend ssh_tunnel]\nplugin = http-remote ; environment COMPUTE_BACKEND",
        "url = http://127.0.0.1:8080 ; environment COMPUTE_BACKEND",
        "[route mesh]\nbackends = ssh_tunnel, here ; environment COMPUTE_BACKEND",
        "[route preview]\nbackends = ssh_tunnel, here ;"}},
      {{plain, {"auto", "7000"}},
       {"url = http://127.0.0.1:7000 ; environment SSH_TUNNEL_PORT",
        "backends = ssh_tunnel, here ;"}},
      {{plain, {"local", "7000"}}, {"[route mesh]\nbackends = here ;", "![backend ssh_tunnel]"}},
      {{plain, {"ssh_tunnel", "7000"}}, {"[route mesh]\nbackends = ssh_tunnel ;"}},
      {{plain, {"remote_http", NULL, "http://far:8080"}},
       {"[backend remote_http]\nplugin = http-remote ; environment REMOTE_COMPUTE_URL",
        "url = http://far:8080 ; environment REMOTE_COMPUTE_URL",
        "[route preview]\nbackends = remote_http ; environment COMPUTE_BACKEND"}},
      {{plain, {"local", NULL, NULL, "true"}}, {"backends = here ;"}},
      {{plain, {NULL, NULL, NULL, "false"}}, {"![route"}},
      {{"[backend local]\nplugin = echo\n[backend modal]\nplugin = echo\n[server]\nlisten = "
        "127.0.0.1:1\n",
        {"auto", NULL, NULL, "1"}},
       {"[route mesh]\nbackends = modal ; environment USE_MODAL_COMPUTE"}},
      /* the one that is called local goes first; a section of the file is taken as it is */
      {{"[server]\nlisten = 127.0.0.1:1\n[backend here]\nplugin = local-gmsh\n[backend "
        "local]\nplugin = echo\n"
        "[backend ssh_tunnel]\nplugin = echo\n[route mesh]\nbackends = here\nattempts = 7\n",
        {"auto", "7000"}},
       {"[route mesh]\nbackends = ssh_tunnel, local ;", "attempts = 7",
        "[backend ssh_tunnel]\nplugin = echo", "!7000"}},
      /* we listen on their default */
      {{"[backend here]\nplugin = local-gmsh\n", {"auto"}}, {"[route mesh]\nbackends = here ;"}},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    check(&cases[i].given, cases[i].texts, 6);
}

static void test_what_cannot_be(void **state) {
  static const struct {
    struct given given;
    const char *text;
  } cases[] = {
      {{plain, {"lcoal"}},
       "environment COMPUTE_BACKEND: error: \"lcoal\" is not one of auto, local, ssh_tunnel, "
       "remote_http, modal; did you mean local?"},
      {{plain, {"ssh_tunnel", "0"}}, "environment SSH_TUNNEL_PORT: error: \"0\" is not a port"},
      {{plain, {"auto", "9999"}},
       "the tunnel's port, 9999, is the one that this server listens on"},
      {{"[backend here]\nplugin = local-gmsh\n", {"ssh_tunnel"}},
       "environment COMPUTE_BACKEND: error: the tunnel's port, 8080, is the one"},
      {{plain, {"remote_http"}}, "REMOTE_COMPUTE_URL must be the address of the other server"},
      {{plain, {"remote_http", NULL, "http://a ; b"}}, "environment REMOTE_COMPUTE_URL: error:"},
      {{plain, {"modal"}}, "environment COMPUTE_BACKEND: error: there is no [backend modal]"},
      {{plain, {NULL, NULL, NULL, "yes"}},
       "environment USE_MODAL_COMPUTE: error: there is no [backend modal]"},
      {{plain, {NULL, NULL, NULL, "perhaps"}}, "\"perhaps\" is neither true nor false"},
      {{"[backend a]\nplugin = echo\n", {"local"}}, "no [backend NAME] has plugin = local-gmsh"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    check(&cases[i].given, &cases[i].text, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_what_they_mean),
      cmocka_unit_test(test_what_cannot_be),
  };
  return cmocka_run_group_tests_name("config_original", tests, make_top, remove_top);
}
