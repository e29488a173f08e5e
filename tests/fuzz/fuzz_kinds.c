/* SPDX-License-Identifier: MIT
 *
 * A kind's declaration, then a NUL and parameters against it: what passes passes again, unchanged.
 */
#include "fuzz.h"

#include "base/json64.h"
#include "kinds/private.h"

static void check(const struct kind *k, const char *params, size_t len, int from_text) {
  struct buf once = {0}, twice = {0};
  struct kind_faults faults = {0}, none = {0};
  json_t *given = json64_load(params, len, JSON_REJECT_DUPLICATES, NULL);
  if (kind_check(k, given, from_text, &once, &faults) == 0) {
    json_t *full = json64_load(once.data, once.len, JSON_REJECT_DUPLICATES, NULL);
    MUST(json_is_object(full));
    MUST(kind_check(k, full, 0, &twice, &none) == 0);
    MUST(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0);
    json_decref(full);
  } else {
    json_t *list = json64_load(faults.list.data, faults.list.len, 0, NULL);
    MUST(faults.slug && *faults.err.text && json_array_size(list) > 0);
    json_decref(list);
  }
  kind_faults_free(&faults);
  kind_faults_free(&none);
  json_decref(given);
  buf_free(&once);
  buf_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
  size_t len = zero ? (size_t)(zero - data) : size;
  struct err err = {0};
  json_t *json = json64_load((const char *)data, len, JSON_REJECT_DUPLICATES, NULL);
  if (!json)
    return 0;
  struct kind k = {.json = json};
  if (kind_parse(&k, json, "fuzz.json", &err) == 0) {
    const char *params = zero ? (const char *)zero + 1 : "{}";
    size_t params_len = zero ? size - len - 1 : 2;
    check(&k, params, params_len, 0);
    check(&k, params, params_len, 1);
    MUST(kind_memory(&k, 1 << 20) >= 0);
  } else
    MUST(*err.text);
  kind_clear(&k);
  return 0;
}
