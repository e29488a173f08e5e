/* SPDX-License-Identifier: MIT
 *
 * The variables with which the original services chose their compute (docs/original.md), as sections:
 *
 *   COMPUTE_BACKEND = auto         [route mesh], [route preview]: ssh_tunnel, then local
 *                     local, ssh_tunnel, remote_http, modal           this one alone
 *   SSH_TUNNEL_PORT, REMOTE_COMPUTE_URL                     [backend ssh_tunnel], [backend remote_http]
 *   USE_MODAL_COMPUTE = true       as COMPUTE_BACKEND = modal, where that is auto or not set
 *
 * A [backend] of that name in the file is taken as it is.  What is made here is checked and shown like
 * what stands in a file.
 */
#include "base/mem.h"
#include "base/nearest_word.h"
#include "base/units.h"
#include "config/private.h"

#include <stdlib.h>
#include <string.h>

#define WHERE "environment "

enum { TUNNEL_PORT = 8080 };

static const char *const words[] = {"auto", "local", "ssh_tunnel", "remote_http", "modal"};
enum { WORDS = sizeof words / sizeof *words };
/* Of the mesh service, whose compute it was. */
static const char *const kinds[] = {"mesh", "preview"};

static const char *word_at(const void *ctx, size_t i) {
  (void)ctx;
  return words[i];
}

__attribute__((format(printf, 3, 4))) static void
complain(struct config_load *l, const char *variable, const char *fmt, ...) {
  char *where = mem_printf(WHERE "%s", variable), *text = NULL;
  va_list args;
  va_start(args, fmt);
  if (vasprintf(&text, fmt, args) < 0)
    text = mem_dup(fmt);
  va_end(args);
  config_error(l, where, LINE_OF_ENVIRONMENT, "%s", text);
  free(text);
  free(where);
}

static const char *given(const char *variable) {
  const char *text = getenv(variable);
  return text && *text ? text : NULL;
}

/* As it stands in the file; NULL: it does not. */
static const char *value_of(const struct config_section *s, const char *key) {
  const struct config_key *k = config_key_find(s->spec->name, key);
  return s->values[k - config_keys_of(s->spec->name).first].text;
}

static void put(struct config_load *l, const char *type, const char *name, const char *key,
                const char *text, const char *variable) {
  struct config_section *s = config_section_find(l->config, type, name);
  char *where = mem_printf(WHERE "%s", variable);
  if (!s)
    s = config_section_add(l->config, config_section_spec_find(type), name);
  config_section_put(l, s, key, text, where, LINE_OF_ENVIRONMENT, true);
  free(where);
}

static bool is_local(const struct config_section *s) {
  const char *plugin = value_of(s, "plugin"), *enabled = value_of(s, "enabled");
  int on = 1;
  if (enabled)
    units_bool(enabled, &on, NULL);
  return on && plugin && (!strcmp(plugin, "local-gmsh") || !strcmp(plugin, "local-gmsh.so"));
}

/* [backend local], else the first that meshes here; NULL: there is none. */
static const char *local_backend(const struct config *c) {
  const char *found = NULL;
  for (size_t i = 0; i < c->section_count; i++) {
    const struct config_section *s = &c->sections[i];
    if (strcmp(s->spec->name, "backend") != 0)
      continue;
    if (!strcmp(s->name, "local"))
      return s->name;
    if (!found && is_local(s))
      found = s->name;
  }
  return found;
}

static int own_port(const struct config *c) {
  const struct config_section *s = config_section_find((struct config *)c, "server", NULL);
  const char *listen = s ? value_of(s, "listen") : NULL;
  if (!listen)
    listen = config_key_find("server", "listen")->fallback;
  const char *colon = strrchr(listen, ':');
  return colon ? atoi(colon + 1) : 0;
}

/* ---- the backends ---- */

static void add_remote(struct config_load *l, const char *name, const char *url,
                       const char *variable) {
  put(l, "backend", name, "plugin", "http-remote", variable);
  put(l, "backend", name, "url", url, variable);
}

