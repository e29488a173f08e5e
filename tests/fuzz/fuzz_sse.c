/* SPDX-License-Identifier: MIT
 *
 * The client's reader of server-sent events: the same events for any cut.
 */
#include "fuzz.h"

#include "sse.h"

static int on_event(void *arg, const char *event, const char *id, const char *data) {
  buf_printf(arg, "%s|%s|%s\n", event, id, data);
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct sse whole = {0}, cut = {0};
  struct buf a = {0}, b = {0};
  uint32_t seed = (uint32_t)size * 2654435761u;
  MUST(sse_feed(&whole, (const char *)data, size, on_event, &a) == 0);
  for (size_t at = 0; at < size;) {
    size_t n = fuzz_cut(&seed, size - at);
    MUST(sse_feed(&cut, (const char *)data + at, n, on_event, &b) == 0);
    at += n;
  }
  MUST(a.len == b.len && (!a.len || memcmp(a.data, b.data, a.len) == 0));
  MUST(strcmp(sse_last_id(&whole), sse_last_id(&cut)) == 0 && whole.retry_ms == cut.retry_ms);
  sse_free(&whole);
  sse_free(&cut);
  buf_free(&a);
  buf_free(&b);
  return 0;
}
