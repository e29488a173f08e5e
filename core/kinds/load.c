/* SPDX-License-Identifier: MIT
 *
 * Finds the kinds' files and loads them.  Third parties bring theirs, so nothing that is wrong with
 * one file may keep the others out: it becomes a problem that the log and the API show.
 */
#include "base/mem.h"
#include "base/path.h"
#include "kinds/private.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 1 << 20, PLACE_MAX = 300 };

void kind_free(struct kind *k) {
  free(k->owner);
  kind_clear(k);
  free(k);
}

static void free_problems(struct kinds *k) {
  for (size_t i = 0; i < k->problem_count; i++) {
    free(k->problems[i].kind);
    free(k->problems[i].file);
    free(k->problems[i].text);
  }
  free(k->problems);
}

void kinds_free(struct kinds *k) {
  if (!k)
    return;
  for (size_t i = 0; i < k->count; i++)
    kind_free(k->list[i]);
  for (size_t i = 0; i < k->retired_count; i++)
    kind_free(k->retired[i]);
  free_problems(k);
  free(k->list);
  free(k->retired);
  map_free(&k->by_name);
  free(k);
}

const struct kinds_problem *kinds_problems(const struct kinds *k, size_t *count) {
  *count = k->problem_count;
  return k->problems;
}

void kinds_add_problem(struct kinds *k, const char *kind, const char *file, const char *fmt, ...) {
  va_list args;
  char *text = NULL;
  va_start(args, fmt);
  if (vasprintf(&text, fmt, args) < 0)
    text = mem_dup(fmt);
  va_end(args);
  k->problems = mem_grow(k->problems, (k->problem_count + 1) * sizeof *k->problems);
  k->problems[k->problem_count++] =
      (struct kinds_problem){.kind = mem_dup(kind), .file = mem_dup(file), .text = text};
}

/* The end of a path, which is what a client may know of the server's folders:
 * "acme/kinds/mesh.json". */
static const char *tail(const char *path) {
  const char *at = path + strlen(path);
  for (int slashes = 0; at > path; at--)
    if (at[-1] == '/' && ++slashes == 3)
      break;
  return at;
}

/* ---- where two declarations differ ---- */

static bool differs_in(const json_t *a, const json_t *b, char *place, size_t size);

/* Adds ".WORD" to the place. */
static void step_into(char *place, size_t size, const char *word) {
  size_t len = strlen(place);
  snprintf(place + len, size - len, "%s%s", len ? "." : "", word);
}

static bool object_differs(const json_t *a, const json_t *b, char *place, size_t size) {
  const json_t *sides[] = {a, b};
  size_t len = strlen(place);
  for (int side = 0; side < 2; side++) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)sides[side], key, value) {
      step_into(place, size, key);
      if (differs_in(json_object_get(a, key), json_object_get(b, key), place, size))
        return true;
      place[len] = '\0';
    }
  }
  return false;
}

static bool array_differs(const json_t *a, const json_t *b, char *place, size_t size) {
  size_t len = strlen(place);
  size_t na = json_array_size(a), nb = json_array_size(b);
  for (size_t i = 0; i < na || i < nb; i++) {
    const json_t *x = json_array_get(a, i), *y = json_array_get(b, i);
    const char *name = json_string_value(json_object_get(x ? x : y, "name"));
    char number[24];
    snprintf(number, sizeof number, "%zu", i);
    step_into(place, size, name ? name : number);
    if (differs_in(x, y, place, size))
      return true;
    place[len] = '\0';
  }
  return false;
}

/* Writes the path of the first difference, as params.size.max. */
static bool differs_in(const json_t *a, const json_t *b, char *place, size_t size) {
  if (json_is_object(a) && json_is_object(b))
    return object_differs(a, b, place, size);
  if (json_is_array(a) && json_is_array(b))
    return array_differs(a, b, place, size);
  return !json_equal(a, b);
}

/* Words for people may be put differently; what is accepted and made may not. */
static void strip_words(json_t *json) {
  static const char *const words[] = {"title", "summary", "help"};
  const char *key;
  json_t *value;
  size_t i;
  for (i = 0; i < sizeof words / sizeof *words; i++)
    json_object_del(json, words[i]);
  json_object_foreach(json, key, value) {
    strip_words(value);
  }
  json_array_foreach(json, i, value) {
    strip_words(value);
  }
}

bool kinds_compare(struct kinds *k, const struct kind *first, const struct kind *second) {
  char place[PLACE_MAX] = "";
  json_t *a = json_deep_copy(first->json), *b = json_deep_copy(second->json);
  strip_words(a);
  strip_words(b);
  bool differs = differs_in(a, b, place, sizeof place);
  if (differs)
    kinds_add_problem(
        k, first->name, second->file,
        "the kind %s is declared differently in %s and in %s (first in %s): the first is "
        "used. Make them agree, or give one of the kinds another name",
        first->name, tail(first->file), tail(second->file), place);
  json_decref(a);
  json_decref(b);
  return differs;
}

/* ---- loading ---- */

