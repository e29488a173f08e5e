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

bool page_token_parse(const char *token, int64_t *before_num) {
  struct buf plain = {0};
  size_t lead = sizeof version - 1;
  bool ok = strlen(token) < 100 && base64url_decode(token, &plain) == 0 && plain.len > lead &&
            memchr(plain.data, 0, plain.len) == NULL && memcmp(plain.data, version, lead) == 0 &&
            api_parse_number(plain.data + lead, INT64_MAX, before_num) && *before_num > 0;
  buf_free(&plain);
  return ok;
}
