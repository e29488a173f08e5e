/* SPDX-License-Identifier: MIT
 *
 * The document, the table of routes, the table of problems and the kinds say the same.
 */
#include "api/internal.h"
#include "api/problems.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

static json_t *document;
static struct kinds *kinds;

static int setup(void **state) {
  (void)state;
  const char *folders[] = {TEST_SOURCE_DIR "/plugin-sdk/kinds", NULL};
  struct buf b = {0};
  kinds = kinds_load(folders);
  openapi_make(kinds, &b);
  document = json_loadb(b.data, b.len, JSON_REJECT_DUPLICATES, NULL);
  buf_free(&b);
  return document ? 0 : -1;
}

static int teardown(void **state) {
  (void)state;
  json_decref(document);
  kinds_free(kinds);
  return 0;
}

/* Paths are the same where they differ in the names of their parameters alone: POST
 * /api/jobs/{kind} is described at /api/jobs/{id}, because a document has one name for what stands
 * there. */
static bool same_path(const char *a, const char *b) {
  for (; *a && *b; a++, b++) {
    if (*a != *b)
      return false;
    if (*a == '{') {
      a += strcspn(a, "}");
      b += strcspn(b, "}");
    }
  }
  return *a == *b;
}

static const json_t *operation(const char *method, const char *path) {
  char lower[10] = "";
  for (size_t i = 0; method[i] && i < sizeof lower - 1; i++)
    lower[i] = (char)tolower((unsigned char)method[i]);
  const char *described;
  json_t *item;
  json_object_foreach(json_object_get(document, "paths"), described, item) {
    if (same_path(described, path) && json_object_get(item, lower))
      return json_object_get(item, lower);
  }
  return NULL;
}

/* For clients that were there before: docs/original.md. */
static bool is_original(const struct http_route *r) {
  return strncmp(r->pattern, "/original/", 10) == 0;
}

static void every_route_is_described(void **state) {
  (void)state;
  for (const struct http_route *r = api_routes(); r->method; r++)
    if (!is_original(r) && !operation(r->method, r->pattern))
      fail_msg("%s %s is not in the document", r->method, r->pattern);
}

static void every_described_path_is_served(void **state) {
  (void)state;
  const char *path, *method;
  json_t *item, *op;
  json_object_foreach(json_object_get(document, "paths"), path, item) {
    json_object_foreach(item, method, op) {
      if (strcmp(method, "parameters") == 0) /* of all its operations */
        continue;
      bool found = strncmp(path, "/api/jobs/", 10) == 0 && kinds_find(kinds, path + 10);
      for (const struct http_route *r = api_routes(); r->method; r++)
        found |= same_path(r->pattern, path) && strcasecmp(r->method, method) == 0;
      if (!found)
        fail_msg("%s %s is described but not served", method, path);
      assert_non_null(json_object_get(op, "operationId"));
    }
  }
}

/* A row without a role would be open to every token. */
static void every_route_states_its_role(void **state) {
  (void)state;
  for (const struct http_route *r = api_routes(); r->method; r++) {
    if (r->open != (r->role == ROLE_NONE))
      fail_msg("%s %s: either it is open or it states a role", r->method, r->pattern);
    if (r->link && r->role != ROLE_READ)
      fail_msg("%s %s: a link is for reading", r->method, r->pattern);
    if (strcmp(r->method, "GET") != 0 && r->role == ROLE_READ &&
        strcmp(r->pattern, "/api/links") != 0)
      fail_msg("%s %s changes something, and asks for the role read", r->method, r->pattern);
    if (is_original(r))
      continue;
    const json_t *op = operation(r->method, r->pattern);
    const json_t *security = json_object_get(op, "security");
    const char *described = json_string_value(json_object_get(op, "x-role"));
    if (r->open ? !security || json_array_size(security) != 0
                : security || !described || strcmp(described, role_word(r->role)) != 0)
      fail_msg("%s %s: the document says another role", r->method, r->pattern);
  }
  /* Also where a kind has a path of its own. */
  const json_t *mesh = json_object_get(
      json_object_get(json_object_get(document, "paths"), "/api/jobs/mesh"), "post");
  assert_string_equal(json_string_value(json_object_get(mesh, "x-role")), "submit");
}

