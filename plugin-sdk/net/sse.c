/* SPDX-License-Identifier: MIT
 *
 * Server-sent events (WHATWG HTML, 9.2.6), in pieces of any size.  An id counts with the event that
 * carries it: where a stream breaks inside an event, the next one must begin before it.
 */
#include "private.h"

#include <stdlib.h>
#include <string.h>

static void clear(struct net_buf *b) {
  b->len = 0;
  if (b->data)
    *b->data = '\0';
}

static const char *text_of(const struct net_buf *b) {
  return b->len ? b->data : "";
}

static int32_t dispatch(struct net_sse *s, lathe_net_on_event *on_event, void *user) {
  int32_t answer = LATHE_PENDING;
  if (s->id.len) { /* its first byte says that there is one; what follows may be empty */
    clear(&s->last_id);
    if (net_put(&s->last_id, s->id.data + 1, s->id.len - 1) != 0)
      return NET_SSE_NO_MEMORY;
  }
  if (s->data.len) {
    s->data.data[--s->data.len] = '\0'; /* the last line's LF */
    struct lathe_net_event event = {.name = s->name.len ? s->name.data : "message",
                                    .id = text_of(&s->last_id),
                                    .data = s->data.data,
                                    .data_len = s->data.len};
    answer = on_event(user, &event);
  }
  clear(&s->data);
  clear(&s->name);
  clear(&s->id);
  return answer;
}

static int field(struct net_sse *s) {
  const char *line = s->line.data, *colon = memchr(line, ':', s->line.len), *value = "";
  size_t name = colon ? (size_t)(colon - line) : s->line.len, len = 0;
  if (colon) {
    value = colon + 1;
    len = s->line.len - name - 1;
    if (len && *value == ' ')
      value++, len--;
  }
  if (name == 4 && !memcmp(line, "data", 4))
    return net_put(&s->data, value, len) | net_put(&s->data, "\n", 1);
  if (name == 5 && !memcmp(line, "event", 5)) {
    clear(&s->name);
    return memchr(value, '\0', len) ? 0 : net_put(&s->name, value, len);
  }
  if (name == 2 && !memcmp(line, "id", 2) && !memchr(value, '\0', len)) {
    clear(&s->id);
    return net_put(&s->id, "=", 1) | net_put(&s->id, value, len);
  }
  return 0;
}

int32_t net_sse_feed(struct net_sse *s, const char *data, size_t len, lathe_net_on_event *on_event,
                     void *user) {
  for (size_t i = 0; i < len; i++) {
    char c = data[i];
    if (c == '\n' && s->skip_lf) {
      s->skip_lf = false;
      continue;
    }
    s->skip_lf = c == '\r';
    if (s->line.len + s->data.len >= s->most) /* also by empty lines of data */
      return NET_SSE_TOO_LONG;
    if (c != '\n' && c != '\r') {
      if (net_put(&s->line, &c, 1) != 0)
        return NET_SSE_NO_MEMORY;
      continue;
    }
    int32_t answer = LATHE_PENDING;
    bool marked = !s->begun && s->line.len >= 3 && !memcmp(s->line.data, "\xef\xbb\xbf", 3);
    s->begun = true;
    if (marked) {
      memmove(s->line.data, s->line.data + 3, s->line.len - 2); /* with the NUL */
      s->line.len -= 3;
    }
    if (!s->line.len)
      answer = dispatch(s, on_event, user);
    else if (field(s) != 0)
      return NET_SSE_NO_MEMORY;
    clear(&s->line);
    if (answer != LATHE_PENDING)
      return answer;
  }
  return LATHE_PENDING;
}

void net_sse_free(struct net_sse *s) {
  struct net_buf *all[] = {&s->line, &s->name, &s->id, &s->data, &s->last_id};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    free(all[i]->data);
  *s = (struct net_sse){0};
}
