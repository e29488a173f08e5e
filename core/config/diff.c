/* SPDX-License-Identifier: MIT */
#include "base/mem.h"
#include "config/private.h"

#include <stdlib.h>
#include <string.h>

static void changes_add(struct config_changes *out, const char *section, const char *key, int what,
                        bool restart) {
  out->items = mem_grow(out->items, (out->count + 1) * sizeof(*out->items));
  out->items[out->count++] = (struct config_change){
      .section = mem_dup(section), .key = mem_dup(key), .what = what, .needs_restart = restart};
  out->needs_restart |= restart;
}

static void diff_options(const struct config_backend *a, const struct config_backend *b,
                         const char *title, bool reverse, struct config_changes *out) {
  for (size_t i = 0; i < a->option_count; i++) {
    const struct config_option *other = NULL;
    for (size_t k = 0; k < b->option_count && !other; k++)
      if (strcmp(a->options[i].key, b->options[k].key) == 0)
        other = &b->options[k];
    if (!other || (!reverse && strcmp(a->options[i].value, other->value) != 0))
      changes_add(out, title, a->options[i].key, CONFIG_CHANGED, false);
  }
}

static void diff_section(const struct config *before, const struct config *after,
                         const struct config_section *s, const struct config_section *t,
                         struct config_changes *out) {
  struct config_keys_range keys = config_keys_of(s->spec->name);
  const void *a = config_section_base(before, s), *b = config_section_base(after, t);
  for (size_t i = 0; i < keys.count; i++)
    if (!config_value_equal(&keys.first[i], a, b))
      changes_add(out, s->title, keys.first[i].key, CONFIG_CHANGED, keys.first[i].restart);
  if (strcmp(s->spec->name, "backend") == 0) {
    const struct config_backend *x = a, *y = b;
    if (strcmp(x->plugin, y->plugin) == 0 &&
        strcmp(x->plugin_path ? x->plugin_path : "", y->plugin_path ? y->plugin_path : "") != 0)
      changes_add(out, s->title, "plugin", CONFIG_CHANGED, false);
    diff_options(x, y, s->title, false, out);
    diff_options(y, x, s->title, true, out);
  }
}

void config_diff(const struct config *before, const struct config *after,
                 struct config_changes *out) {
  *out = (struct config_changes){0};
  for (size_t i = 0; i < before->section_count; i++) {
    const struct config_section *s = &before->sections[i];
    const struct config_section *t = config_section_find((struct config *)after, s->spec->name,
                                                         s->name);
    if (t)
      diff_section(before, after, s, t, out);
    else
      changes_add(out, s->title, NULL, CONFIG_REMOVED, false);
  }
  for (size_t i = 0; i < after->section_count; i++) {
    const struct config_section *t = &after->sections[i];
    if (!config_section_find((struct config *)before, t->spec->name, t->name))
      changes_add(out, t->title, NULL, CONFIG_ADDED, false);
  }
}

void config_changes_free(struct config_changes *c) {
  for (size_t i = 0; i < c->count; i++) {
    free(c->items[i].section);
    free(c->items[i].key);
  }
  free(c->items);
  *c = (struct config_changes){0};
}
