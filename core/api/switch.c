/* SPDX-License-Identifier: MIT
 *
 * What a person switches: PUT and DELETE /api/routes/{kind}/override, POST
 * /api/backends/{name}/drain, resume, breaker and warm, POST /api/rollback.
 *
 *   body checked -> jobs/switches.h: on disk, in effect -> 200 with how it is now
 */
#include "api/fields.h"
#include "api/internal.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/nearest_word.h"
#include "jobs/switches.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BODY_MAX = 16 << 10, WHY_MAX = 500 };

static const char *who_of(const struct http_request *r) {
  return http_has_tokens(r) ? http_client(r) : "loopback";
}

/* ---- the body ---- */

struct wish {
  char *why, *backend; /* owned */
};

static void wish_free(struct wish *w) {
  free(w->why);
  free(w->backend);
}

static int take_text(char **out, const char *key, const json_t *v, struct refusal *no) {
  const char *text = json_string_value(v);
  if (!text || strlen(text) > WHY_MAX)
    return refuse(no, "bad-parameter", "%s must be a text of at most %d bytes.", key, WHY_MAX);
  for (const char *p = text; *p; p++)
    if ((unsigned char)*p < ' ' || *p == 0x7f)
      return refuse(no, "bad-parameter", "%s must be one line of text.", key);
  *out = mem_dup(text);
  return 0;
}

static int read_members(const json_t *body, bool backend, struct wish *w, struct refusal *no) {
  static const char *const names[] = {"why", "backend"};
  const char *key;
  json_t *v;
  int rc = 0;
  if (body && !json_is_object(body))
    return refuse(no, "bad-request", "The body must be a JSON object.");
  json_object_foreach((json_t *)body, key, v) {
    if (strcmp(key, "why") == 0)
      rc = take_text(&w->why, key, v, no);
    else if (backend && strcmp(key, "backend") == 0)
      rc = take_text(&w->backend, key, v, no);
    else
      rc = fields_unknown(no, "unknown-parameter", "The body has no key", key, names,
                          backend ? 2 : 1);
    if (rc < 0)
      return rc;
  }
  if (backend && !w->backend)
    return refuse(no, "bad-parameter", "The body must name a 'backend'.");
  return 0;
}

/* False after the problem was sent; else wish_free it.  backend: one must be named. */
static bool read_wish(struct http_request *r, bool backend, struct wish *w) {
  struct refusal no = {.slug = "bad-request"};
  json_t *body = NULL;
  *w = (struct wish){0};
  int rc = fields_small(r, BODY_MAX, &body, &no);
  if (rc == 0)
    rc = read_members(body, backend, w, &no);
  json_decref(body);
  if (rc == 0)
    return true;
  http_problem(r, 0, no.slug, 0, "%s", no.err.text);
  wish_free(w);
  return false;
}

static struct switches_who who(const struct http_request *r, const struct wish *w) {
  return (struct switches_who){.name = who_of(r), .why = w->why ? w->why : ""};
}

/* ---- answers ---- */

struct answer {
  struct call call;
  void (*render)(struct buf *b, struct api *a, const char *of);
  char of[]; /* the kind or the backend */
};

static struct answer *answer_new(struct api *a, struct http_request *r, const char *of,
                                 void (*render)(struct buf *b, struct api *a, const char *of)) {
  struct answer *x = mem_alloc(sizeof *x + strlen(of) + 1);
  call_init(&x->call, a, r);
  x->render = render;
  memcpy(x->of, of, strlen(of) + 1);
  return x;
}

static void reply(struct http_request *r, struct buf *b) {
  http_add_header(r, "Cache-Control", "no-store");
  api_reply_json(r, 200, b);
}

static void on_switched(void *arg, int code, const struct store_changed *c) {
  struct answer *x = arg;
  struct buf b = {0};
  (void)c;
  if (x->call.r && code < 0) {
    api_refuse(x->call.r, code, NULL);
  } else if (x->call.r) {
    x->render(&b, x->call.api, x->of);
    reply(x->call.r, &b);
  }
  free(x);
}

static void render_route(struct buf *b, struct api *a, const char *kind) {
  jobs_put_route(a->at.jobs, &(struct jobs_route_question){.kind = kind}, b);
}

/* It may have gone from the configuration meanwhile. */
static void render_backend(struct buf *b, struct api *a, const char *name) {
  const struct backend *x = workers_find(a->at.workers, name);
  if (x)
    backends_render(b, a, x);
  else
    buf_puts(b, "{}");
}

