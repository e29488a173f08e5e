/* SPDX-License-Identifier: MIT
 *
 * GET /api/backends.  What a person may do with one: switch.c.
 */
#include "api/internal.h"
#include "base/clock.h"
#include "jobs/switches.h"

#include <stdio.h>
#include <string.h>

static void put_member(struct buf *b, const char *name, const char *text) {
  buf_puts(b, ",\"");
  buf_puts(b, name);
  buf_puts(b, "\":");
  buf_put_json_str(b, text);
}

/* "local-gmsh" of ".../plugins/local-gmsh.so": clients are not told paths of the server. */
static void put_plugin(struct buf *b, const char *path) {
  const char *slash = path ? strrchr(path, '/') : NULL;
  const char *name = slash ? slash + 1 : path ? path : "";
  size_t len = strlen(name);
  if (len > 3 && strcmp(name + len - 3, ".so") == 0)
    len -= 3;
  buf_puts(b, ",\"plugin\":");
  buf_put_json_strn(b, name, len);
}

/* What its plugin asks for, which no jail locks. */
static void put_rights(struct buf *b, uint32_t rights) {
  static const struct {
    uint32_t bit;
    const char *word;
  } known[] = {{BACKEND_NEEDS_NETWORK, "network"},
               {BACKEND_NEEDS_FILES, "files"},
               {BACKEND_NEEDS_DEVICES, "devices"}};
  size_t n = 0;
  buf_puts(b, ",\"rights\":[");
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (rights & known[i].bit) {
      buf_puts(b, n++ ? "," : "");
      buf_put_json_str(b, known[i].word);
    }
  buf_putc(b, ']');
}

/* Its plugin does a kind, and what the kind is was said nowhere. */
static void put_undeclared(struct buf *b, const struct backend *x, const char *kind) {
  char text[500];
  snprintf(text, sizeof text,
           "the kind %.80s is declared by no file%s, so it gets no such jobs: put %.80s.json into "
           "a folder kinds/ beside the plugin or into [server] kinds_path, and reload",
           kind,
           backend_kinds_full(x)
               ? ", and what the plugin said of it was not taken, as it has declared more than 32 "
                 "MiB of different kinds"
               : "",
           kind);
  buf_put_json_str(b, text);
}

/* What keeps a backend that may well be ready from getting jobs, or getting them right. */
static void put_warnings(struct buf *b, struct api *a, const struct backend *x) {
  const char *const *kinds = backend_kinds(x);
  size_t count, n = 0;
  const struct kinds_problem *p = kinds_problems(a->at.kinds, &count);
  buf_puts(b, ",\"warnings\":[");
  for (size_t i = 0; kinds[i]; i++) {
    if (!kinds_find(a->at.kinds, kinds[i]) && !backend_declares(x, kinds[i])) {
      buf_puts(b, n++ ? "," : "");
      put_undeclared(b, x, kinds[i]);
    }
    for (size_t k = 0; k < count; k++) {
      if (!p[k].kind || strcmp(p[k].kind, kinds[i]) != 0)
        continue;
      buf_puts(b, n++ ? "," : "");
      buf_put_json_str(b, p[k].text);
    }
  }
  buf_putc(b, ']');
}

static void put_time(struct buf *b, const char *name, int64_t mono_us) {
  buf_printf(b, ",\"%s\":", name);
  if (mono_us == 0 || mono_us == BREAKER_FOR_EVER)
    buf_puts(b, "null");
  else
    buf_put_json_time(b, clock_wall_us() + mono_us - clock_mono_us());
}

/* A force without an end has forced and no forced_until. */
static void put_breaker(struct buf *b, const struct breaker *x) {
  int64_t now = clock_mono_us(), reopens_us = breaker_reopens_us(x, false);
  bool forced = breaker_is_forced(x, now);
  buf_puts(b, ",\"breaker\":{\"state\":\"");
  buf_puts(b, breaker_state_word(breaker_state_at(x, now)));
  buf_putc(b, '"');
  put_time(b, "since", x->since_us);
  put_member(b, "reason", breaker_reason(x));
  put_time(b, "reopens_at", reopens_us > now ? reopens_us : 0);
  buf_puts(b, forced ? ",\"forced\":true" : ",\"forced\":false");
  put_time(b, "forced_until", forced ? x->hand_until_us : 0);
  buf_printf(b, ",\"openings\":%lld}", (long long)x->openings);
}

void backends_render(struct buf *b, struct api *a, const struct backend *x) {
  const char *const *kinds = backend_offers(x);
  int64_t queued = jobs_queued_for(a->at.jobs, backend_name(x));
  buf_puts(b, "{\"name\":");
  buf_put_json_str(b, backend_name(x));
  put_member(b, "state", backend_state_word(backend_state(x)));
  const char *limited = backend_limited(x);
  put_member(b, "message", limited ? limited : backend_message(x));
  put_member(b, "reason", backend_reason(x));
  int64_t resumes_us = backend_resumes_us(x);
  if (resumes_us)
    buf_printf(b, ",\"resumes_at\":%.3f", (double)resumes_us / 1e6);
  else
    buf_puts(b, ",\"resumes_at\":null");
  put_breaker(b, jobs_breaker(a->at.jobs, backend_name(x)));
  buf_puts(b, ",\"drained\":");
  switches_put(b, switches_of_backend(a->at.jobs, backend_name(x)));
  put_plugin(b, backend_plugin(x));
  put_member(b, "version", backend_plugin_version(x));
  put_member(b, "device", backend_device(x));
  put_member(b, "isolation", backend_isolation(x));
  put_rights(b, backend_rights(x));
  put_member(b, "jail", backend_jail(x));
  put_member(b, "jail_lacks", backend_jail_lacks(x));
  buf_puts(b, ",\"kinds\":[");
  for (size_t i = 0; kinds[i] && *kinds[i]; i++) {
    if (i)
      buf_putc(b, ',');
    buf_put_json_str(b, kinds[i]);
  }
  buf_putc(b, ']');
  put_warnings(b, a, x);
  buf_printf(b, ",\"slots\":%d,\"running\":%d,\"queued\":%lld,\"restarts\":%d}", backend_slots(x),
             backend_running(x), (long long)queued, backend_restarts(x));
}

void backends_list(void *ctx, struct http_request *r) {
  struct api *a = ctx;
  struct buf b = {0};
  buf_puts(&b, "{\"backends\":[");
  const struct backend *first = workers_next(a->at.workers, NULL);
  for (const struct backend *x = first; x; x = workers_next(a->at.workers, x)) {
    if (x != first)
      buf_putc(&b, ',');
    backends_render(&b, a, x);
  }
  buf_puts(&b, "]}");
  http_add_header(r, "Cache-Control", "no-store");
  api_reply_json(r, 200, &b);
}
