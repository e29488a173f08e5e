/* SPDX-License-Identifier: MIT
 *
 * A parser of server-sent events.  An id counts only with the event that carries it:
 * where the connection breaks inside an event, the next one must begin before it.
 */
#include "sse.h"

#include <stdlib.h>
#include <string.h>

static const char *text_of(const struct buf *b) {
  return b->len ? b->data : "";
}

static int dispatch(struct sse *s, sse_event *on_event, void *arg) {
  int answer = 0;
  if (s->id.len) {
    buf_clear(&s->last_id);
    buf_put(&s->last_id, s->id.data, s->id.len);
  }
  if (s->data.len) {
    s->data.data[s->data.len - 1] = '\0'; /* the last line's LF */
    answer = on_event(arg, s->event.len ? s->event.data : "message", text_of(&s->last_id),
                      s->data.data);
  }
  buf_clear(&s->data);
  buf_clear(&s->event);
  buf_clear(&s->id);
  return answer;
}

static void field(struct sse *s) {
  char *line = s->line.data;
  char *colon = strchr(line, ':');
  const char *value = "";
  if (colon) {
    *colon = '\0';
    value = colon[1] == ' ' ? colon + 2 : colon + 1;
  }
  if (!strcmp(line, "data")) {
    buf_puts(&s->data, value);
    buf_putc(&s->data, '\n');
  } else if (!strcmp(line, "event")) {
    buf_clear(&s->event);
    buf_puts(&s->event, value);
  } else if (!strcmp(line, "id")) {
    buf_clear(&s->id);
    buf_puts(&s->id, value);
  } else if (!strcmp(line, "retry")) {
    s->retry_ms = atoi(value);
  }
}

int sse_feed(struct sse *s, const char *data, size_t len, sse_event *on_event, void *arg) {
  for (size_t i = 0; i < len; i++) {
    char c = data[i];
    if (c == '\n' && s->skip_lf) {
      s->skip_lf = false;
      continue;
    }
    s->skip_lf = c == '\r';
    if (c != '\n' && c != '\r') {
      if (s->line.len + s->data.len >= SSE_EVENT_MAX)
        return SSE_TOO_LONG;
      buf_putc(&s->line, c);
      continue;
    }
    if (s->data.len >= SSE_EVENT_MAX) /* also by empty lines of data */
      return SSE_TOO_LONG;
    int answer = 0;
    if (s->line.len)
      field(s);
    else
      answer = dispatch(s, on_event, arg);
    buf_clear(&s->line);
    if (answer)
      return answer;
  }
  return 0;
}

void sse_reconnect(struct sse *s) {
  buf_clear(&s->line);
  buf_clear(&s->data);
  buf_clear(&s->event);
  buf_clear(&s->id);
  s->skip_lf = false;
}

const char *sse_last_id(const struct sse *s) {
  return text_of(&s->last_id);
}

void sse_free(struct sse *s) {
  buf_free(&s->line);
  buf_free(&s->data);
  buf_free(&s->event);
  buf_free(&s->id);
  buf_free(&s->last_id);
}