/* ---- routes ---- */

struct names { /* of the backends that may do a kind */
  const char **list;
  size_t count;
};

static bool may_do(const struct backend *x, const char *kind) {
  return !backend_kinds(x)[0] || backend_does(x, kind);
}

static bool check_backend(struct api *a, struct http_request *r, const char *kind,
                          const char *name) {
  const struct backend *x = workers_find(a->at.workers, name);
  if (x && may_do(x, kind))
    return true;
  struct names names = {0};
  for (x = workers_next(a->at.workers, NULL); x; x = workers_next(a->at.workers, x)) {
    if (!may_do(x, kind))
      continue;
    names.list = mem_grow((void *)names.list, (names.count + 1) * sizeof *names.list);
    names.list[names.count++] = backend_name(x);
  }
  const char *near = words_nearest_of(name, names.list, names.count);
  http_problem(r, 0, "unknown-backend", 0,
               "There is no backend '%.60s' that does the kind '%.60s'%s%s%s", name, kind,
               near ? "; did you mean '" : "; GET /api/backends lists all", near ? near : "",
               near ? "'?" : ".");
  free((void *)names.list);
  return false;
}

/* The kind of the path; NULL after the 404 was sent. */
static const char *route_kind(struct api *a, struct http_request *r) {
  const char *kind = http_param(r, "kind");
  if (kinds_find(a->at.kinds, kind) || jobs_has_route(a->at.jobs, kind) ||
      switches_of_kind(a->at.jobs, kind))
    return kind;
  api_unknown_kind(a, r, kind);
  return NULL;
}

void switch_use(void *ctx, struct http_request *r) {
  struct api *a = ctx;
  struct wish w;
  const char *kind = route_kind(a, r);
  if (!kind || !read_wish(r, true, &w))
    return;
  if (check_backend(a, r, kind, w.backend)) {
    const struct switches_who asks = who(r, &w);
    api_log_asked(r, "route.use", "kind", kind);
    switches_use(a->at.jobs, kind, w.backend, &asks, on_switched,
                 answer_new(a, r, kind, render_route));
  }
  wish_free(&w);
}

void switch_unuse(void *ctx, struct http_request *r) {
  struct api *a = ctx;
  const char *kind = route_kind(a, r);
  if (!kind)
    return;
  const struct switches_who asks = {.name = who_of(r), .why = ""};
  api_log_asked(r, "route.use", "kind", kind);
  switches_use(a->at.jobs, kind, NULL, &asks, on_switched, answer_new(a, r, kind, render_route));
}

/* ---- backends ---- */

/* The backend of the path; NULL after the 404 was sent. */
static struct backend *path_backend(struct api *a, struct http_request *r) {
  const char *name = http_param(r, "name");
  struct backend *x = workers_find(a->at.workers, name);
  if (!x)
    http_problem(r, 0, "not-found", 0, "There is no backend '%.60s'; GET /api/backends lists all.",
                 name);
  return x;
}

/* What paused or slowed it is mended, and it is well though it was cut off.  Why it got no jobs; NULL:
 * it was none of that. */
static const char *let_go_on(struct api *a, struct backend *x) {
  const char *was = backend_reason(x);
  bool paused = workers_resume(x), cut_off = jobs_breaker_reset(a->at.jobs, backend_name(x));
  return paused && was ? was : paused ? "slowed" : cut_off ? "breaker" : NULL;
}

static void drain(struct api *a, struct http_request *r, bool drained) {
  struct wish w;
  struct backend *x = path_backend(a, r);
  if (!x || !read_wish(r, false, &w))
    return;
  const struct switches_who asks = who(r, &w);
  api_log_asked(r, drained ? "backend.drain" : "backend.resume", "backend", backend_name(x));
  const char *name = backend_name(x);
  struct answer *answer = answer_new(a, r, name, render_backend);
  const char *was = drained ? NULL : let_go_on(a, x);
  if (was && !switches_of_backend(a->at.jobs, name)) {
    char *from = mem_printf("\"%s\"", was);
    switches_note(a->at.jobs, "backend.resume", name, from, &asks, on_switched, answer);
    free(from);
  } else {
    switches_drain(a->at.jobs, name, drained, &asks, on_switched, answer);
  }
  wish_free(&w);
}

void switch_drain(void *ctx, struct http_request *r) {
  drain(ctx, r, true);
}

/* Lifts a drain, and what paused, slowed or cut it off; one of which nothing holds is not changed. */
void switch_resume(void *ctx, struct http_request *r) {
  drain(ctx, r, false);
}

