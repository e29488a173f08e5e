/* SPDX-License-Identifier: MIT
 *
 * What the audit log says of the configuration: a line for each start with another one than before,
 * and for each reload that changes something.
 *
 * The store keeps the configuration that was told last, as a setting: one JSON object, "[section]
 * key" -> text, with the tokens' clients and roles.  A line has those members that differ.
 */
#include "daemon_private.h"

#include "base/mem.h"
#include "base/path.h"
#include "base/secret.h"
#include "base/utf8.h"
#include "config/tokens.h"
#include "observe/log.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char setting[] = "config";

enum { TEXT_MAX = 300, KEYS_MAX = 60 }; /* of a line */

/* ---- the configuration as an object ---- */

struct snapshot {
  json_t *object;
  struct secret key;
};

/* Cut where it is long, between characters; what is no UTF-8 becomes '?'. */
static json_t *text_of(const char *text) {
  struct buf b = {0};
  size_t len = strlen(text);
  while (len > 0 && b.len < TEXT_MAX) {
    size_t n = utf8_sequence(text, len);
    buf_put(&b, n ? text : "?", n ? n : 1);
    text += n ? n : 1;
    len -= n ? n : 1;
  }
  if (len > 0)
    buf_puts(&b, "...");
  json_t *value = json_stringn(b.len ? b.data : "", b.len);
  buf_free(&b);
  return value;
}

/* A credential is never shown.  That it was changed is seen by a mark, which only this server can
 * make. */
static json_t *mark_of(const struct snapshot *s, const char *text) {
  char hex[SHA256_HEX_SIZE];
  secret_sign(&s->key, text, strlen(text), hex);
  return json_sprintf("not shown (%.8s)", hex);
}

static void add_value(void *ctx, const char *section, const char *key, const char *text,
                      bool secret) {
  struct snapshot *s = ctx;
  char *name = mem_printf("[%s] %s", section, key);
  json_object_set_new(s->object, name, secret ? mark_of(s, text) : text_of(text));
  free(name);
}

/* A client may have several tokens. */
static void add_token(void *ctx, const char *client, enum role role, const char *mark) {
  struct snapshot *s = ctx;
  char *name = mem_printf("token %s", client);
  const char *before = json_string_value(json_object_get(s->object, name));
  json_object_set_new(
      s->object, name,
      json_sprintf("%s%s%s #%s", before ? before : "", before ? ", " : "", role_word(role), mark));
  free(name);
}

static int snapshot_take(const struct daemon *d, struct snapshot *s, struct err *err) {
  char *path = path_join(d->config->server.data_dir, "link.key");
  int rc = secret_load(path, &s->key, err);
  free(path);
  if (rc < 0)
    return rc;
  s->object = json_object();
  json_object_set_new(s->object, "lathed", json_string(LATHE_VERSION));
  json_object_set_new(s->object, "file", text_of(d->config->path ? d->config->path : ""));
  config_given(d->config, add_value, s);
  if (d->tokens->tokens)
    tokens_each(d->tokens->tokens, add_token, s);
  explicit_bzero(&s->key, sizeof s->key);
  return 0;
}

/* ---- what differs ---- */

struct difference {
  json_t *from, *to;
  size_t count; /* also of those that were left out */
};

static void differ(struct difference *x, const char *key, json_t *before, json_t *after) {
  if (before && after && json_equal(before, after))
    return;
  if (++x->count > KEYS_MAX)
    return;
  if (before)
    json_object_set(x->from, key, before);
  if (after)
    json_object_set(x->to, key, after);
}

static void compare(struct difference *x, json_t *before, json_t *after) {
  const char *key;
  json_t *value;
  json_object_foreach(before, key, value) differ(x, key, value, json_object_get(after, key));
  json_object_foreach(after, key, value) if (!json_object_get(before, key))
      differ(x, key, NULL, value);
  if (x->count > KEYS_MAX)
    json_object_set_new(x->to, "and more", json_integer((json_int_t)x->count - KEYS_MAX));
}

/* ---- the line ---- */

struct told { /* a line on its way */
  struct daemon *daemon;
  char *before; /* what the log knew until then */
};

/* What could not be written is told with the next reload or start. */
static void on_told(void *arg, int code, const struct store_changed *c) {
  struct told *t = arg;
  if (code < 0) {
    log_error("audit", "the new configuration cannot be written to the audit log: %s", c->text);
    free(t->daemon->audited);
    t->daemon->audited = mem_dup(t->before);
  }
  free(t->before);
  free(t);
}

static void tell(struct daemon *d, json_t *now, const struct record_audit *line) {
  json_t *before = d->audited ? json_loads(d->audited, 0, NULL) : NULL;
  struct difference x = {.from = json_object(), .to = json_object()};
  compare(&x, before, now);
  if (x.count > 0) {
    struct told *t = mem_alloc(sizeof *t);
    *t = (struct told){.daemon = d, .before = d->audited};
    d->audited = json_dumps(now, JSON_COMPACT | JSON_SORT_KEYS);
    char *from = before ? json_dumps(x.from, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    char *to = json_dumps(x.to, JSON_COMPACT | JSON_SORT_KEYS);
    struct store_change change = {.line = *line, .setting = setting, .value_json = d->audited};
    change.line.from_json = from;
    change.line.to_json = to;
    store_change(d->store, &change, on_told, t);
    free(from);
    free(to);
  }
  json_decref(x.from);
  json_decref(x.to);
  json_decref(before);
}

static void on_setting(void *ctx, const struct record_setting *s) {
  struct daemon *d = ctx;
  if (strcmp(s->name, setting) == 0)
    d->audited = mem_dup(s->value_json);
}

int daemon_audit_start(struct daemon *d, struct err *err) {
  struct snapshot s = {0};
  int rc = store_settings(d->store, on_setting, d, err);
  if (rc == 0)
    rc = snapshot_take(d, &s, err);
  if (rc == 0)
    tell(d, s.object, &(struct record_audit){.who = "start", .what = "config.start"});
  json_decref(s.object);
  return rc;
}

void daemon_audit_reload(struct daemon *d, const struct config_changes *changes) {
  struct snapshot s = {0};
  struct err err = {0};
  struct buf why = {0};
  for (size_t i = 0; i < changes->count; i++) {
    const struct config_change *c = &changes->items[i];
    if (c->needs_restart && why.len < TEXT_MAX)
      buf_printf(&why, "%s[%s] %s", why.len ? ", " : "in effect at the next start: ", c->section,
                 c->key ? c->key : "");
  }
  if (snapshot_take(d, &s, &err) < 0)
    log_error("audit", "the new configuration cannot be told to the audit log: %s", err.text);
  else
    tell(d, s.object,
         &(struct record_audit){
             .who = "signal", .what = "config.reload", .why = why.len ? why.data : ""});
  json_decref(s.object);
  buf_free(&why);
}
