/* SPDX-License-Identifier: MIT
 *
 * GET /api/openapi.json: the template openapi.json (embedded at build time), completed with the
 * problem table and the kinds that this daemon has loaded.  Made when first asked for.
 */
#include "api/internal.h"
#include "api/problems.h"
#include "observe/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const unsigned char api_openapi_template[];

/* Every operation may answer these. */
static const char *const common[] = {"bad-request",         "unauthorized", "forbidden-host",
                                     "forbidden-origin",    "uri-too-long", "internal",
                                     "too-many-connections"};

/* ---- problems ---- */

static json_t *problem_response(const json_t *types, const char *titles) {
  return json_pack("{s:s, s:{s:{s:{s:s}, s:O}}}", "description", titles, "content",
                   "application/problem+json", "schema", "$ref", "#/components/schemas/Problem",
                   "x-problem-types", types);
}

static void add_problem(json_t *responses, const char *slug) {
  const struct problem_page *p = problem_page_find(slug);
  char status[8], type[64];
  if (!p)
    return;
  snprintf(status, sizeof status, "%d", p->status);
  snprintf(type, sizeof type, "/problems/%s", slug);
  json_t *response = json_object_get(responses, status);
  if (!response) {
    json_t *types = json_pack("[s]", type);
    json_object_set_new(responses, status, problem_response(types, p->title));
    json_decref(types);
    return;
  }
  json_t *content = json_object_get(json_object_get(response, "content"),
                                    "application/problem+json");
  if (!content) /* a status that also has another body */
    return;
  json_array_append_new(json_object_get(content, "x-problem-types"), json_string(type));
  const char *before = json_string_value(json_object_get(response, "description"));
  json_object_set_new(response, "description", json_sprintf("%s; %s", before, p->title));
}

static void complete_operation(json_t *operation) {
  size_t i;
  json_t *slug, *responses = json_object_get(operation, "responses");
  json_array_foreach(json_object_get(operation, "x-problems"), i, slug)
      add_problem(responses, json_string_value(slug));
  for (i = 0; i < sizeof common / sizeof *common; i++)
    add_problem(responses, common[i]);
  json_object_del(operation, "x-problems");
}

static void complete_operations(json_t *paths) {
  const char *path, *method;
  json_t *item, *operation;
  json_object_foreach(paths, path, item)
      json_object_foreach(item, method, operation) if (json_object_get(operation, "responses"))
          complete_operation(operation);
}

static void add_problem_types(json_t *document, json_t *schemas) {
  json_t *types = json_array(), *list = json_array();
  char type[64];
  for (size_t i = 0; problem_page(i); i++) {
    const struct problem_page *p = problem_page(i);
    snprintf(type, sizeof type, "/problems/%s", p->slug);
    json_array_append_new(types, json_string(type));
    json_array_append_new(list, json_pack("{s:s, s:i, s:s, s:s}", "type", type, "status", p->status,
                                          "title", p->title, "description",
                                          p->advice ? p->advice : p->title));
  }
  json_object_set_new(schemas, "ProblemType",
                      json_pack("{s:s, s:s, s:o}", "type", "string", "description",
                                "Where the problem is explained", "enum", types));
  json_object_set_new(document, "x-problems", list);
}

/* ---- kinds ---- */

static json_t *param_schema(const json_t *p) {
  static const char *const types[][2] = {{"int", "integer"},  {"real", "number"},
                                         {"bool", "boolean"}, {"string", "string"},
                                         {"enum", "string"},  {"object", "object"}};
  const char *type = json_string_value(json_object_get(p, "type"));
  json_t *s = json_object();
  for (size_t i = 0; type && i < sizeof types / sizeof *types; i++)
    if (strcmp(types[i][0], type) == 0)
      json_object_set_new(s, "type", json_string(types[i][1]));
  bool text = type && strcmp(type, "string") == 0;
  static const char *const copied[][3] = {{"min", "minimum", "minLength"},
                                          {"max", "maximum", "maxLength"},
                                          {"choices", "enum", "enum"},
                                          {"default", "default", "default"},
                                          {"help", "description", "description"},
                                          {"unit", "x-unit", "x-unit"}};
  for (size_t i = 0; i < sizeof copied / sizeof *copied; i++) {
    json_t *v = json_object_get(p, copied[i][0]);
    if (v && !json_is_null(v))
      json_object_set(s, copied[i][text ? 2 : 1], v);
  }
  return s;
}

