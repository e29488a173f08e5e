/* SPDX-License-Identifier: MIT */
#include "wire/fact.h"

#include "base/json_check.h"
#include "wire/messages.h"

#include <string.h>

enum { DEPTH = 8 };

enum sort { ANY, NUMBER, COUNT, CURRENCY };

/* The known keys that have a sort of their own; one that ends with a dot: all that begin so. */
static const struct {
  const char *key;
  enum sort sort;
} known[] = {
    {"cost.estimated", COUNT},    {"cost.actual", COUNT}, {"cost.currency", CURRENCY},
    {"memory.peak_bytes", COUNT}, {"quality.", NUMBER},   {"time.", COUNT},
};

static bool is_key(const char *key) {
  static const char set[] = "abcdefghijklmnopqrstuvwxyz0123456789._";
  size_t len = key ? strnlen(key, WIRE_FACT_KEY_MAX + 1) : 0;
  return len > 0 && len <= WIRE_FACT_KEY_MAX && key[strspn(key, set)] == '\0';
}

static enum sort sort_of(const char *key) {
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    size_t len = strlen(known[i].key);
    bool all = known[i].key[len - 1] == '.';
    if (all ? strncmp(key, known[i].key, len) == 0 : strcmp(key, known[i].key) == 0)
      return known[i].sort;
  }
  return ANY;
}

/* Is it one value, and not two with a comma between them? */
static bool is_one(const char *value, size_t len) {
  struct buf whole = {0};
  if (*value == '{')
    return json_check_object(value, len, DEPTH, true);
  bool several = *value == '"' ? false : value[strcspn(value, ",:[]{}\" ")] != '\0';
  for (size_t i = 1; *value == '"' && i + 1 < len; i++) {
    several |= value[i] == '"';
    i += value[i] == '\\';
  }
  buf_puts(&whole, "{\"v\":");
  buf_put(&whole, value, len);
  buf_putc(&whole, '}');
  bool fine = !several && json_check_object(whole.data, whole.len, DEPTH, true);
  buf_free(&whole);
  return fine && strcmp(value, "null") != 0;
}

static bool is_currency(const char *value, size_t len) {
  return len == 5 && value[0] == '"' && value[4] == '"' &&
         strspn(value + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 3;
}

const char *wire_fact_wrong(const char *key, const char *value) {
  if (!is_key(key))
    return "its key must have 1 to 64 characters of a-z 0-9 . _";
  size_t len = value ? strnlen(value, WIRE_FACT_VALUE_MAX + 1) : 0;
  if (len > WIRE_FACT_VALUE_MAX)
    return "its value has more than 4096 bytes";
  if (len == 0 || !is_one(value, len))
    return "its value must be JSON: a number, a text in quotes, true, false or an object";
  bool digit = value[0] >= '0' && value[0] <= '9';
  enum sort sort = sort_of(key);
  if (sort == COUNT && !digit)
    return "its value must be a number that is not below 0";
  if (sort == NUMBER && !digit && value[0] != '-')
    return "its value must be a number";
  if (sort == CURRENCY && !is_currency(value, len))
    return "its value must be a code of ISO 4217, as \"EUR\"";
  return NULL;
}

void wire_put_fact(struct buf *out, uint64_t token, const struct wire_fact *m) {
  size_t start = wire_begin(out, WIRE_FACT, token);
  wire_put_str(out, m->key);
  wire_put_str(out, m->value);
  wire_put_u32(out, m->weak);
  wire_end(out, start, NULL);
}

int wire_get_fact(const struct wire_frame *f, struct wire_fact *m, struct err *err) {
  struct wire_reader r = wire_reader(f);
  *m = (struct wire_fact){.key = wire_get_text(&r)};
  m->value = wire_get_text(&r);
  m->weak = wire_get_u32(&r) != 0;
  wire_require(&r, r.bad || !wire_fact_wrong(m->key, m->value), "a fact");
  return wire_reader_end(&r, "FACT", err);
}
