/* SPDX-License-Identifier: MIT */
#include "routing/models.h"

#include "base/mem.h"

#include <stdlib.h>

struct model { /* of a kind */
  char *kind;
  struct estimate pool;
  struct estimate **own; /* by the backend's index; NULL: nothing is known */
  size_t cap;
};

static struct model *find(struct models *m, const char *kind) {
  struct model *model = map_get(&m->kinds, kind);
  if (!model) {
    model = mem_alloc(sizeof *model);
    model->kind = mem_dup(kind);
    map_put(&m->kinds, model->kind, model);
  }
  return model;
}

struct estimate *models_of(struct models *m, const char *kind, const struct backend_facts *b) {
  struct model *model = find(m, kind);
  if (!b)
    return &model->pool;
  if (b->index >= model->cap) {
    size_t cap = b->index + 8;
    model->own = mem_grow(model->own, cap * sizeof *model->own);
    for (size_t i = model->cap; i < cap; i++)
      model->own[i] = NULL;
    model->cap = cap;
  }
  if (!model->own[b->index])
    model->own[b->index] = mem_alloc(sizeof **model->own);
  return model->own[b->index];
}

const char *models_next(const struct models *m, size_t *pos) {
  const struct model *model = map_next(&m->kinds, pos);
  return model ? model->kind : NULL;
}

void models_forget(struct models *m, const struct backend_facts *b) {
  size_t pos = 0;
  for (struct model *model; (model = map_next(&m->kinds, &pos));)
    if (b->index < model->cap && model->own[b->index])
      *model->own[b->index] = (struct estimate){0};
}

void models_free(struct models *m) {
  size_t pos = 0;
  for (struct model *model; (model = map_next(&m->kinds, &pos));) {
    for (size_t i = 0; i < model->cap; i++)
      free(model->own[i]);
    free(model->own);
    free(model->kind);
    free(model);
  }
  map_free(&m->kinds);
  *m = (struct models){0};
}