static json_t *params_schema(const struct kind *k) {
  size_t i;
  const json_t *p;
  json_t *properties = json_object(), *required = json_array();
  json_array_foreach(json_object_get(kind_json(k), "params"), i, p) {
    json_t *name = json_object_get(p, "name");
    json_object_set_new(properties, json_string_value(name), param_schema(p));
    if (!json_object_get(p, "default"))
      json_array_append(required, name);
  }
  json_t *schema = json_pack("{s:s, s:o, s:b}", "type", "object", "properties", properties,
                             "additionalProperties", 0);
  if (json_array_size(required))
    json_object_set(schema, "required", required);
  json_decref(required);
  return schema;
}

/* The form: the kind's parameters, the reserved fields of the template, and the file. */
static json_t *form_schema(const json_t *generic, const json_t *params) {
  json_t *form = json_deep_copy(generic);
  json_object_update(json_object_get(form, "properties"), json_object_get(params, "properties"));
  json_object_set_new(form, "additionalProperties", json_false());
  return form;
}

static void add_kind(const struct kind *k, json_t *paths, json_t *schemas, const json_t *generic) {
  char name[100], ref[140], path[120];
  snprintf(name, sizeof name, "Params_%s", kind_name(k));
  snprintf(ref, sizeof ref, "#/components/schemas/%s", name);
  snprintf(path, sizeof path, "/api/jobs/%s", kind_name(k));
  json_t *params = params_schema(k), *operation = json_deep_copy(generic);
  json_object_set_new(schemas, name, params);
  json_object_del(operation, "parameters");
  json_object_set_new(operation, "operationId", json_sprintf("submit_%s", kind_name(k)));
  json_object_set(operation, "summary", json_object_get(kind_json(k), "title"));
  json_object_set(operation, "description", json_object_get(kind_json(k), "summary"));
  json_t *content = json_object_get(json_object_get(operation, "requestBody"), "content");
  json_t *form = json_object_get(content, "multipart/form-data");
  json_object_set_new(form, "schema", form_schema(json_object_get(form, "schema"), params));
  json_object_set_new(json_object_get(content, "application/json"), "schema",
                      json_pack("{s:[{s:s}, {s:s, s:{s:{s:s}}}]}", "allOf", "$ref",
                                "#/components/schemas/Submit", "type", "object", "properties",
                                "params", "$ref", ref));
  json_t *headers =
      json_deep_copy(json_object_get(json_object_get(generic, "x-headers"), "parameters"));
  if (headers)
    json_object_set_new(operation, "parameters", headers);
  json_object_del(operation, "x-headers");
  json_object_set_new(paths, path, json_pack("{s:o}", "post", operation));
}

static void add_kinds(const struct kinds *kinds, json_t *paths, json_t *schemas) {
  json_t *generic = json_object_get(json_object_get(paths, "/api/jobs/{kind}"), "post");
  for (const struct kind *k = kinds_next(kinds, NULL); k; k = kinds_next(kinds, k))
    add_kind(k, paths, schemas, generic);
  json_object_del(generic, "x-headers");
}

/* ---- the document ---- */

void openapi_make(const struct kinds *kinds, struct buf *out) {
  json_error_t e;
  json_t *document = json_loads((const char *)api_openapi_template, JSON_REJECT_DUPLICATES, &e);
  if (!document) { /* the unit test reads the template too, so this cannot pass it */
    log_error("openapi.template", "the embedded document does not parse: %s", e.text);
    return;
  }
  json_t *paths = json_object_get(document, "paths");
  json_t *schemas = json_object_get(json_object_get(document, "components"), "schemas");
  json_object_set_new(json_object_get(document, "info"), "version", json_string(LATHE_VERSION));
  add_problem_types(document, schemas);
  complete_operations(paths);
  add_kinds(kinds, paths, schemas);
  char *text = json_dumps(document, JSON_INDENT(1));
  buf_puts(out, text);
  free(text);
  json_decref(document);
}

void openapi_get(void *ctx, struct http_request *r) {
  struct api *a = ctx;
  struct buf b = {0};
  if (!a->openapi.len)
    openapi_make(a->at.kinds, &a->openapi);
  if (!a->openapi.len) {
    http_problem(r, 0, "internal", 0, "The document cannot be made; the server's log says why.");
    return;
  }
  buf_put(&b, a->openapi.data, a->openapi.len);
  api_reply_json(r, 200, &b);
}
