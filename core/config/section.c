/* SPDX-License-Identifier: MIT
 *
 * Sections and keys while they are still texts: what is unknown, misspelt or given twice is found
 * here.
 */
#include "base/mem.h"
#include "config/private.h"

#include <stdlib.h>
#include <string.h>

enum { NAME_LONGEST = 63 };

struct config_section *config_section_find(struct config *c, const char *type, const char *name) {
  for (size_t i = 0; i < c->section_count; i++) {
    struct config_section *s = &c->sections[i];
    if (strcmp(s->spec->name, type) == 0 && (!name || strcmp(s->name, name) == 0))
      return s;
  }
  return NULL;
}

struct config_section *config_section_add(struct config *c, const struct config_section_spec *spec,
                                          const char *name) {
  c->sections = mem_grow(c->sections, (c->section_count + 1) * sizeof(*c->sections));
  struct config_section *s = &c->sections[c->section_count++];
  *s = (struct config_section){
      .spec = spec,
      .name = mem_dup(name),
      .title = mem_printf("%s%s%s", spec->name, name ? " " : "", name ? name : ""),
      .values = mem_array(config_keys_of(spec->name).count, sizeof(struct config_value)),
  };
  return s;
}

static bool section_name_is_good(const char *name) {
  static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  size_t len = strlen(name);
  return len > 0 && len <= NAME_LONGEST && strspn(name, allowed) == len && name[0] != '.' &&
         name[0] != '-' && !strstr(name, "__");
}

static const char *spec_name(const void *ctx, size_t i) {
  (void)ctx;
  return config_section_specs[i].name;
}

const struct config_section_spec *config_section_check(struct config_load *l, const char *type,
                                                       const char *name, const char *where,
                                                       int line) {
  const struct config_section_spec *spec = config_section_spec_find(type);
  if (!spec) {
    const char *near = words_nearest(type, spec_name, NULL, config_section_spec_count);
    config_error(l, where, line, "there is no section [%.60s]%s%s%s", type,
                 near ? "; did you mean [" : "", near ? near : "", near ? "]?" : "");
  } else if (spec->future) {
    config_error(l, where, line, "this version does not know [%s%s] yet; remove the section", type,
                 spec->argument ? " ..." : "");
  } else if (spec->argument && !name) {
    config_error(l, where, line, "[%s] needs a name: [%s %s]", type, type, spec->argument);
  } else if (!spec->argument && name) {
    config_error(l, where, line, "[%s] takes no name; write [%s]", type, type);
  } else if (name && !section_name_is_good(name)) {
    config_error(l, where, line,
                 "\"%.80s\" cannot be a name: at most %d letters, digits, '.', '_' and '-', no "
                 "\"__\"",
                 name, NAME_LONGEST);
  } else {
    return spec;
  }
  return NULL;
}

static void value_set(struct config_value *v, const char *text, const char *where, int line) {
  free(v->text);
  free(v->where);
  *v = (struct config_value){.text = mem_dup(text), .where = mem_dup(where), .line = line};
}

static const char *range_key(const void *ctx, size_t i) {
  const struct config_key *first = ctx;
  return first[i].key;
}

static void section_unknown_key(struct config_load *l, const struct config_section *s,
                                const char *key, const char *where, int line) {
  struct config_keys_range range = config_keys_of(s->spec->name);
  const char *near = words_nearest(key, range_key, range.first, range.count);
  const char *elsewhere = NULL;
  for (size_t i = 0; i < config_key_count && !elsewhere; i++)
    if (strcmp(config_keys[i].key, key) == 0)
      elsewhere = config_keys[i].section;
  if (elsewhere && (!near || words_distance(key, near) > 1))
    config_error(l, where, line, "[%s] has no key \"%.60s\"; it belongs to [%s]", s->title, key,
                 elsewhere);
  else
    config_error(l, where, line, "[%s] has no key \"%.60s\"%s%s%s", s->title, key,
                 near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

/* A key that the core does not know is an option of the backend's plugin. */
static void section_put_option(struct config_load *l, struct config_section *s, const char *key,
                               const char *text, const char *where, int line, bool over) {
  for (size_t i = 0; i < s->option_count; i++) {
    struct config_raw_option *o = &s->options[i];
    if (strcmp(o->key, key) != 0)
      continue;
    if (over)
      value_set(&o->value, text, where, line);
    else
      config_error(l, where, line, "%s was given before, at %s", key, o->value.where);
    return;
  }
  s->options = mem_grow(s->options, (s->option_count + 1) * sizeof(*s->options));
  struct config_raw_option *o = &s->options[s->option_count++];
  *o = (struct config_raw_option){.key = mem_dup(key)};
  value_set(&o->value, text, where, line);
}

static bool option_key_is_good(const char *key) {
  size_t len = strlen(key);
  return len > 0 && len <= NAME_LONGEST &&
         strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == len;
}

void config_section_put(struct config_load *l, struct config_section *s, const char *key,
                        const char *text, const char *where, int line, bool over) {
  const struct config_key *k = config_key_find(s->spec->name, key);
  if (!k && strcmp(s->spec->name, "backend") == 0 && option_key_is_good(key)) {
    section_put_option(l, s, key, text, where, line, over);
    return;
  }
  if (!k) {
    section_unknown_key(l, s, key, where, line);
    return;
  }
  struct config_value *v = &s->values[k - config_keys_of(s->spec->name).first];
  if (v->text && !over)
    config_error(l, where, line, "%s was given before, at %s", key, v->where);
  else
    value_set(v, text, where, line);
}