/* NULL after a problem. */
static struct kind *load_file(struct kinds *k, const char *path, const char *base) {
  char *data;
  size_t len;
  json_error_t where;
  struct err err = {0};
  if (path_read_file(path, FILE_MAX, &data, &len, &err) < 0) {
    kinds_add_problem(k, NULL, path, "%s cannot be read: %s", tail(path), strerror(errno));
    return NULL;
  }
  json_t *json = json64_load(data, len, JSON_REJECT_DUPLICATES, &where);
  free(data);
  if (!json) {
    kinds_add_problem(k, NULL, path, "%s:%d: %s", tail(path), where.line, where.text);
    return NULL;
  }
  struct kind *kind = mem_alloc(sizeof *kind);
  kind->json = json;
  kind->file = mem_dup(path);
  int rc = kind_parse(kind, json, tail(path), &err);
  if (rc == 0 && (strncmp(kind->name, base, strlen(kind->name)) != 0 ||
                  strcmp(base + strlen(kind->name), ".json") != 0))
    rc = err_set(&err, ERR_INVAL, "%s: \"kind\" is %s; the file must be called %s.json", tail(path),
                 kind->name, kind->name);
  if (rc < 0) {
    kinds_add_problem(k, NULL, path, "%s", err.text);
    kind_free(kind);
    return NULL;
  }
  return kind;
}

static void add_kind(struct kinds *k, struct kind *kind) {
  const struct kind *known = kind ? map_get(&k->by_name, kind->name) : NULL;
  if (known)
    kinds_compare(k, known, kind);
  if (!kind || known) {
    if (kind)
      kind_free(kind);
    return;
  }
  map_put(&k->by_name, kind->name, kind);
  k->list = mem_grow(k->list, (k->count + 1) * sizeof *k->list);
  k->list[k->count++] = kind;
}

static int is_kind_file(const struct dirent *e) {
  size_t len = strlen(e->d_name);
  return len > 5 && e->d_name[0] != '.' && strcmp(e->d_name + len - 5, ".json") == 0;
}

static void load_folder(struct kinds *k, const char *folder) {
  struct dirent **entries;
  int count = scandir(folder, &entries, is_kind_file, alphasort);
  if (count < 0) {
    kinds_add_problem(k, NULL, folder, "the kinds' folder %s cannot be read: %s", tail(folder),
                      strerror(errno));
    return;
  }
  for (int i = 0; i < count; i++) {
    char *path = path_join(folder, entries[i]->d_name);
    add_kind(k, load_file(k, path, entries[i]->d_name));
    free(path);
    free(entries[i]);
  }
  free(entries);
}

static int by_name(const void *a, const void *b) {
  return strcmp((*(struct kind *const *)a)->name, (*(struct kind *const *)b)->name);
}

void kinds_sort(struct kinds *k) {
  if (k->count > 0)
    qsort(k->list, k->count, sizeof(struct kind *), by_name);
}

struct kinds *kinds_load(const char *const *folders) {
  struct kinds *k = mem_alloc(sizeof *k);
  for (; *folders; folders++)
    load_folder(k, *folders);
  kinds_sort(k);
  return k;
}

/* ---- a reload ---- */

void kinds_retire(struct kinds *k, struct kind *kind) {
  k->retired = mem_grow(k->retired, (k->retired_count + 1) * sizeof(struct kind *));
  k->retired[k->retired_count++] = kind;
}

/* What backends declare does not come from files; those go first. */
static void keep_declared(struct kinds *k, struct kinds *fresh) {
  for (size_t i = 0; i < k->count; i++) {
    struct kind *kind = k->list[i];
    if (!kind->owner || map_get(&fresh->by_name, kind->name))
      continue;
    map_remove(&k->by_name, kind->name);
    fresh->list = mem_grow(fresh->list, (fresh->count + 1) * sizeof *fresh->list);
    fresh->list[fresh->count++] = kind;
  }
  kinds_sort(fresh);
}

void kinds_replace(struct kinds *k, struct kinds *fresh) {
  for (size_t i = 0; i < fresh->count; i++) { /* what stayed the same keeps its address */
    struct kind *old = map_get(&k->by_name, fresh->list[i]->name);
    if (old && json_equal(old->json, fresh->list[i]->json)) {
      char *file = old->file;
      map_remove(&k->by_name, old->name);
      old->file = fresh->list[i]->file;
      fresh->list[i]->file = file;
      free(old->owner);
      old->owner = NULL;
      kind_free(fresh->list[i]);
      fresh->list[i] = old;
    }
  }
  keep_declared(k, fresh);
  for (size_t i = 0; i < k->count; i++)
    if (map_get(&k->by_name, k->list[i]->name) == k->list[i])
      kinds_retire(k, k->list[i]);
  free(k->list);
  map_free(&k->by_name);
  free_problems(k);
  k->by_name = (struct map){0};
  k->list = fresh->list;
  k->count = fresh->count;
  k->problems = fresh->problems;
  k->problem_count = fresh->problem_count;
  for (size_t i = 0; i < k->count; i++)
    map_put(&k->by_name, k->list[i]->name, k->list[i]);
  map_free(&fresh->by_name);
  free(fresh);
}
