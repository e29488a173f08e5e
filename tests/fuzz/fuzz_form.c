/* SPDX-License-Identifier: MIT
 *
 * multipart/form-data: the same parts for any cut and any pause.  The first line is the
 * Content-Type, the rest the body.
 */
#include "fuzz.h"

#include "base/buf.h"
#include "http/form.h"

struct seen {
  struct buf text;
  uint32_t seed;
  int pauses, open; /* pauses 0: never stops */
};

static int maybe_pause(struct seen *s) {
  if (!s->pauses)
    return 0;
  s->seed = s->seed * 1664525u + 1013904223u;
  return s->seed >> 30 == 0;
}

static int on_begin(void *arg, const struct form_part *part, struct err *err) {
  struct seen *s = arg;
  (void)err;
  MUST(!s->open && part->name);
  s->open = 1;
  buf_printf(&s->text, "\n<%s|%s>", part->name, part->filename ? part->filename : "");
  return maybe_pause(s);
}

static int on_data(void *arg, const void *data, size_t len, struct err *err) {
  struct seen *s = arg;
  (void)err;
  MUST(s->open && len);
  buf_put(&s->text, data, len);
  return maybe_pause(s);
}

static int on_end(void *arg, struct err *err) {
  struct seen *s = arg;
  (void)err;
  MUST(s->open);
  s->open = 0;
  buf_puts(&s->text, "</>");
  return maybe_pause(s);
}

/* Returns what form_end says at last, or the error. */
static int parse(const char *type, const uint8_t *body, size_t size, struct seen *s, int cut) {
  struct form_events events = {on_begin, on_data, on_end, s};
  struct form *f = NULL;
  struct err err = {0};
  int rc = form_new(&f, type, &events, &err);
  for (size_t at = 0; rc >= 0 && at < size;) {
    size_t n = cut ? fuzz_cut(&s->seed, size - at) : size - at, used = 0;
    rc = form_feed(f, (const char *)body + at, n, &used, &err);
    MUST(used <= n && (rc != 0 || used == n));
    at += used;
  }
  while (rc > 0) { /* it stopped at the very end */
    size_t used = 0;
    rc = form_feed(f, "", 0, &used, &err);
  }
  if (rc == 0)
    rc = form_end(f, &err);
  MUST(rc >= 0 || *err.text);
  form_free(f);
  return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const uint8_t *line = size ? memchr(data, '\n', size) : NULL;
  if (!line)
    return 0;
  char *type = fuzz_text(data, (size_t)(line - data));
  const uint8_t *body = line + 1;
  size_t len = size - (size_t)(body - data);
  struct seen whole = {0}, cut = {.seed = (uint32_t)size * 2654435761u, .pauses = 1};
  int a = parse(type, body, len, &whole, 0), b = parse(type, body, len, &cut, 1);
  MUST(a == b);
  if (a == 0)
    MUST(whole.text.len == cut.text.len &&
         (!whole.text.len || memcmp(whole.text.data, cut.text.data, whole.text.len) == 0));
  buf_free(&whole.text);
  buf_free(&cut.text);
  free(type);
  return 0;
}