static size_t queries_in(const json_t *list, const struct http_route *r, size_t *taken) {
  const json_t *components = json_object_get(document, "components"), *one;
  size_t i, n = 0;
  json_array_foreach((json_t *)list, i, one) {
    const char *ref = json_string_value(json_object_get(one, "$ref"));
    const json_t *p = ref ? json_object_get(json_object_get(components, "parameters"),
                                            strrchr(ref, '/') + 1)
                          : one;
    if (strcmp(json_string_value(json_object_get(p, "in")), "query") != 0)
      continue;
    n++;
    for (size_t k = 0; r->query && r->query[k]; k++)
      *taken += strcmp(r->query[k], json_string_value(json_object_get(p, "name"))) == 0;
  }
  return n;
}

/* What is not described (lastEventId, a name of old clients) is one key at most. */
static void every_key_of_a_query_is_described(void **state) {
  (void)state;
  for (const struct http_route *r = api_routes(); r->method; r++) {
    if (is_original(r))
      continue;
    const json_t *op = operation(r->method, r->pattern);
    size_t taken = 0, described = queries_in(json_object_get(op, "parameters"), r, &taken),
           keys = 0;
    for (size_t k = 0; r->query && r->query[k]; k++)
      keys += strcmp(r->query[k], "lastEventId") != 0;
    if (taken != described || keys != described)
      fail_msg("%s %s takes %zu keys and describes %zu, of which %zu are taken", r->method,
               r->pattern, keys, described, taken);
  }
}

static void every_problem_is_described_and_explained(void **state) {
  (void)state;
  const json_t *schemas = json_object_get(json_object_get(document, "components"), "schemas");
  const json_t *types = json_object_get(json_object_get(schemas, "ProblemType"), "enum");
  size_t count = 0;
  for (; problem_page(count); count++) {
    char type[80];
    bool found = false;
    snprintf(type, sizeof type, "/problems/%s", problem_page(count)->slug);
    for (size_t i = 0; i < json_array_size(types); i++)
      found |= strcmp(json_string_value(json_array_get(types, i)), type) == 0;
    assert_true(found);
    if (!problem_page(count)->advice)
      fail_msg("%s is not explained", type);
  }
  assert_int_equal(json_array_size(types), count);
}

/* Each problem that a request can get is a response of some operation. */
static void every_problem_of_requests_is_a_response(void **state) {
  (void)state;
  static const char *const anywhere[] = {
      "method-not-allowed"}; /* of a path and method without an operation */
  char *text = json_dumps(json_object_get(document, "paths"), JSON_COMPACT);
  for (size_t i = 0; problem_page(i); i++) {
    const char *slug = problem_page(i)->slug;
    char quoted[80];
    snprintf(quoted, sizeof quoted, "\"/problems/%s\"", slug);
    bool of_jobs = strncmp(slug, "job-", 4) == 0;
    if (!of_jobs && strcmp(slug, anywhere[0]) != 0 && !strstr(text, quoted))
      fail_msg("no operation answers %s", quoted);
  }
  free(text);
}

static void references_lead_somewhere(const json_t *j) {
  const char *key;
  json_t *v;
  size_t i;
  if (json_is_array(j))
    json_array_foreach((json_t *)j, i, v) references_lead_somewhere(v);
  json_object_foreach((json_t *)j, key, v) {
    references_lead_somewhere(v);
    if (strcmp(key, "$ref") != 0)
      continue;
    char kind[20] = "", name[100] = "";
    sscanf(json_string_value(v), "#/components/%19[a-z]/%99s", kind, name);
    if (!json_object_get(json_object_get(json_object_get(document, "components"), kind), name))
      fail_msg("%s leads nowhere", json_string_value(v));
  }
}

/* A schema of an object says what is in it, or that anything may be: generators make a type that is
 * always empty of one that says nothing. */
