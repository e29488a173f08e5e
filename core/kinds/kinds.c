/* SPDX-License-Identifier: MIT
 *
 * Hands the kinds out in the order of their names, and what each says of itself.
 */
#include "base/nearest_word.h"
#include "kinds/private.h"

#include <string.h>

const struct kind *kinds_find(const struct kinds *k, const char *name) {
  return map_get(&k->by_name, name);
}

const struct kind *kinds_next(const struct kinds *k, const struct kind *previous) {
  size_t at = 0;
  if (previous)
    while (at < k->count && k->list[at++] != previous)
      ;
  return at < k->count ? k->list[at] : NULL;
}

static const char *nth_name(const void *ctx, size_t i) {
  const struct kinds *k = ctx;
  return k->list[i]->name;
}

const char *kinds_nearest(const struct kinds *k, const char *name) {
  return words_nearest(name, nth_name, k, k->count);
}

const char *kind_name(const struct kind *k) {
  return k->name;
}

const char *kind_owner(const struct kind *k) {
  return k->owner;
}

const json_t *kind_json(const struct kind *k) {
  return k->json;
}

int kind_inputs_min(const struct kind *k) {
  return k->inputs_min;
}

int kind_inputs_max(const struct kind *k) {
  return k->inputs_max;
}

int64_t kind_input_bytes_max(const struct kind *k) {
  return k->input_bytes_max;
}

int kind_attempts(const struct kind *k) {
  return k->attempts;
}

int64_t kind_timeout_ms(const struct kind *k) {
  return k->timeout_ms;
}

int64_t kind_memory(const struct kind *k, int64_t input_bytes) {
  return k->memory + (int64_t)(k->memory_per_input_byte * (double)input_bytes);
}

int kind_threads(const struct kind *k, const json_t *params) {
  json_int_t wish = json_integer_value(json_object_get(params, "threads"));
  if (wish > 0 && k->threads > 0)
    return wish > 1024 ? 1024 : (int)wish;
  return k->threads;
}
