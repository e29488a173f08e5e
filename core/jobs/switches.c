/* SPDX-License-Identifier: MIT */
#include "jobs/switches.h"

#include "base/mem.h"
#include "jobs/life.h"
#include "jobs/release.h"
#include "observe/log.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Names of settings: what, then of which. */
static const char route_prefix[] = "route ", drained_prefix[] = "drained ";

struct kept {
  struct switched s; /* strings owned */
  char setting[];
};

static void kept_free(struct kept *k) {
  if (!k)
    return;
  free((char *)k->s.backend);
  free((char *)k->s.who);
  free((char *)k->s.why);
  free(k);
}

static const char *after(const char *setting, const char *prefix) {
  size_t len = strlen(prefix);
  return strncmp(setting, prefix, len) == 0 ? setting + len : NULL;
}

bool switches_parse(const struct record_setting *setting, struct switched *out, char **backend) {
  const char *kind = after(setting->name, route_prefix);
  const char *drained = after(setting->name, drained_prefix);
  json_t *value = json_loads(setting->value_json, JSON_DECODE_ANY, NULL);
  *backend = kind ? mem_dup(json_string_value(value)) : NULL;
  json_decref(value);
  *out = (struct switched){.of = kind ? kind : drained,
                           .backend = *backend,
                           .who = setting->who ? setting->who : "",
                           .why = setting->why ? setting->why : "",
                           .at_us = setting->at_us};
  return kind ? *backend != NULL : drained != NULL;
}

/* ---- in effect ---- */

static void tell_routing(struct jobs *j, const struct switched *s, bool holds) {
  if (s->backend) {
    routing_use(j->routing, s->of, holds ? s->backend : NULL);
    life_wake(j);
  } else if (holds) {
    char *why = mem_printf("by %s%s%s", s->who, *s->why ? ": " : "", s->why);
    jobs_bar(j, s->of, &(struct bar){.reason = ADMISSION_DRAINED, .why = why});
    free(why);
  } else {
    jobs_unbar(j, s->of, ADMISSION_DRAINED, NULL);
  }
}

static void forget(struct jobs *j, const char *setting) {
  struct kept *old = map_remove(&j->switches, setting);
  if (old)
    tell_routing(j, &old->s, false);
  kept_free(old);
}

static void keep(struct jobs *j, const struct record_setting *setting) {
  struct switched s;
  char *backend;
  if (!switches_parse(setting, &s, &backend)) {
    free(backend);
    return;
  }
  size_t len = strlen(setting->name) + 1;
  struct kept *k = mem_alloc(sizeof *k + len);
  memcpy(k->setting, setting->name, len);
  k->s = s;
  k->s.of = k->setting + (s.of - setting->name);
  k->s.who = mem_dup(s.who);
  k->s.why = mem_dup(s.why);
  forget(j, setting->name);
  map_put(&j->switches, k->setting, k);
  tell_routing(j, &k->s, true);
}

static void on_setting(void *ctx, const struct record_setting *setting) {
  keep(ctx, setting);
}

int switches_recall(struct jobs *j, struct err *err) {
  return store_settings(j->store, on_setting, j, err);
}

void switches_free(struct jobs *j) {
  size_t pos = 0;
  for (struct kept *k; (k = map_next(&j->switches, &pos));)
    kept_free(k);
  map_free(&j->switches);
}

/* ---- changes ---- */

struct asked {
  struct jobs *j;
  store_change_done *done; /* NULL: nobody waits */
  void *arg;
};

static void log_change(const struct store_changed *c) {
  const struct record_audit *l = c->line;
  const struct log_field fields[] = {{.key = "about", .text = l->about},
                                     {.key = "who", .text = l->who},
                                     {.key = "from", .text = l->from_json ? l->from_json : "null"},
                                     {.key = "to", .text = l->to_json ? l->to_json : "null"},
                                     {.key = "why", .text = l->why}};
  log_fields(LOG_INFO, l->what, fields, sizeof fields / sizeof *fields, "switched");
}