/* ---- a breaker, by hand ---- */

enum { FOR_MOST_S = 366 * 86400 };

struct force {
  struct wish wish;
  enum breaker_hand hand;
  int64_t for_s; /* 0: until a person says otherwise */
};

static int read_force(const json_t *body, struct force *f, struct refusal *no) {
  static const char *const names[] = {"state", "for_s", "why"};
  const char *key, *state = json_string_value(json_object_get(body, "state"));
  json_t *v;
  int rc = 0;
  json_object_foreach((json_t *)body, key, v) {
    if (strcmp(key, "why") == 0)
      rc = take_text(&f->wish.why, key, v, no);
    else if (strcmp(key, "for_s") == 0 && (!json_is_integer(v) || json_integer_value(v) < 1 ||
                                           json_integer_value(v) > FOR_MOST_S))
      rc = refuse(no, "bad-parameter", "for_s must be whole seconds, 1 to %d.", FOR_MOST_S);
    else if (strcmp(key, "for_s") == 0)
      f->for_s = json_integer_value(v);
    else if (strcmp(key, "state") != 0)
      rc = fields_unknown(no, "unknown-parameter", "The body has no key", key, names, 3);
    if (rc < 0)
      return rc;
  }
  f->hand = state && strcmp(state, "open") == 0     ? BREAKER_FORCED_OPEN
            : state && strcmp(state, "closed") == 0 ? BREAKER_FORCED_CLOSED
                                                    : BREAKER_BY_ITSELF;
  if (f->hand == BREAKER_BY_ITSELF)
    return refuse(
        no, "bad-parameter",
        "state must be \"open\" or \"closed\"; POST .../resume leaves it to itself again.");
  return 0;
}

static void force(struct api *a, struct http_request *r, struct backend *x, const struct force *f) {
  const char *name = backend_name(x);
  const struct switches_who asks = who(r, &f->wish);
  int64_t until_us = f->for_s ? clock_wall_us() + f->for_s * 1000000 : BREAKER_FOR_EVER;
  char *from = mem_printf("\"%s\"", breaker_state_word(breaker_state_at(
                                        jobs_breaker(a->at.jobs, name), clock_mono_us())));
  api_log_asked(r, "backend.breaker", "backend", name);
  jobs_breaker_force(a->at.jobs, name, f->hand, until_us);
  switches_note(a->at.jobs, f->hand == BREAKER_FORCED_OPEN ? "breaker.open" : "breaker.close", name,
                from, &asks, on_switched, answer_new(a, r, name, render_backend));
  free(from);
}

void switch_breaker(void *ctx, struct http_request *r) {
  struct api *a = ctx;
  struct refusal no = {.slug = "bad-request"};
  struct force f = {0};
  json_t *body = NULL;
  struct backend *x = path_backend(a, r);
  if (!x)
    return;
  int rc = fields_small(r, BODY_MAX, &body, &no);
  if (rc == 0)
    rc = read_force(body, &f, &no);
  json_decref(body);
  if (rc == 0)
    force(a, r, x, &f);
  else
    http_problem(r, 0, no.slug, 0, "%s", no.err.text);
  wish_free(&f.wish);
}

void switch_warm(void *ctx, struct http_request *r) {
  struct api *a = ctx;
  struct buf b = {0};
  struct backend *x = path_backend(a, r);
  if (!x || !fields_none(r))
    return;
  api_log_asked(r, "backend.warm", "backend", backend_name(x));
  workers_warm(x);
  backends_render(&b, a, x);
  reply(r, &b);
}

/* ---- rollback ---- */

static void on_undone(void *arg, int code, const struct store_changed *c) {
  struct call *x = arg;
  struct buf b = {0};
  if (x->r && code == ERR_NOT_FOUND) {
    http_problem(x->r, 0, "nothing-to-undo", 0,
                 "Nothing that was switched by hand is left to be undone.");
  } else if (x->r && code < 0) {
    api_refuse(x->r, code, NULL);
  } else if (x->r) {
    audit_render(&b, c->line);
    reply(x->r, &b);
  }
  free(x);
}

void switch_rollback(void *ctx, struct http_request *r) {
  struct api *a = ctx;
  struct wish w;
  if (!read_wish(r, false, &w))
    return;
  const struct switches_who asks = who(r, &w);
  api_log_asked(r, "rollback", "who", asks.name);
  switches_undo(a->at.jobs, &asks, on_undone, call_new(a, r));
  wish_free(&w);
}
