/* SPDX-License-Identifier: MIT
 *
 * Targets of requests: segments and pairs are within their bounds, and a decoded segment that is
 * written with every byte encoded is the same segment.
 */
#include "fuzz.h"

#include "base/buf.h"
#include "http/uri.h"

static void encode(struct buf *out, const char *text) {
  for (; *text; text++)
    buf_printf(out, "%%%02X", (unsigned char)*text);
}

static void again(const struct uri *u) {
  struct buf target = {0};
  for (size_t i = 0; i < u->segment_count; i++) {
    buf_putc(&target, '/');
    encode(&target, u->segments[i]);
  }
  buf_puts(&target, u->segment_count ? "" : "/");
  for (size_t i = 0; i < u->query_count; i++) {
    buf_putc(&target, i ? '&' : '?');
    encode(&target, u->query[i].name);
    buf_putc(&target, '=');
    encode(&target, u->query[i].value);
  }
  buf_putc(&target, '\0');
  struct uri v = {0};
  MUST(uri_parse(&v, target.data) == NULL);
  MUST(v.segment_count == u->segment_count && v.query_count == u->query_count);
  for (size_t i = 0; i < u->segment_count; i++)
    MUST(strcmp(u->segments[i], v.segments[i]) == 0);
  for (size_t i = 0; i < u->query_count; i++) {
    MUST(strcmp(u->query[i].name, v.query[i].name) == 0 &&
         strcmp(u->query[i].value, v.query[i].value) == 0);
    MUST(uri_query(u, u->query[i].name));
  }
  uri_free(&v);
  buf_free(&target);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *target = fuzz_text(data, size);
  struct uri u = {0};
  const char *wrong = uri_parse(&u, target);
  if (wrong)
    MUST(*wrong && u.raw);
  else {
    MUST(u.segment_count <= URI_SEGMENTS_MAX && u.query_count <= URI_QUERY_MAX);
    if (!u.asterisk)
      again(&u);
  }
  uri_free(&u);
  free(target);
  return 0;
}
