/* SPDX-License-Identifier: MIT
 *
 * GET /api/openapi.json: the template openapi.json (embedded at build time), completed with the
 * problem table and the kinds that this daemon has loaded.  Made when first asked for.
 *
 * OpenAPI takes /api/jobs/{kind} and /api/jobs/{id} for one path, so the template describes both at
 * /api/jobs/{id}, where the parameter of POST is the kind.  Typed clients have better: each kind is
 * a path of its own, without a parameter.
 */
#include "api/internal.h"

#include "api/problems.h"
#include "base/json64.h"
#include "observe/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

extern const unsigned char api_openapi_template[];

/* Every operation may answer these. */
static const char *const common[] = {"bad-request",          "unauthorized",    "forbidden-host",
                                     "forbidden-origin",     "uri-too-long",    "internal",
                                     "too-many-connections", "too-many-bodies", "too-many-answers",
                                     "too-many-attempts"};

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

/* ---- roles ---- */

/* Paths are compared without the names of their parameters. */
static bool same_path(const char *a, const char *b) {
  for (; *a && *a == *b; a++, b++)
    if (*a == '{') {
      a += strcspn(a, "}");
      b += strcspn(b, "}");
    }
  return *a == *b;
}

static enum role role_of(const char *method, const char *path) {
  for (const struct http_route *r = api_routes(); r->method; r++)
    if (strcasecmp(r->method, method) == 0 && same_path(r->pattern, path))
      return r->role;
  return ROLE_NONE;
}

/* `x-role` is the role that a token needs.  OpenAPI's own place for it, the list behind the scheme's
 * name, would be a `security` of each operation, which makes generators of clients demand a token,
 * and linters take roles for scopes. */
