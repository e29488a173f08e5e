/* SPDX-License-Identifier: MIT
 *
 * One declaration (plugin-sdk/kinds/README.md has the schema) becomes a struct
 * kind.  Everything that a slip of the pen could get wrong is an error here, so
 * that it does not wait for a client to find it.
 */
#include "kinds/parse.h"

#include "base/nearest_word.h"
#include "base/units.h"

#include <stdlib.h>
#include <string.h>

static const struct field kind_fields[] = {
    {"kind", 's', true},   {"title", 's', true},       {"summary", 's', true},
    {"inputs", 'o', true}, {"params", 'a', true},      {"artifacts", 'a', true},
    {"stages", 'a', true}, {"resources", 'o', true},   {"limits", 'o', true},
    {"needs", 'a', false}, {"may_ignore", 'a', false}, {NULL, 0, false},
};
static const struct field resource_fields[] = {
    {"memory", 'z', false},
    {"memory_per_input_byte", 'n', false},
    {"threads", 'i', false},
    {NULL, 0, false},
};
static const struct field limit_fields[] = {
    {"attempts", 'i', false}, {"timeout", 't', false}, {NULL, 0, false}};

/* What a kind may need of the daemon that loads it. */
static const char *const features[] = {"schema/1", "roles/1", "globs/1", "numeric-choices/1"};

static int check_texts(const struct parse *p, const json_t *list, const char *key) {
  for (size_t i = 0; i < json_array_size(list); i++)
    if (!json_is_string(json_array_get(list, i)) || json64_is_number(json_array_get(list, i)))
      return err_set(p->err, ERR_INVAL, "%s: \"%s\" must be a list of texts", p->file, key);
  return 0;
}

static int parse_needs(const struct parse *p, const json_t *needs) {
  int rc = check_texts(p, needs, "needs");
  for (size_t i = 0; !rc && i < json_array_size(needs); i++) {
    const char *need = json_string_value(json_array_get(needs, i));
    size_t f = 0, count = sizeof features / sizeof *features;
    while (f < count && strcmp(features[f], need) != 0)
      f++;
    if (f < count)
      continue;
    char list[200] = "";
    for (f = 0; f < count; f++)
      snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", f ? ", " : "", features[f]);
    rc = err_set(p->err, ERR_INVAL,
                 "%s: the kind needs \"%.60s\", which this lathed does not have (it has %s); take "
                 "a newer lathed, or a version of the kind that does without",
                 p->file, need, list);
  }
  return rc;
}

static int parse_resources(struct parse *p, struct kind *k, json_t *resources, json_t *limits) {
  p->where = "resources";
  int rc = parse_fields(p, resources, resource_fields);
  if (rc || (rc = parse_quantity(p, resources, "memory", units_size, &k->memory)))
    return rc;
  k->memory_per_input_byte = json64_number(json_object_get(resources, "memory_per_input_byte"));
  if (!(k->memory_per_input_byte >= 0 && k->memory_per_input_byte <= 1e6))
    return err_set(p->err, ERR_INVAL, "%s: memory_per_input_byte must be 0 to 1000000", p->file);
  k->threads = (int)json_integer_value(json_object_get(resources, "threads"));
  p->where = "limits";
  if ((rc = parse_fields(p, limits, limit_fields)) ||
      (rc = parse_quantity(p, limits, "timeout", units_duration, &k->timeout_ms)))
    return rc;
  k->attempts = (int)json_integer_value(json_object_get(limits, "attempts"));
  return 0;
}

int kind_parse(struct kind *k, json_t *json, const char *file, struct err *err) {
  struct parse p = {.file = file, .where = "the kind", .err = err};
  const json_t *may_ignore = json_object_get(json, "may_ignore");
  int rc = check_texts(&p, may_ignore, "may_ignore");
  if (!rc) /* before the keys: a kind that needs more has keys that are unknown here */
    rc = parse_needs(&p, json_object_get(json, "needs"));
  p.may_ignore = may_ignore;
  if (rc || (rc = parse_fields(&p, json, kind_fields)))
    return rc;
  k->name = json_string_value(json_object_get(json, "kind"));
  if (!parse_is_word(k->name, "_.-") || k->name[0] < 'a')
    return err_set(err, ERR_INVAL,
                   "%s: \"%.100s\" is not a name for a kind (a-z first, then a-z 0-9 _ . -)", file,
                   k->name);
  if ((rc = parse_params(&p, k, json_object_get(json, "params"))) ||
      (rc = parse_inputs(&p, k, json_object_get(json, "inputs"))) ||
      (rc = parse_artifacts(&p, json_object_get(json, "artifacts"))))
    return rc;
  return parse_resources(&p, k, json_object_get(json, "resources"),
                         json_object_get(json, "limits"));
}

void kind_clear(struct kind *k) {
  for (size_t i = 0; i < k->param_count; i++)
    param_free(&k->params[i]);
  json_decref(k->json);
  free(k->params);
  free(k->roles);
  free(k->file);
}