static void objects_say_what_is_in_them(const json_t *j) {
  const char *key;
  json_t *v;
  size_t i;
  if (json_is_array(j))
    json_array_foreach((json_t *)j, i, v) objects_say_what_is_in_them(v);
  json_object_foreach((json_t *)j, key, v) objects_say_what_is_in_them(v);
  const json_t *type = json_object_get(j, "type");
  /* not the schema of a member that is called "type" */
  char *text = json_is_object(type) ? NULL : json_dumps(type, JSON_ENCODE_ANY);
  if (text && strstr(text, "\"object\"") && !json_object_get(j, "properties") &&
      !json_object_get(j, "additionalProperties"))
    fail_msg("a bare object: %s", json_dumps(j, JSON_COMPACT));
  free(text);
}

static void no_object_is_bare(void **state) {
  (void)state;
  objects_say_what_is_in_them(document);
}

static void references_are_whole(void **state) {
  (void)state;
  references_lead_somewhere(document);
}

/* ---- words that the server has tables of ---- */

static const json_t *schema_member(const char *schema, const char *member) {
  const json_t *schemas = json_object_get(json_object_get(document, "components"), "schemas");
  return json_object_get(json_object_get(json_object_get(schemas, schema), "properties"), member);
}

static void assert_words(const json_t *list, const char *const *words, size_t count) {
  assert_int_equal(json_array_size(list), count);
  for (size_t i = 0; i < count; i++) {
    bool found = false;
    for (size_t k = 0; k < count; k++)
      found |= strcmp(json_string_value(json_array_get(list, k)), words[i]) == 0;
    if (!found)
      fail_msg("the document does not know the word %s", words[i]);
  }
}

static void words_are_those_of_the_tables(void **state) {
  (void)state;
#define X(name, word) word,
  static const char *const policies[] = {ROUTE_POLICY_TABLE(X)};
  static const char *const sticky[] = {ROUTE_STICKY_TABLE(X)};
#undef X
  const char *reasons[ADMISSION_COUNT - 1], *states[3];
  for (int i = 0; i < ADMISSION_COUNT - 1; i++)
    reasons[i] = admission_word((enum admission)(i + 1));
  for (int i = 0; i < 3; i++)
    states[i] = breaker_state_word((enum breaker_state)i);
  const json_t *candidate = json_object_get(
      json_object_get(schema_member("Decision", "considered"), "items"), "properties");
  const json_t *reason = json_object_get(json_object_get(candidate, "reason"), "anyOf");
  assert_words(json_object_get(schema_member("Route", "policy"), "enum"), policies,
               sizeof policies / sizeof *policies);
  assert_words(json_object_get(schema_member("Canary", "sticky"), "enum"), sticky,
               sizeof sticky / sizeof *sticky);
  assert_words(json_object_get(json_array_get(reason, 0), "enum"), reasons, ADMISSION_COUNT - 1);
  assert_words(json_object_get(schema_member("Breaker", "state"), "enum"), states, 3);
}

static void kinds_bring_their_parameters(void **state) {
  (void)state;
  for (const struct kind *k = kinds_next(kinds, NULL); k; k = kinds_next(kinds, k)) {
    char path[100];
    snprintf(path, sizeof path, "/api/jobs/%s", kind_name(k));
    const json_t *body = json_object_get(operation("post", path), "requestBody");
    const json_t *form = json_object_get(
        json_object_get(json_object_get(body, "content"), "multipart/form-data"), "schema");
    size_t i;
    const json_t *p;
    json_array_foreach(json_object_get(kind_json(k), "params"), i, p) {
      const char *name = json_string_value(json_object_get(p, "name"));
      assert_non_null(json_object_get(json_object_get(form, "properties"), name));
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_route_is_described),
      cmocka_unit_test(every_described_path_is_served),
      cmocka_unit_test(every_route_states_its_role),
      cmocka_unit_test(every_key_of_a_query_is_described),
      cmocka_unit_test(every_problem_is_described_and_explained),
      cmocka_unit_test(every_problem_of_requests_is_a_response),
      cmocka_unit_test(references_are_whole),
      cmocka_unit_test(no_object_is_bare),
      cmocka_unit_test(words_are_those_of_the_tables),
      cmocka_unit_test(words_are_those_of_the_tables),
      cmocka_unit_test(kinds_bring_their_parameters),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
