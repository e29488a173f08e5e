/* SPDX-License-Identifier: MIT
 *
 * From texts to typed values, and what must hold between them.
 */
#include "base/address.h"
#include "base/mem.h"
#include "base/money.h"
#include "base/path.h"
#include "base/public_url.h"
#include "base/units.h"
#include "base/zone.h"
#include "config/private.h"
#include "config/tokens.h"
#include "routing/decide.h"
#include "routing/draw.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The value of a key, for saying where it stands. */
static const struct config_value *check_value(const struct config_section *s, const char *key) {
  const struct config_key *k = config_key_find(s->spec->name, key);
  return &s->values[k - config_keys_of(s->spec->name).first];
}

__attribute__((format(printf, 4, 5))) static void check_fail(struct config_load *l,
                                                             const struct config_section *s,
                                                             const char *key, const char *fmt,
                                                             ...) {
  const struct config_value *v = check_value(s, key);
  char *text = NULL;
  va_list args;
  va_start(args, fmt);
  if (vasprintf(&text, fmt, args) < 0)
    text = mem_dup(fmt);
  va_end(args);
  const char *where = v->where ? v->where : s->where ? s->where : l->path;
  config_error(l, where, v->where ? v->line : s->line, "[%s] %s: %s", s->title, key, text);
  free(text);
}

void *config_section_base(const struct config *c, const struct config_section *s) {
  bool backend = strcmp(s->spec->name, "backend") == 0, route = strcmp(s->spec->name, "route") == 0;
  for (size_t i = 0; backend && i < c->backend_count; i++)
    if (strcmp(c->backends[i].name, s->name) == 0)
      return &c->backends[i];
  for (size_t i = 0; route && i < c->route_count; i++)
    if (strcmp(c->routes[i].kind, s->name) == 0)
      return &c->routes[i];
  return backend || route ? NULL : (void *)c;
}

static void warn_of_older(struct config_load *l, const struct config_section *s,
                          const struct config_key *k, const struct config_value *v) {
  const char *now;
  size_t len = k->type == CONFIG_WORD ? config_value_older(k, v->text, &now) : 0;
  if (len > 0)
    config_warning(l, v->where, v->line,
                   "[%s] %s: %s is of an earlier version and is read as %.*s; write %.*s", s->title,
                   k->key, v->text, (int)len, now, (int)len, now);
}

static void check_parse(struct config_load *l, const struct config_section *s, void *base) {
  struct config_keys_range keys = config_keys_of(s->spec->name);
  struct err err;
  for (size_t i = 0; i < keys.count; i++) {
    const struct config_key *k = &keys.first[i];
    const struct config_value *v = &s->values[i];
    config_value_parse(k, base, k->fallback, NULL);
    if (k->required && (!v->text || !*v->text))
      check_fail(l, s, k->key, "it is %s, and [%s] cannot do without; write for example: %s",
                 v->text ? "empty" : "missing", s->title, k->required);
    else if (v->text && config_value_parse(k, base, v->text, &err) != 0)
      check_fail(l, s, k->key, "%s%s", err.text,
                 strstr(v->text, " #") ? " (a comment after a value begins with ';')" : "");
    else if (v->text)
      warn_of_older(l, s, k, v);
  }
}

/* ---- [server] ---- */
static void check_origins(struct config_load *l, const struct config_section *s) {
  for (const char **o = l->config->server.cors_origins.items; *o; o++) {
    const char *host = strstr(*o, "://");
    bool scheme = strncmp(*o, "http://", 7) == 0 || strncmp(*o, "https://", 8) == 0;
    if (strcmp(*o, "*") != 0 && (!scheme || host[3] == '\0' || strpbrk(host + 3, "/?#@")))
      check_fail(l, s, "cors_origins",
                 "\"%.80s\" is not an origin; write it as https://app.example.org, without a path",
                 *o);
  }
  for (const char **h = l->config->server.allowed_hosts.items; *h; h++)
    if (strpbrk(*h, "/@?#"))
      check_fail(l, s, "allowed_hosts",
                 "\"%.80s\" is not a host name; write it as lathe.example.org", *h);
}