/* False: there is none, which was said unless it may be so (auto). */
static bool add_tunnel(struct config_load *l, bool may_lack) {
  const char *text = given("SSH_TUNNEL_PORT");
  int64_t port = TUNNEL_PORT;
  if (config_section_find(l->config, "backend", "ssh_tunnel"))
    return true;
  if (text && (units_int(text, &port, NULL) != 0 || port < 1 || port > 65535)) {
    complain(l, "SSH_TUNNEL_PORT", "\"%.40s\" is not a port; write a number from 1 to 65535", text);
    return false;
  }
  if (port == own_port(l->config)) { /* theirs and ours have one default */
    if (text || !may_lack)
      complain(l, text ? "SSH_TUNNEL_PORT" : "COMPUTE_BACKEND",
               "the tunnel's port, %lld, is the one that this server listens on; set "
               "SSH_TUNNEL_PORT to the port of the tunnel on this machine",
               (long long)port);
    return false;
  }
  char *url = mem_printf("http://127.0.0.1:%lld", (long long)port);
  add_remote(l, "ssh_tunnel", url, text ? "SSH_TUNNEL_PORT" : "COMPUTE_BACKEND");
  free(url);
  return true;
}

static bool add_far(struct config_load *l) {
  const char *url = given("REMOTE_COMPUTE_URL");
  if (config_section_find(l->config, "backend", "remote_http"))
    return true;
  if (!url || strpbrk(url, "\r\n ;")) {
    complain(l, url ? "REMOTE_COMPUTE_URL" : "COMPUTE_BACKEND",
             "REMOTE_COMPUTE_URL must be the address of the other server, as http://HOST:PORT");
    return false;
  }
  add_remote(l, "remote_http", url, "REMOTE_COMPUTE_URL");
  return true;
}

static bool find_modal(struct config_load *l, const char *variable) {
  if (config_section_find(l->config, "backend", "modal"))
    return true;
  complain(l, variable,
           "there is no [backend modal]; write that section, or take the variable out");
  return false;
}

static const char *find_local(struct config_load *l) {
  const char *name = local_backend(l->config);
  if (!name)
    complain(l, "COMPUTE_BACKEND",
             "no [backend NAME] has plugin = local-gmsh; write one, or take the variable out");
  return name;
}

/* ---- the routes ---- */

static void route_all(struct config_load *l, const char *backends, const char *variable) {
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    put(l, "route", kinds[i], "backends", backends, variable);
}

static void choose_auto(struct config_load *l) {
  bool tunnel = add_tunnel(l, true);
  const char *local = find_local(l);
  char *backends = local ? mem_printf("%s%s", tunnel ? "ssh_tunnel, " : "", local) : NULL;
  if (backends)
    route_all(l, backends, "COMPUTE_BACKEND");
  free(backends);
}

static void choose(struct config_load *l, const char *word, const char *variable) {
  const char *name = word;
  bool there = true;
  if (!strcmp(word, "local"))
    there = (name = find_local(l)) != NULL;
  else if (!strcmp(word, "ssh_tunnel"))
    there = add_tunnel(l, false);
  else if (!strcmp(word, "remote_http"))
    there = add_far(l);
  else
    there = find_modal(l, variable);
  char *backends = there ? mem_dup(name) : NULL; /* sections move as others are added */
  if (backends)
    route_all(l, backends, variable);
  free(backends);
}

static bool is_known(const char *word) {
  for (size_t i = 0; i < WORDS; i++)
    if (!strcmp(word, words[i]))
      return true;
  return false;
}

void config_read_original(struct config_load *l) {
  const char *word = given("COMPUTE_BACKEND"), *flag = given("USE_MODAL_COMPUTE");
  int modal = 0;
  if (flag && units_bool(flag, &modal, NULL) != 0)
    complain(l, "USE_MODAL_COMPUTE", "\"%.40s\" is neither true nor false", flag);
  if (word && !is_known(word)) {
    const char *near = words_nearest(word, word_at, NULL, WORDS);
    complain(l, "COMPUTE_BACKEND",
             "\"%.40s\" is not one of auto, local, ssh_tunnel, remote_http, modal%s%s%s", word,
             near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
  } else if (modal && (!word || !strcmp(word, "auto"))) {
    choose(l, "modal", "USE_MODAL_COMPUTE");
  } else if (word && !strcmp(word, "auto")) {
    choose_auto(l);
  } else if (word) {
    choose(l, word, "COMPUTE_BACKEND");
  }
}
