/* SPDX-License-Identifier: MIT
 *
 * Kinds that plugins declare, beside those of files:
 *
 *   file > the backend that declares it already > the others, in their order
 */
#include "base/mem.h"
#include "kinds/private.h"

#include <stdlib.h>
#include <string.h>

/* NULL after *err. */
static struct kind *parse_text(const char *name, const char *backend, const char *text,
                               struct err *err) {
  json_error_t where;
  struct kind *kind = mem_alloc(sizeof *kind);
  kind->file = mem_printf("backend %s", backend);
  kind->owner = mem_dup(backend);
  kind->json = json64_load(text, strlen(text), JSON_REJECT_DUPLICATES, &where);
  char *place = mem_printf("%s, kind %s", kind->file, name);
  int rc = kind->json ? kind_parse(kind, kind->json, place, err)
                      : err_set(err, ERR_INVAL, "%s, line %d: %s", place, where.line, where.text);
  if (rc == 0 && strcmp(kind->name, name) != 0)
    rc = err_set(err, ERR_INVAL, "%s: \"kind\" is %s", place, kind->name);
  free(place);
  if (rc == 0)
    return kind;
  kind_free(kind);
  return NULL;
}

int kinds_check_text(const char *kind, const char *json, struct err *err) {
  struct kind *k = parse_text(kind, "", json, err);
  if (!k)
    return ERR_INVAL;
  kind_free(k);
  return 0;
}

/* ---- the new state beside the old one ---- */

struct overlay {
  struct kinds *k;
  struct kind **list; /* what is declared now */
  size_t count;
  bool changed;
};

static struct kind *find(const struct overlay *o, const char *name) {
  for (size_t i = 0; i < o->count; i++)
    if (strcmp(o->list[i]->name, name) == 0)
      return o->list[i];
  return NULL;
}

/* Of one backend, with the same text. */
static bool is_same(const struct kind *old, const struct kind *fresh) {
  return old->owner && strcmp(old->owner, fresh->owner) == 0 &&
         strcmp(old->name, fresh->name) == 0 && json_equal(old->json, fresh->json);
}

static bool is_owner(const struct kinds *k, const struct kinds_declaration *d) {
  const struct kind *kind = map_get(&k->by_name, d->kind);
  return kind && kind->owner && strcmp(kind->owner, d->backend) == 0;
}

/* The same as `fresh`, which was withdrawn: it comes back, or each return would need the room of one
 * more.  NULL: there is none. */
static struct kind *take_retired(struct kinds *k, const struct kind *fresh) {
  for (size_t i = 0; i < k->retired_count; i++) {
    struct kind *old = k->retired[i];
    if (!is_same(old, fresh))
      continue;
    k->retired[i] = k->retired[--k->retired_count];
    return old;
  }
  return NULL;
}

static void add(struct overlay *o, struct kinds_declaration *d) {
  struct err err = {0};
  struct kind *known = map_get(&o->k->by_name, d->kind), *taken = find(o, d->kind);
  struct kind *fresh = parse_text(d->kind, d->backend, d->json, &err);
  struct kind *first = known && !known->owner ? known : taken;
  d->differs = !fresh;
  if (!fresh) {
    kinds_add_problem(o->k, d->kind, d->backend, "%s", err.text);
    return;
  }
  if (first) {
    d->differs = kinds_compare(o->k, first, fresh);
    kind_free(fresh);
    return;
  }
  bool stays = known && is_same(known, fresh);
  struct kind *old = stays ? known : take_retired(o->k, fresh);
  if (old)
    kind_free(fresh);
  o->list = mem_grow(o->list, (o->count + 1) * sizeof *o->list);
  o->list[o->count++] = old ? old : fresh;
  o->changed |= !stays;
}

/* The declared ones of before go, but for those that stay. */
static void replace(struct overlay *o) {
  struct kinds *k = o->k;
  size_t kept = 0;
  for (size_t i = 0; i < k->count; i++) {
    struct kind *old = k->list[i];
    if (!old->owner) {
      k->list[kept++] = old;
      continue;
    }
    map_remove(&k->by_name, old->name);
    if (find(o, old->name) == old)
      continue;
    kinds_retire(k, old);
    o->changed = true;
  }
  k->list = mem_grow(k->list, (kept + o->count + 1) * sizeof(struct kind *));
  for (size_t i = 0; i < o->count; i++) {
    k->list[kept++] = o->list[i];
    map_put(&k->by_name, o->list[i]->name, o->list[i]);
  }
  k->count = kept;
  kinds_sort(k);
}

/* ---- problems ---- */

/* Takes the problems of declared kinds out; returns their texts. */
static char *take_problems(struct kinds *k) {
  struct buf texts = {0};
  size_t kept = 0;
  for (size_t i = 0; i < k->problem_count; i++) {
    struct kinds_problem *p = &k->problems[i];
    if (!p->declared) {
      k->problems[kept++] = *p;
      continue;
    }
    buf_puts(&texts, p->text);
    free(p->kind);
    free(p->file);
    free(p->text);
  }
  k->problem_count = kept;
  return buf_take(&texts);
}

/* Marks those from `first` on; are their texts others than before? */
static bool mark_problems(struct kinds *k, size_t first, const char *before) {
  struct buf texts = {0};
  for (size_t i = first; i < k->problem_count; i++) {
    k->problems[i].declared = true;
    buf_puts(&texts, k->problems[i].text);
  }
  bool others = strcmp(texts.data ? texts.data : "", before) != 0;
  buf_free(&texts);
  return others;
}

bool kinds_declare(struct kinds *k, struct kinds_declaration *list, size_t count) {
  struct overlay o = {.k = k};
  char *before = take_problems(k);
  size_t first = k->problem_count;
  for (size_t i = 0; i < count; i++)
    if (is_owner(k, &list[i]))
      add(&o, &list[i]);
  for (size_t i = 0; i < count; i++)
    if (!is_owner(k, &list[i]))
      add(&o, &list[i]);
  replace(&o);
  o.changed |= mark_problems(k, first, before);
  free(before);
  free(o.list);
  return o.changed;
}
