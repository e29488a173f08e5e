/* SPDX-License-Identifier: MIT
 *
 * What a service writes to the client kit: headers are read strictly, a stream gives the same events
 * for any cut, and JSON that is taken is within its bounds.
 */
#include "fuzz.h"

#include "net/private.h"

#include <jansson.h>

enum { HOUR_MS = 3600 * 1000, NOW = 1600000000 };

static int32_t on_event(void *user, const struct lathe_net_event *e) {
  struct net_buf *out = user;
  MUST(e->data[e->data_len] == '\0' && *e->name);
  MUST(net_puts(out, e->name) == 0 && net_puts(out, e->id) == 0);
  MUST(net_put(out, e->data, e->data_len + 1) == 0);
  return LATHE_PENDING;
}

static void headers(const char *text) {
  int64_t range[3], pause = net_retry_after(text, NOW), date = net_date(text);
  MUST(pause == -1 || (pause >= 0 && pause <= HOUR_MS && pause % 1000 == 0));
  MUST(date == -1 || (date >= 0 && date < 253402300801));
  if (net_content_range(text, range))
    MUST(range[0] >= 0 && range[0] <= range[1] && range[1] < range[2]);
  if (net_is_strong_tag(text))
    MUST(text[0] == '"' && strlen(text) <= 250 && !strpbrk(text, "\r\n "));
  char escaped[400];
  if (lathe_net_escape(text, escaped, sizeof escaped))
    MUST(!strpbrk(escaped, "/?#&=: \"") && strcmp(escaped, "..") != 0);
}

static void head(const char *text, size_t size) {
  struct lathe_net_answer a = {.head = (char *)text, .head_len = size};
  char value[100];
  if (lathe_net_header(&a, "Retry-After", value, sizeof value))
    MUST(strlen(value) < sizeof value && !strchr(value, '\n'));
}

static void stream(const char *text, size_t size) {
  struct net_sse whole = {.most = 4096}, cut = {.most = 4096};
  struct net_buf a = {0}, b = {0};
  uint32_t seed = (uint32_t)size * 2654435761u;
  int32_t first = net_sse_feed(&whole, text, size, on_event, &a), second = LATHE_PENDING;
  for (size_t at = 0; at < size && second == LATHE_PENDING;) {
    size_t n = fuzz_cut(&seed, size - at);
    second = net_sse_feed(&cut, text + at, n, on_event, &b);
    at += n;
  }
  MUST(first == second && (first == LATHE_PENDING || first == NET_SSE_TOO_LONG));
  MUST(a.len == b.len && (!a.len || memcmp(a.data, b.data, a.len) == 0));
  net_sse_free(&whole);
  net_sse_free(&cut);
  free(a.data);
  free(b.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *text = fuzz_text(data, size);
  const char *why;
  headers(text);
  head(text, size);
  stream(text, size);
  json_t *json = net_json_of(text, size, &why);
  MUST(json ? net_json_fits(text, size, 64, 250000) : *why != '\0');
  json_decref(json);
  net_plain(text);
  for (const unsigned char *p = (unsigned char *)text; *p; p++)
    MUST(*p >= 0x20 && *p != 0x7f);
  free(text);
  return 0;
}