static void check_proxies(struct config_load *l, const struct config_section *s) {
  struct public_url url;
  struct address_range range;
  struct err err;
  if (public_url_parse(l->config->server.public_url, &url, &err) != 0)
    check_fail(l, s, "public_url", "%s", err.text);
  else
    public_url_free(&url);
  for (const char **p = l->config->server.trusted_proxies.items; *p; p++)
    if (address_range_parse(*p, &range, &err) != 0)
      check_fail(l, s, "trusted_proxies", "%s", err.text);
}

static void check_tokens(struct config_load *l, const struct config_section *s) {
  struct config_server *server = &l->config->server;
  struct tokens *tokens;
  struct err err;
  if (!*server->token_file)
    return;
  if (server->token_file[0] != '/') {
    char *folder = config_folder(l->config->path);
    char *path = path_join(folder, server->token_file);
    free(folder);
    free(server->token_file);
    server->token_file = path;
  }
  if (tokens_load(server->token_file, &tokens, &err) != 0)
    check_fail(l, s, "token_file", "%s", err.text);
  else
    tokens_free(tokens);
}

static void check_folders(struct config_load *l, const struct config_section *s, const char *key,
                          const struct config_list *folders) {
  for (const char **f = folders->items; *f; f++) {
    const struct config_value *v = check_value(s, key);
    if (**f != '/')
      check_fail(l, s, key,
                 "\"%.200s\" does not begin with '/'; write the whole path of the folder", *f);
    else if (access(*f, R_OK | X_OK) != 0)
      config_warning(
          l, v->where, v->line,
          "[server] %s: the folder %.300s is passed over, because it cannot be read: %s; "
          "make it, or take it out",
          key, *f, strerror(errno));
  }
}

static void check_server(struct config_load *l) {
  struct config_server *server = &l->config->server;
  const struct config_section *s = config_section_find(l->config, "server", NULL);
  struct err err;
  if (config_parse_listen(server->listen, &server->host, &server->port, &err) != 0)
    check_fail(l, s, "listen", "%s", err.text);
  else if (!config_is_loopback(server->host) && !*server->token_file)
    check_fail(l, s, "listen",
               "%s can be reached from other machines, so token_file must be set (a line "
               "`name:token role` for each client); or listen on 127.0.0.1",
               server->host);
  check_origins(l, s);
  check_proxies(l, s);
  check_tokens(l, s);
  check_folders(l, s, "plugin_path", &server->plugin_path);
  check_folders(l, s, "kinds_path", &server->kinds_path);
  if (!*server->data_dir) {
    check_fail(l, s, "data_dir",
               "it is empty; write a folder, as data_dir = /var/lib/lathe, or take the line out");
  } else if (server->data_dir[0] != '/') {
    char *cwd = getcwd(NULL, 0);
    const char *relative = server->data_dir;
    while (strncmp(relative, "./", 2) == 0)
      relative += 2;
    char *path = path_join(cwd ? cwd : "/", relative);
    free(cwd);
    free(server->data_dir);
    server->data_dir = path;
  }
}

static void check_limits(struct config_load *l) {
  struct config_limits *limits = &l->config->limits;
  const struct config_section *s = config_section_find(l->config, "limits", NULL);
  if (limits->bodies_max && limits->bodies_max < limits->body_max)
    check_fail(l, s, "bodies_max", "it is smaller than body_max");
  if (limits->backoff_max_ms < limits->backoff_base_ms)
    check_fail(l, s, "backoff_max",
               "it is shorter than backoff_base; make it as long as that or longer");
  if (limits->memory == 0)
    limits->memory = machine_memory() / 4 * 3;
  if (limits->cpus == 0)
    limits->cpus = machine_cpus();
}

/* ---- [cost] ---- */
static const int64_t KEEP_LEAST_MS = INT64_C(62) * 24 * 3600 * 1000;

static void check_currency(struct config_load *l, const struct config_section *s,
                           const char *code) {
  if (*code && !money_is_currency(code))
    check_fail(l, s, "currency",
               "\"%.40s\" is not a code of ISO 4217; write three capital letters, as EUR", code);
}

static void check_cost(struct config_load *l) {
  const struct config_cost *cost = &l->config->cost;
  const struct config_section *s = config_section_find(l->config, "cost", NULL);
  struct zone *zone = NULL;
  struct err err;
  check_currency(l, s, cost->currency);
  if (zone_load(cost->time_zone, &zone, &err) != 0)
    check_fail(l, s, "time_zone", "%s", err.text);
  zone_free(zone);
  if (cost->keep_ms > 0 && cost->keep_ms < KEEP_LEAST_MS)
    check_fail(
        l, s, "keep",
        "it is shorter than 62d, so sums of a month would lack days; make it 62d or longer, or 0");
}

