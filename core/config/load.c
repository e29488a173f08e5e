/* SPDX-License-Identifier: MIT */
#include "base/buf.h"
#include "base/mem.h"
#include "base/path.h"
#include "config/private.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int config_load(const char *path, struct config **out, struct config_problems *problems) {
  struct config *c = mem_alloc(sizeof(*c));
  struct config_load l = {c, problems, path ? path : "defaults"};
  *out = NULL;
  c->path = mem_dup(path);
  for (size_t i = 0; i < config_section_spec_count; i++)
    if (!config_section_specs[i].argument && !config_section_specs[i].future)
      config_section_add(c, &config_section_specs[i], NULL);
  if (path)
    config_read_file(&l);
  config_read_environment(&l);
  config_check(&l);
  config_problems_sort(problems);
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
  struct config_load l = {c, problems, c->path ? c->path : "defaults"};
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

char *config_find_file(void) {
  const char *named = getenv("LATHE_CONFIG");
  if (named && *named)
    return mem_dup(named);
  static const char *const places[] = {"../conf/lathe.ini", "../../conf/lathe.ini"};
  char *path = mem_dup("/etc/lathe/lathe.ini"), *program = path_program_dir();
  for (size_t i = 0; access(path, R_OK) != 0; i++) {
    free(path);
    path = NULL;
    if (i == sizeof(places) / sizeof(places[0]))
      break;
    path = path_join(program, places[i]);
  }
  free(program);
  return path;
}

/* Takes `folder`.  The path of the plugin when it is there, else NULL with the place noted. */
static char *plugin_in(char *folder, const char *plugin, struct buf *searched) {
  size_t len = strlen(plugin);
  const char *suffix = len > 3 && strcmp(plugin + len - 3, ".so") == 0 ? "" : ".so";
  char *file = mem_printf("%s%s", plugin, suffix), *path = path_join(folder, file);
  char *real = access(path, R_OK) == 0 ? realpath(path, NULL) : NULL;
  if (!real)
    buf_printf(searched, "%s%s", searched->len ? ", " : "", folder);
  free(path);
  free(file);
  free(folder);
  return real;
}

int config_find_plugin(const char *plugin, const char *const *folders, char **path,
                       struct err *err) {
  static const char *const beside[] = {"../plugins", "../lib/lathe/plugins"};
  struct buf searched = {0};
  *path = NULL;
  if (plugin[0] == '/') {
    if (access(plugin, R_OK) != 0)
      return err_set(err, ERR_NOT_FOUND, "there is no readable file %.300s", plugin);
    *path = mem_dup(plugin);
    return 0;
  }
  if (!path_is_plain_name(plugin))
    return err_set(err, ERR_INVAL,
                   "\"%.80s\" is neither a file name like local-gmsh nor an absolute path", plugin);
  const char *first = getenv("LATHE_PLUGIN_PATH");
  for (size_t n; first && *first && !*path; first += n + (first[n] == ':')) {
    n = strcspn(first, ":");
    if (n > 0)
      *path = plugin_in(mem_dup_n(first, n), plugin, &searched);
  }
  for (; folders && *folders && !*path; folders++)
    *path = plugin_in(mem_dup(*folders), plugin, &searched);
  char *program = path_program_dir();
  for (size_t i = 0; i < 2 && !*path; i++)
    *path = plugin_in(path_join(program, beside[i]), plugin, &searched);
  free(program);
  int code = 0;
  if (!*path)
    code = err_set(
        err, ERR_NOT_FOUND,
        "there is no plugin %.80s; looked in %s ([server] plugin_path and LATHE_PLUGIN_PATH "
        "add folders)",
        plugin, searched.data);
  buf_free(&searched);
  return code;
}
