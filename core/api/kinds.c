/* SPDX-License-Identifier: MIT
 *
 * GET /api/kinds and GET /api/kinds/{name}: the declarations, and which backends do each.
 */
#include "api/internal.h"

#include "base/json64.h"
#include "base/string_list.h"

#include <stdlib.h>
#include <string.h>

static void put_kind(struct buf *b, struct api *a, const struct kind *k) {
  char *text = json64_dump(kind_json(k), JSON_COMPACT);
  size_t len = strlen(text);
  buf_put(b, text, len - 1); /* its closing brace comes after ours */
  free(text);
  buf_puts(b, ",\"declared_by\":");
  buf_put_json_str(b, kind_owner(k));
  buf_puts(b, ",\"backends\":[");
  int n = 0;
  for (const struct backend *x = workers_next(a->at.workers, NULL); x;
       x = workers_next(a->at.workers, x)) {
    if (!string_list_has(backend_offers(x), kind_name(k)))
      continue;
    if (n++)
      buf_putc(b, ',');
    buf_put_json_str(b, backend_name(x));
  }
  buf_puts(b, "]}");
}

void kinds_list(void *ctx, struct http_request *r) {
  struct api *a = ctx;
  struct buf b = {0};
  buf_puts(&b, "{\"kinds\":[");
  const struct kind *first = kinds_next(a->at.kinds, NULL);
  for (const struct kind *k = first; k; k = kinds_next(a->at.kinds, k)) {
    if (k != first)
      buf_putc(&b, ',');
    put_kind(&b, a, k);
  }
  buf_puts(&b, "],\"problems\":[");
  size_t count;
  const struct kinds_problem *p = kinds_problems(a->at.kinds, &count);
  for (size_t i = 0; i < count; i++) {
    buf_puts(&b, i ? ",{\"kind\":" : "{\"kind\":");
    buf_put_json_str(&b, p[i].kind);
    buf_puts(&b, ",\"text\":");
    buf_put_json_str(&b, p[i].text);
    buf_putc(&b, '}');
  }
  buf_puts(&b, "]}");
  api_reply_json(r, 200, &b);
}

void kinds_get(void *ctx, struct http_request *r) {
  struct api *a = ctx;
  const char *name = http_param(r, "name");
  const struct kind *k = kinds_find(a->at.kinds, name);
  struct buf b = {0};
  if (!k) {
    api_unknown_kind(a, r, name);
    return;
  }
  put_kind(&b, a, k);
  api_reply_json(r, 200, &b);
}
