/* SPDX-License-Identifier: MIT
 *
 * The files that go in, each in a role where the kind tells them apart, and those that come out.
 */
#include "kinds/parse.h"

#include "base/mem.h"
#include "base/units.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

enum { INPUTS_MAX = 1000, ROLES_MAX = 16 };

static const struct field input_fields[] = {
    {"min", 'i', false},  {"max", 'i', false},   {"formats", 'a', false}, {"max_bytes", 'z', false},
    {"help", 's', false}, {"roles", 'a', false}, {NULL, 0, false},
};
static const struct field role_fields[] = {
    {"role", 's', true},       {"min", 'i', false},  {"max", 'i', false}, {"formats", 'a', false},
    {"max_bytes", 'z', false}, {"help", 's', false}, {NULL, 0, false},
};
static const struct field artifact_fields[] = {
    {"name", 's', true},  {"media_type", 's', true}, {"optional", 'b', false},
    {"help", 's', false}, {NULL, 0, false},
};

static int check_formats(const struct parse *p, const json_t *formats) {
  for (size_t i = 0; i < json_array_size(formats); i++) {
    const char *ending = json_string_value(json_array_get(formats, i));
    if (!ending || ending[0] != '.' || !ending[1])
      return err_set(p->err, ERR_INVAL,
                     "%s: \"formats\" of %s must be endings with their dot, as "
                     "\".png\"",
                     p->file, p->where);
  }
  return 0;
}

static int count_of(const json_t *json, const char *key, int otherwise) {
  const json_t *v = json_object_get(json, key);
  json_int_t n = json_integer_value(v);
  return !v ? otherwise : n > INPUTS_MAX ? INPUTS_MAX + 1 : (int)n;
}

static int check_counts(const struct parse *p, int min, int max) {
  if (min <= max && max <= INPUTS_MAX)
    return 0;
  return err_set(p->err, ERR_INVAL, "%s: %s: min must not exceed max, nor max %d", p->file,
                 p->where, INPUTS_MAX);
}

/* ---- roles ---- */

static int check_role_name(const struct parse *p, const struct kind *k, const char *name) {
  if (!parse_is_word(name, "_") || name[0] < 'a')
    return err_set(p->err, ERR_INVAL, "%s: \"%.60s\" is not a name for a role (a-z 0-9 _)", p->file,
                   name);
  bool taken = parse_is_reserved(name);
  for (size_t i = 0; !taken && i < k->param_count; i++)
    taken = strcmp(k->params[i].name, name) == 0;
  if (taken)
    return err_set(p->err, ERR_INVAL,
                   "%s: the role %s cannot be called so: a form has another field of that name",
                   p->file, name);
  for (size_t i = 0; i < k->role_count; i++)
    if (strcmp(k->roles[i].name, name) == 0)
      return err_set(p->err, ERR_INVAL, "%s: the role %s is declared twice", p->file, name);
  return 0;
}

static int parse_role(const struct parse *p, struct kind *k, json_t *json) {
  struct kind_role role = {0};
  int rc = parse_fields(p, json, role_fields);
  if (rc || (rc = parse_quantity(p, json, "max_bytes", units_size, &role.bytes_max)))
    return rc;
  role.name = json_string_value(json_object_get(json, "role"));
  role.formats = json_object_get(json, "formats");
  role.min = count_of(json, "min", 1);
  role.max = count_of(json, "max", role.min > 1 ? role.min : 1);
  if ((rc = check_role_name(p, k, role.name)) || (rc = check_formats(p, role.formats)) ||
      (rc = check_counts(p, role.min, role.max)))
    return rc;
  if (role.max == 0)
    return err_set(p->err, ERR_INVAL, "%s: the role %s has no place for an input", p->file,
                   role.name);
  k->roles[k->role_count++] = role;
  k->inputs_min += role.min;
  k->inputs_max += role.max;
  return 0;
}

/* Their sums become "min" and "max" of the inputs, which every kind has for clients. */
static int parse_roles(struct parse *p, struct kind *k, json_t *inputs, json_t *list) {
  size_t count = json_array_size(list);
  if (json_object_get(inputs, "min") || json_object_get(inputs, "max"))
    return err_set(p->err, ERR_INVAL,
                   "%s: inputs: min and max follow from the roles; leave them out", p->file);
  if (count == 0 || count > ROLES_MAX)
    return err_set(p->err, ERR_INVAL, "%s: inputs: there are 1 to %d roles", p->file, ROLES_MAX);
  k->roles = mem_array(count, sizeof *k->roles);
  p->where = "a role";
  for (size_t i = 0; i < count; i++) {
    int rc = parse_role(p, k, json_array_get(list, i));
    if (rc)
      return rc;
  }
  json_object_set_new(inputs, "min", json_integer(k->inputs_min));
  json_object_set_new(inputs, "max", json_integer(k->inputs_max));
  p->where = "inputs";
  return check_counts(p, k->inputs_min, k->inputs_max);
}

/* ---- inputs ---- */

int parse_inputs(struct parse *p, struct kind *k, json_t *json) {
  p->where = "inputs";
  int rc = parse_fields(p, json, input_fields);
  if (rc || (rc = parse_quantity(p, json, "max_bytes", units_size, &k->input_bytes_max)) ||
      (rc = check_formats(p, json_object_get(json, "formats"))))
    return rc;
  if (json_object_get(json, "roles"))
    return parse_roles(p, k, json, json_object_get(json, "roles"));
  if (!json_object_get(json, "min") || !json_object_get(json, "max"))
    return err_set(p->err, ERR_INVAL, "%s: inputs lacks \"%s\"", p->file,
                   json_object_get(json, "min") ? "max" : "min");
  k->inputs_min = count_of(json, "min", 0);
  k->inputs_max = count_of(json, "max", 0);
  return check_counts(p, k->inputs_min, k->inputs_max);
}

const struct kind_role *kind_roles(const struct kind *k, size_t *count) {
  *count = k->role_count;
  return k->roles;
}

const struct kind_role *kind_role(const struct kind *k, const char *name) {
  for (size_t i = 0; name && i < k->role_count; i++)
    if (strcmp(k->roles[i].name, name) == 0)
      return &k->roles[i];
  return NULL;
}

/* ---- artifacts ---- */

int parse_artifacts(struct parse *p, json_t *list) {
  p->where = "an artifact";
  for (size_t i = 0; i < json_array_size(list); i++) {
    json_t *one = json_array_get(list, i);
    int rc = parse_fields(p, one, artifact_fields);
    if (rc)
      return rc;
    const char *name = json_string_value(json_object_get(one, "name"));
    if (!*name || strpbrk(name, "/[]\\"))
      return err_set(p->err, ERR_INVAL,
                     "%s: the artifact \"%.100s\" must be a file's name, in which * and ? stand "
                     "for any characters and for one",
                     p->file, name);
  }
  return 0;
}

bool kind_is_glob(const char *declared) {
  return strcmp(declared, "*") != 0 && strpbrk(declared, "*?") != NULL;
}

bool kind_glob_fits(const char *declared, const char *name) {
  return fnmatch(declared, name, 0) == 0;
}