static void add_role(json_t *operation, const char *method, const char *path) {
  enum role role = role_of(method, path);
  if (role == ROLE_NONE)
    return;
  json_object_set_new(operation, "x-role", json_string(role_word(role)));
  add_problem(json_object_get(operation, "responses"), "forbidden-role");
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
      json_object_foreach(item, method, operation) if (json_object_get(operation, "responses")) {
    complete_operation(operation);
    add_role(operation, method, path);
  }
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
  static const char *const types[][2] = {
      {"int", "integer"}, {"real", "number"},   {"bool", "boolean"}, {"string", "string"},
      {"enum", "string"}, {"object", "object"}, {"array", "array"}};
  const char *type = json_string_value(json_object_get(p, "type"));
  json_t *s = json_object();
  for (size_t i = 0; type && i < sizeof types / sizeof *types; i++)
    if (strcmp(types[i][0], type) == 0)
      json_object_set_new(s, "type", json_string(types[i][1]));
  if (type && strcmp(type, "real") == 0)
    json_object_set_new(s, "format", json_string("double"));
  if (json64_is_number(json_array_get(json_object_get(p, "choices"), 0)))
    json_object_set_new(s, "type", json_string("number"));
  if (type && strcmp(type, "object") == 0) /* passed on as it is, where no schema says more */
    json_object_set_new(s, "additionalProperties", json_true());
  json_t *own = json_object_get(p, "schema");
  if (own) /* kinds/parse_params.c: it says nothing that the rest says */
    json_object_update(s, own);
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

static json_t *ref_to(const char *schema) {
  return json_pack("{s:o}", "$ref", json_sprintf("#/components/schemas/%s", schema));
}

static json_t *inputs_of(const struct kind *k, const char *member) {
  return json_object_get(json_object_get(kind_json(k), "inputs"), member);
}

/* The template has the inputs of any kind, a list; a kind with one input has that alone. */
static void narrow_list(json_t *properties, const char *name, const struct kind *k) {
  json_t *list = json_object_get(properties, name);
  json_t *what = json_object_get(list, "description");
  if (inputs_of(k, "help"))
    what = inputs_of(k, "help");
  if (kind_inputs_max(k) == 1) {
    json_t *one = json_deep_copy(json_object_get(list, "items"));
    json_object_set(one, "description", what);
    json_object_set_new(properties, name, one);
    return;
  }
  json_object_set(list, "description", what);
  json_object_set_new(list, "maxItems", json_integer(kind_inputs_max(k)));
  if (kind_inputs_min(k) > 0)
    json_object_set_new(list, "minItems", json_integer(kind_inputs_min(k)));
}

/* A part for each role takes the place of the list of files. */
static void add_roles(json_t *properties, json_t *required, const struct kind *k) {
  size_t count;
  const struct kind_role *roles = kind_roles(k, &count);
  for (size_t i = 0; i < count; i++) {
    const json_t *declared = json_array_get(inputs_of(k, "roles"), i);
    json_t *part = json_pack("{s:s, s:s}", "type", "string", "format", "binary");
    if (roles[i].max > 1)
      part = json_pack("{s:s, s:o, s:i, s:i}", "type", "array", "items", part, "minItems",
                       roles[i].min, "maxItems", roles[i].max);
    if (json_object_get(declared, "help"))
      json_object_set(part, "description", json_object_get(declared, "help"));
    json_object_set_new(properties, roles[i].name, part);
    if (roles[i].min > 0)
      json_array_append_new(required, json_string(roles[i].name));
  }
  json_object_del(properties, "file");
}

static void drop_inputs(json_t *properties) {
  static const char *const names[] = {"file", "input", "input_name"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    json_object_del(properties, names[i]);
}

/* The form: the kind's parameters, the reserved fields of the template, and the files.  It asks for
 * fields where the server also takes them inside of `params` or `input`: a typed client has one way
 * to give each. */
static json_t *form_schema(const json_t *generic, const json_t *params, const struct kind *k) {
  json_t *form = json_deep_copy(generic), *properties = json_object_get(form, "properties");
  json_t *required = json_array();
  json_object_update(properties, json_object_get(params, "properties"));
  json_object_set_new(form, "additionalProperties", json_false());
  if (inputs_of(k, "roles"))
    add_roles(properties, required, k);
  else if (kind_inputs_max(k) > 0)
    narrow_list(properties, "file", k);
  else
    drop_inputs(properties);
  if (kind_inputs_min(k) > 0 && !inputs_of(k, "roles"))
    json_array_append_new(required, json_string("file"));
  json_array_extend(required, json_object_get(params, "required"));
  if (json_array_size(required))
    json_object_set(form, "required", required);
  json_decref(required);
  return form;
}

/* The JSON body: that of any kind, with this kind's inputs and parameters. */
static json_t *body_schema(const json_t *generic, const json_t *params, const char *params_name,
                           const struct kind *k) {
  json_t *body = json_deep_copy(generic), *properties = json_object_get(body, "properties");
  json_t *required = json_array();
  json_object_set_new(properties, "params", ref_to(params_name));
  if (kind_inputs_max(k) == 0)
    drop_inputs(properties);
  else if (kind_inputs_max(k) == 1)
    json_object_set_new(properties, "input", ref_to("Input"));
  if (kind_inputs_min(k) > 0)
    json_array_append_new(required, json_string("input"));
  if (json_object_get(params, "required"))
    json_array_append_new(required, json_string("params"));
  if (json_array_size(required))
    json_object_set(body, "required", required);
  json_decref(required);
  return body;
}

static void add_kind(const struct kind *k, json_t *paths, json_t *schemas, const json_t *generic) {
  char params_name[100], body_name[100], path[120];
  snprintf(params_name, sizeof params_name, "Params_%s", kind_name(k));
  snprintf(body_name, sizeof body_name, "Submit_%s", kind_name(k));
  snprintf(path, sizeof path, "/api/jobs/%s", kind_name(k));
  json_t *params = params_schema(k), *operation = json_deep_copy(generic);
  json_t *body = body_schema(json_object_get(schemas, "Submit"), params, params_name, k);
  json_object_set_new(operation, "operationId", json_sprintf("submit_%s", kind_name(k)));
  json_object_set(operation, "summary", json_object_get(kind_json(k), "title"));
  json_object_set(operation, "description", json_object_get(kind_json(k), "summary"));
  json_t *request = json_object_get(operation, "requestBody");
  json_t *content = json_object_get(request, "content");
  json_t *form = json_object_get(content, "multipart/form-data");
  json_object_set_new(form, "schema", form_schema(json_object_get(form, "schema"), params, k));
  json_object_set_new(json_object_get(content, "application/json"), "schema", ref_to(body_name));
  json_object_set_new(request, "required",
                      json_boolean(json_array_size(json_object_get(body, "required"))));
  json_object_set_new(schemas, params_name, params);
  json_object_set_new(schemas, body_name, body);
  json_object_set_new(paths, path, json_pack("{s:o}", "post", operation));
}

/* A kind's path is a fixed one, so it goes before the template and hides only what it is. */
static void add_kinds(const struct kinds *kinds, json_t *paths, json_t *schemas) {
  json_t *generic = json_object_get(json_object_get(paths, "/api/jobs/{id}"), "post");
  for (const struct kind *k = kinds_next(kinds, NULL); k; k = kinds_next(kinds, k))
    add_kind(k, paths, schemas, generic);
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
  char *text = json64_dump(document, JSON_INDENT(1));
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
  /* The server has another name for each client that comes through a proxy. */
  static const char mark[] = "\"url\": \"/\"";
  const char *all = a->openapi.data, *at = strstr(all, mark);
  if (at) {
    struct buf server = {0};
    http_put_server(r, &server);
    buf_put(&b, all, (size_t)(at - all));
    buf_puts(&b, "\"url\": ");
    buf_put_json_str(&b, server.data);
    all = at + sizeof mark - 1;
    buf_free(&server);
  }
  buf_put(&b, all, a->openapi.len - (size_t)(all - a->openapi.data));
  api_reply_json(r, 200, &b);
}
