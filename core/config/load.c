/* SPDX-License-Identifier: MIT */
#include "base/mem.h"
#include "config/private.h"

#include <stdlib.h>
#include <string.h>

int config_load(const char *path, struct config **out, struct config_problems *problems) {
  struct config *c = mem_alloc(sizeof(*c));
  struct config_load l = {c, problems, path ? path : "defaults", 0};
  *out = NULL;
  c->path = mem_dup(path);
  for (size_t i = 0; i < config_section_spec_count; i++)
    if (!config_section_specs[i].argument && !config_section_specs[i].future)
      config_section_add(c, &config_section_specs[i], NULL);
  bool readable = !path || config_read_file(&l);
  if (readable) { /* else what it may lack is not known */
    if (path)
      config_read_fragments(&l);
    config_read_environment(&l);
    config_read_original(&l);
    config_check(&l);
  }
  config_problems_sort(problems);
  problems->log = c->log;
  if (problems->errors > 0) {
    config_free(c);
    return ERR_INVAL;
  }
  *out = c;
  return 0;
}

int config_reload(const struct config *running, struct config **out, struct config_changes *changes,
                  struct config_problems *problems) {
  *changes = (struct config_changes){0};
  int code = config_load(running->path, out, problems);
  if (code)
    return code;
  struct config *c = *out;
  const struct config_section *server = config_section_find(c, "server", NULL);
  struct config_load l = {c, problems, c->path ? c->path : "defaults", 0};
  if (!config_is_loopback(running->server.host) && !*c->server.token_file) {
    config_error(&l, server->where ? server->where : l.path, server->line,
                 "[server] token_file: tokens cannot go while the daemon listens on %s; restart it",
                 running->server.host);
    config_free(c);
    *out = NULL;
    return ERR_INVAL;
  }
  config_diff(running, c, changes);
  for (size_t i = 0; i < config_key_count; i++)
    if (config_keys[i].restart && !config_section_spec_find(config_keys[i].section)->argument)
      config_value_copy(&config_keys[i], c, running);
  free(c->server.host);
  c->server.host = mem_dup(running->server.host);
  c->server.port = running->server.port;
  return 0;
}

static void config_free_section(struct config *c, struct config_section *s) {
  struct config_keys_range keys = config_keys_of(s->spec->name);
  void *base = config_section_base(c, s);
  for (size_t i = 0; i < keys.count; i++) {
    if (base)
      config_value_free(&keys.first[i], base);
    free(s->values[i].text);
    free(s->values[i].where);
  }
  for (size_t i = 0; i < s->option_count; i++) {
    free(s->options[i].key);
    free(s->options[i].value.text);
    free(s->options[i].value.where);
  }
  free(s->options);
  free(s->values);
  free(s->title);
  free(s->where);
}

static void config_free_backend(struct config_backend *b) {
  for (size_t i = 0; i < b->option_count; i++) {
    free(b->options[i].key);
    free(b->options[i].value);
    free(b->options[i].where);
  }
  free(b->options);
  free(b->plugin_path);
  free(b->plugin_missing);
  free(b->name);
}

void config_free(struct config *c) {
  if (!c)
    return;
  for (size_t i = 0; i < c->section_count; i++)
    config_free_section(c, &c->sections[i]);
  for (size_t i = 0; i < c->section_count; i++)
    free(c->sections[i].name); /* after all: it finds the typed values */
  for (size_t i = 0; i < c->backend_count; i++)
    config_free_backend(&c->backends[i]);
  for (size_t i = 0; i < c->route_count; i++)
    free(c->routes[i].kind);
  free(c->sections);
  free(c->backends);
  free(c->routes);
  free(c->server.host);
  free(c->path);
  free(c);
}
