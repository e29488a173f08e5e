/* SPDX-License-Identifier: MIT
 *
 * Finds the kinds' files, loads them, hands them out in the order of their names.
 */
#include "base/map.h"
#include "base/mem.h"
#include "base/path.h"
#include "jobs/kinds_private.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 1 << 20, WORD_MAX = 64 };

struct kinds {
  struct map by_name;
  struct kind **list; /* sorted by name */
  size_t count;
};

static void kind_free(struct kind *k) {
  json_decref(k->json);
  free(k->params);
  free(k);
}

void kinds_free(struct kinds *k) {
  if (!k)
    return;
  for (size_t i = 0; i < k->count; i++)
    kind_free(k->list[i]);
  free(k->list);
  map_free(&k->by_name);
  free(k);
}

static int load_file(struct kinds *k, const char *path, const char *base, struct err *err) {
  char *data;
  size_t len;
  json_error_t where;
  int rc = path_read_file(path, FILE_MAX, &data, &len, err);
  if (rc)
    return rc;
  json_t *json = json_loadb(data, len, JSON_REJECT_DUPLICATES, &where);
  free(data);
  if (!json)
    return err_set(err, ERR_INVAL, "%s:%d: %s", path, where.line, where.text);
  struct kind *kind = mem_alloc(sizeof *kind);
  kind->json = json;
  rc = kind_parse(kind, json, path, err);
  if (!rc && (strncmp(kind->name, base, strlen(kind->name)) != 0 ||
              strcmp(base + strlen(kind->name), ".json") != 0))
    rc = err_set(err, ERR_INVAL, "%s: \"kind\" is %s; the file must be called %s.json", path,
                 kind->name, kind->name);
  if (!rc && map_get(&k->by_name, kind->name))
    rc = err_set(err, ERR_INVAL, "%s: the kind %s is declared twice", path, kind->name);
  if (rc) {
    kind_free(kind);
    return rc;
  }
  map_put(&k->by_name, kind->name, kind);
  k->list = mem_grow(k->list, (k->count + 1) * sizeof *k->list);
  k->list[k->count++] = kind;
  return 0;
}

static bool is_kind_file(const char *name) {
  size_t len = strlen(name);
  return len > 5 && name[0] != '.' && strcmp(name + len - 5, ".json") == 0;
}

static int load_folder(struct kinds *k, const char *folder, struct err *err) {
  DIR *dir = opendir(folder);
  if (!dir)
    return err_sys(err, errno, "cannot read the kinds' folder %s", folder);
  int rc = 0;
  for (struct dirent *e; !rc && (e = readdir(dir));) {
    if (!is_kind_file(e->d_name))
      continue;
    char *path = path_join(folder, e->d_name);
    rc = load_file(k, path, e->d_name, err);
    free(path);
  }
  closedir(dir);
  return rc;
}

static int by_name(const void *a, const void *b) {
  return strcmp((*(struct kind *const *)a)->name, (*(struct kind *const *)b)->name);
}

int kinds_load(struct kinds **out, const char *const *folders, struct err *err) {
  struct kinds *k = mem_alloc(sizeof *k);
  int rc = 0;
  for (; !rc && *folders; folders++)
    rc = load_folder(k, *folders, err);
  if (rc) {
    kinds_free(k);
    return rc;
  }
  if (k->count > 0)
    qsort(k->list, k->count, sizeof(struct kind *), by_name);
  *out = k;
  return 0;
}

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