static void on_changed(void *arg, int code, const struct store_changed *c) {
  struct asked *x = arg;
  struct jobs *j = x->j;
  if (code == 0 && c->line->num > 0) {
    log_change(c);
    if (c->setting && c->value_json)
      keep(j, &(struct record_setting){.name = c->setting,
                                       .value_json = c->value_json,
                                       .at_us = c->line->at_us,
                                       .who = c->line->who,
                                       .why = c->line->why});
    else if (c->setting)
      forget(j, c->setting);
  }
  if (x->done)
    x->done(x->arg, code, c);
  free(x);
  j->requests--;
  if (j->closing)
    jobs_release(j);
}

static struct asked *asked_new(struct jobs *j, store_change_done *done, void *arg) {
  struct asked *x = mem_alloc(sizeof *x);
  *x = (struct asked){.j = j, .done = done, .arg = arg};
  j->requests++;
  return x;
}

static void change(struct jobs *j, const char *what, const char *prefix, const char *of,
                   const char *value, const struct switches_who *who, store_change_done *done,
                   void *arg) {
  char *setting = mem_printf("%s%s", prefix, of);
  store_change(j->store,
               &(struct store_change){.line = {.who = who->name,
                                               .what = what,
                                               .about = of,
                                               .why = who->why,
                                               .by_hand = !who->not_by_hand},
                                      .setting = setting,
                                      .value_json = value},
               on_changed, asked_new(j, done, arg));
  free(setting);
}

void switches_use(struct jobs *j, const char *kind, const char *backend,
                  const struct switches_who *who, store_change_done *done, void *arg) {
  const char *configured = routing_configured_first(j->routing, kind);
  struct buf value = {0};
  if (backend && configured && strcmp(backend, configured) == 0)
    backend = NULL; /* the file says so itself */
  if (backend)
    buf_put_json_str(&value, backend);
  change(j, "route.use", route_prefix, kind, value.data, who, done, arg);
  buf_free(&value);
}

void switches_drain(struct jobs *j, const char *backend, bool drained,
                    const struct switches_who *who, store_change_done *done, void *arg) {
  change(j, drained ? "backend.drain" : "backend.resume", drained_prefix, backend,
         drained ? "true" : NULL, who, done, arg);
}

void switches_note(struct jobs *j, const char *what, const char *about, const char *from_json,
                   const struct switches_who *who, store_change_done *done, void *arg) {
  store_change(j->store,
               &(struct store_change){.line = {.who = who->name,
                                               .what = what,
                                               .about = about,
                                               .from_json = from_json,
                                               .why = who->why}},
               on_changed, asked_new(j, done, arg));
}

void switches_undo(struct jobs *j, const struct switches_who *who, store_change_done *done,
                   void *arg) {
  store_undo(j->store,
             &(struct record_audit){.who = who->name, .what = "rollback", .why = who->why},
             on_changed, asked_new(j, done, arg));
}

void switches_settle(struct jobs *j, const char *who) {
  const struct switches_who settled = {
      .name = who, .why = "the file says the same now", .not_by_hand = true};
  size_t pos = 0;
  for (struct kept *k; (k = map_next(&j->switches, &pos));) {
    const char *first = k->s.backend ? routing_configured_first(j->routing, k->s.of) : NULL;
    if (first && strcmp(first, k->s.backend) == 0)
      switches_use(j, k->s.of, NULL, &settled, NULL, NULL);
  }
}

/* ---- looks ---- */

static const struct switched *find(const struct jobs *j, const char *prefix, const char *of) {
  char *setting = mem_printf("%s%s", prefix, of);
  const struct kept *k = map_get(&j->switches, setting);
  free(setting);
  return k ? &k->s : NULL;
}

const struct switched *switches_of_kind(const struct jobs *j, const char *kind) {
  return find(j, route_prefix, kind);
}

const struct switched *switches_of_backend(const struct jobs *j, const char *backend) {
  return find(j, drained_prefix, backend);
}

void switches_put(struct buf *b, const struct switched *s) {
  if (!s) {
    buf_puts(b, "null");
    return;
  }
  buf_putc(b, '{');
  if (s->backend) {
    buf_puts(b, "\"backend\":");
    buf_put_json_str(b, s->backend);
    buf_putc(b, ',');
  }
  buf_puts(b, "\"who\":");
  buf_put_json_str(b, s->who);
  buf_puts(b, ",\"why\":");
  buf_put_json_str(b, s->why);
  buf_printf(b, ",\"at\":%.6f}", (double)s->at_us / 1e6);
}
