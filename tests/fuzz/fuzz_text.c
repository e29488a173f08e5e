/* SPDX-License-Identifier: MIT
 *
 * The short texts of the API: page tokens, ids of events (Last-Event-ID), base64, ids, names of
 * files, sizes and times.
 */
#include "fuzz.h"

#include "api/base64.h"
#include "api/internal.h"
#include "api/page.h"
#include "base/path.h"
#include "base/units.h"
#include "base/utf8.h"

static void page(const char *text) {
  struct buf token = {0};
  int64_t before = -1, again = -1;
  if (page_token_parse(text, &before)) {
    page_token(before, &token);
    buf_putc(&token, '\0');
    MUST(page_token_parse(token.data, &again) && again == before);
  }
  buf_free(&token);
}

static void event_id(const char *text) {
  int64_t value = -1;
  if (api_parse_number(text, INT64_MAX, &value))
    MUST(value >= 0 && strspn(text, "0123456789") == strlen(text));
}

static void base64(const uint8_t *data, size_t size, const char *text) {
  struct buf coded = {0}, back = {0};
  struct err err = {0};
  base64url_encode(data, size, &coded);
  buf_putc(&coded, '\0');
  MUST(base64url_decode(coded.data, &back) == 0);
  MUST(back.len == size && (!size || memcmp(back.data, data, size) == 0));
  buf_clear(&back);
  if (base64_decode(text, strlen(text), &back, &err) == 0)
    MUST(back.len <= strlen(text) / 4 * 3 + 3);
  else
    MUST(*err.text);
  buf_clear(&back);
  base64url_decode(text, &back);
  buf_free(&coded);
  buf_free(&back);
}

static void names(const char *text) {
  char id[ID_SIZE], name[201];
  if (id_prefix(text, id))
    MUST(strlen(id) <= ID_LEN);
  if (id_is_valid(text))
    MUST(strlen(text) == ID_LEN);
  path_plain_name(text, name, sizeof name);
  MUST(path_is_plain_name(name) && !strchr(name, '/'));
}

static void units(const char *text) {
  struct err err = {0};
  int64_t value;
  double share;
  int yes;
  if (units_size(text, &value, &err) == 0)
    MUST(value >= 0);
  if (units_duration(text, &value, &err) == 0)
    MUST(value >= 0);
  units_share(text, &share, &err);
  units_bool(text, &yes, &err);
  units_int(text, &value, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *text = fuzz_text(data, size);
  page(text);
  event_id(text);
  base64(data, size, text);
  names(text);
  units(text);
  free(text);
  return 0;
}