/* ---- [backend NAME] ---- */
static const char *backend_key(const void *ctx, size_t i) {
  return ((const struct config_key *)ctx)[i].key;
}

static void check_options(struct config_load *l, const struct config_section *s,
                          struct config_backend *b) {
  struct config_keys_range keys = config_keys_of("backend");
  b->options = mem_array(s->option_count, sizeof(*b->options));
  b->option_count = s->option_count;
  for (size_t i = 0; i < s->option_count; i++) {
    const struct config_raw_option *raw = &s->options[i];
    const char *near = words_nearest(raw->key, backend_key, keys.first, keys.count);
    if (near && words_distance(raw->key, near) > 1)
      near = NULL;
    b->options[i] = (struct config_option){.key = mem_dup(raw->key),
                                           .value = mem_dup(raw->value.text),
                                           .where = mem_dup(raw->value.where),
                                           .near = near};
    if (near)
      config_warning(l, raw->value.where, raw->value.line,
                     "[%s] \"%s\" goes to the plugin, because lathed does not know it; did you "
                     "mean %s?",
                     s->title, raw->key, near);
  }
}

/* What nothing is known to cost would pass every budget. */
static void check_budget(struct config_load *l, const struct config_section *s,
                         const struct config_backend *b) {
  bool month = b->budget_month != MONEY_UNKNOWN, job = b->budget_job != MONEY_UNKNOWN;
  if ((month || job) && b->cost_per_second == MONEY_UNKNOWN && b->cost_per_job == MONEY_UNKNOWN)
    check_fail(l, s, month ? "budget_month" : "budget_job",
               "it has no effect without a price; set cost_per_second or cost_per_job (0 is a "
               "price, for a plugin that reports its costs)");
}

static void check_backend(struct config_load *l, const struct config_section *s,
                          struct config_backend *b) {
  struct err err;
  check_parse(l, s, b);
  check_options(l, s, b);
  if (b->workers == 0)
    b->workers = l->config->limits.cpus;
  check_currency(l, s, b->currency);
  check_budget(l, s, b);
  if (!*b->currency) {
    free(b->currency);
    b->currency = mem_dup(l->config->cost.currency);
  }
  if (b->health_interval_ms > 0 && b->health_interval_ms < 1000)
    check_fail(l, s, "health_interval", "it is shorter than a second; make it 1s or longer, or 0");
  if (b->restart_backoff_max_ms < b->restart_backoff_ms)
    check_fail(l, s, "restart_backoff_max",
               "it is shorter than restart_backoff; make it as long as that or longer");
  int rc = *b->plugin ? config_find_plugin(b->plugin, l->config->server.plugin_path.items,
                                           &b->plugin_path, &err)
                      : 0;
  if (rc == ERR_INVAL && b->enabled) {
    check_fail(l, s, "plugin", "%s", err.text);
  } else if (rc != 0) { /* it may be installed later, and the other backends can work meanwhile */
    const struct config_value *v = check_value(s, "plugin");
    b->plugin_missing = mem_dup(err.text);
    if (b->enabled)
      config_warning(l, v->where, v->line, "[%s] plugin: %s", s->title, err.text);
  }
}

/* ---- [route KIND] ---- */
static const char *backend_name_at(const void *ctx, size_t i) {
  return ((const struct config *)ctx)->backends[i].name;
}

/* Takes "b 10%" apart. */
static int split_canary(const char *text, struct config_route *r, struct err *err) {
  size_t n = strcspn(text, " \t"), gap = strspn(text + n, " \t");
  double part = 0;
  if (n == 0 || n >= sizeof r->canary_backend || gap == 0 || !text[n + gap])
    return err_set(err, ERR_INVAL, "\"%.80s\" is not a backend and a share; write it as NAME 10%%",
                   text);
  memcpy(r->canary_backend, text, n);
  r->canary_backend[n] = '\0';
  int rc = units_share(text + n + gap, &part, err);
  r->canary_share = (int)(part * DRAW_OF + 0.5);
  if (rc == 0 && part > 0 && r->canary_share == 0)
    return err_set(
        err, ERR_INVAL,
        "\"%.80s\" is a share that no job is drawn for; the least is %g%%, and 0%% is none", text,
        100.0 / DRAW_OF);
  return rc;
}

