/* SPDX-License-Identifier: MIT
 *
 * Hands the kinds out in the order of their names, and what each says of itself.
 */
#include "jobs/kinds_private.h"

#include <string.h>

enum { WORD_MAX = 64 };

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

/* Levenshtein's distance; words longer than WORD_MAX are far from everything. */
static size_t distance(const char *a, const char *b) {
  size_t la = strlen(a), lb = strlen(b);
  size_t row[WORD_MAX + 1];
  if (la > WORD_MAX || lb > WORD_MAX)
    return WORD_MAX;
  for (size_t j = 0; j <= lb; j++)
    row[j] = j;
  for (size_t i = 1; i <= la; i++) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= lb; j++) {
      size_t best = diagonal + (a[i - 1] != b[j - 1]);
      if (row[j] + 1 < best)
        best = row[j] + 1;
      if (row[j - 1] + 1 < best)
        best = row[j - 1] + 1;
      diagonal = row[j];
      row[j] = best;
    }
  }
  return row[lb];
}

const char *kinds_nearest_word(const char *word, const char *(*next)(void *ctx, size_t i),
                               void *ctx) {
  const char *best = NULL;
  size_t allowed = strlen(word) / 3 + 1, nearest = allowed + 1;
  const char *candidate;
  for (size_t i = 0; (candidate = next(ctx, i)); i++) {
    size_t d = distance(word, candidate);
    if (d < nearest) {
      nearest = d;
      best = candidate;
    }
  }
  return best;
}

static const char *nth_name(void *ctx, size_t i) {
  const struct kinds *k = ctx;
  return i < k->count ? k->list[i]->name : NULL;
}

const char *kinds_nearest(const struct kinds *k, const char *name) {
  return kinds_nearest_word(name, nth_name, (void *)k);
}

const char *kind_name(const struct kind *k) {
  return k->name;
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
