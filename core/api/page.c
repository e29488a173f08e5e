/* SPDX-License-Identifier: MIT */
#include "api/page.h"

#include "api/base64.h"
#include "api/internal.h"

#include <string.h>

static const char version[] = "1:";

void page_token(int64_t before_num, struct buf *out) {
  struct buf plain = {0};
  buf_puts(&plain, version);
  buf_put_i64(&plain, before_num);
  base64url_encode(plain.data, plain.len, out);
  buf_free(&plain);
}

void page_end(struct buf *out, int64_t before_num) {
  buf_puts(out, "\"next_page_token\":");
  if (before_num > 0) {
    buf_putc(out, '"');
    page_token(before_num, out);
    buf_puts(out, "\"}");
  } else {
    buf_puts(out, "null}");
  }
}

bool page_token_parse(const char *token, int64_t *before_num) {
  struct buf plain = {0};
  size_t lead = sizeof version - 1;
  bool ok = strlen(token) < 100 && base64url_decode(token, &plain) == 0 && plain.len > lead &&
            memchr(plain.data, 0, plain.len) == NULL && memcmp(plain.data, version, lead) == 0 &&
            api_parse_number(plain.data + lead, INT64_MAX, before_num) && *before_num > 0;
  buf_free(&plain);
  return ok;
}

bool page_id_prefix(struct http_request *r, const char *const *others, char out[ID_SIZE]) {
  const char *text = http_query(r, "id_prefix");
  out[0] = '\0';
  if (!text || !*text)
    return true;
  if (!id_prefix(text, out)) {
    http_problem(r, 0, "bad-request", 0,
                 "id_prefix '%.40s' cannot begin an id; ids are %d of the digits 0-9 and A-Z "
                 "without I, L, O and U.",
                 text, ID_LEN);
    return false;
  }
  for (; *others; others++) {
    const char *other = http_query(r, *others);
    if (other && *other) {
      http_problem(r, 0, "bad-request", 0, "id_prefix goes with limit alone; leave %s out.",
                   *others);
      return false;
    }
  }
  return true;
}