static const struct config_backend *find_backend(const struct config *c, const char *name) {
  for (size_t i = 0; i < c->backend_count; i++)
    if (strcmp(c->backends[i].name, name) == 0)
      return &c->backends[i];
  return NULL;
}

static void fail_unknown_backend(struct config_load *l, const struct config_section *s,
                                 const char *key, const char *name) {
  const struct config *c = l->config;
  const char *near = words_nearest(name, backend_name_at, c, c->backend_count);
  check_fail(l, s, key, "there is no [backend %.60s]%s%s%s", name,
             near ? "; did you mean " : "; write that section, or take the name out",
             near ? near : "", near ? "?" : "");
}

static void check_canary(struct config_load *l, const struct config_section *s,
                         struct config_route *r) {
  struct err err;
  if (!*r->canary)
    return;
  if (split_canary(r->canary, r, &err) != 0)
    check_fail(l, s, "canary", "%s", err.text);
  else if (!find_backend(l->config, r->canary_backend))
    fail_unknown_backend(l, s, "canary", r->canary_backend);
}

/* Amounts in different currencies cannot be compared. */
static void check_currencies(struct config_load *l, const struct config_section *s,
                             const struct config_route *r) {
  const struct config_backend *first = NULL;
  for (size_t i = 0; i < r->backends.count; i++) {
    const struct config_backend *b = find_backend(l->config, r->backends.items[i]);
    if (!b)
      continue;
    first = first ? first : b;
    if (strcmp(b->currency, first->currency) != 0)
      check_fail(
          l, s, "policy",
          "cheapest cannot compare %s and %s, whose prices are in different currencies; give "
          "them in one",
          first->name, b->name);
  }
}

static void check_route(struct config_load *l, const struct config_section *s,
                        struct config_route *r) {
  const struct config *c = l->config;
  check_parse(l, s, r);
  check_canary(l, s, r);
  if (r->policy == ROUTE_CHEAPEST)
    check_currencies(l, s, r);
  for (size_t i = 0; i < r->backends.count; i++) {
    const char *name = r->backends.items[i];
    const struct config_backend *b = find_backend(c, name);
    if (!b)
      fail_unknown_backend(l, s, "backends", name);
    for (size_t k = 0; k < i; k++)
      if (strcmp(r->backends.items[k], name) == 0)
        check_fail(l, s, "backends", "%s is named twice; name it once", name);
    if (b && !b->enabled) {
      const struct config_value *v = check_value(s, "backends");
      config_warning(l, v->where, v->line,
                     "[%s] backends: %s gets no jobs, because [backend %s] says enabled = no",
                     s->title, name, name);
    }
  }
}

void config_check(struct config_load *l) {
  struct config *c = l->config;
  for (size_t i = 0; i < c->section_count; i++) {
    const struct config_section *s = &c->sections[i];
    if (!s->spec->argument)
      check_parse(l, s, c);
    c->backend_count += strcmp(s->spec->name, "backend") == 0;
    c->route_count += strcmp(s->spec->name, "route") == 0;
  }
  check_server(l);
  check_limits(l);
  check_cost(l);
  c->backends = mem_array(c->backend_count, sizeof(*c->backends));
  c->routes = mem_array(c->route_count, sizeof(*c->routes));
  struct config_backend *b = c->backends;
  struct config_route *r = c->routes;
  for (size_t i = 0; i < c->section_count; i++) {
    if (strcmp(c->sections[i].spec->name, "backend") == 0)
      (b++)->name = mem_dup(c->sections[i].name);
    else if (strcmp(c->sections[i].spec->name, "route") == 0)
      (r++)->kind = mem_dup(c->sections[i].name);
  }
  for (size_t i = 0; i < c->section_count; i++) /* limits are resolved by now */
    if (strcmp(c->sections[i].spec->name, "backend") == 0)
      check_backend(l, &c->sections[i], config_section_base(c, &c->sections[i]));
  for (size_t i = 0; i < c->section_count; i++) /* backends are known by now */
    if (strcmp(c->sections[i].spec->name, "route") == 0)
      check_route(l, &c->sections[i], config_section_base(c, &c->sections[i]));
  if (c->backend_count == 0)
    config_warning(l, l->path, 0, "there is no [backend NAME], so every job would be refused");
}
