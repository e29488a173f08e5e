/* SPDX-License-Identifier: MIT
 *
 * Schemas of parameters: the official cases of JSON Schema's test suite (Debian's package
 * json-schema-test-suite), and what is lathe's own: patterns, defaults, exact integers, messages.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json64.h"
#include "base/mem.h"
#include "base/path.h"
#include "kinds/pattern.h"
#include "kinds/schema.h"
#include "kinds/value.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUITE "/usr/share/json-schema-test-suite/tests/draft7"

static json_t *load(const char *text) {
  json_error_t e;
  json_t *v = json64_load(text, strlen(text), JSON_DECODE_ANY, &e);
  if (!v)
    fail_msg("%s: %s", text, e.text);
  return v;
}

static bool accepts(const struct schema *s, const json_t *v, struct kind_faults *faults) {
  struct buf pointer = {0};
  pointer_enter(&pointer, "p");
  bool ok = schema_check(s, v, "The parameter 'p'", &pointer, faults);
  assert_int_equal(ok, faults->count == 0);
  faults_end(faults);
  buf_free(&pointer);
  return ok;
}

/* ---- lists as long as a request allows ---- */

/* {"items": {KEYWORD: [1000000, 1000001, ...]}} against a list of as many ones as 64 KiB hold. */
static size_t faults_of_long(const char *keyword, int length) {
  struct buf text = {0};
  struct err err = {0};
  struct kind_faults faults = {0};
  buf_printf(&text, "{\"items\":{\"%s\":[0", keyword);
  for (int i = 1; i < length; i++)
    buf_printf(&text, ",%d", 1000000 + i);
  buf_puts(&text, "]}}");
  json_t *json = load(text.data), *list = json_array();
  struct schema *s = schema_parse(json, NULL, &err);
  assert_non_null(s);
  for (int i = 0; i < 32000; i++)
    json_array_append_new(list, json_integer(1));
  assert_false(accepts(s, list, &faults));
  assert_true(strlen(faults.err.text) < sizeof faults.err.text - 1);
  size_t count = faults.count;
  kind_faults_free(&faults);
  schema_free(s);
  json_decref(list);
  json_decref(json);
  buf_free(&text);
  return count;
}

/* Gone through one by one these would take minutes on a thread that others wait for: ctest's limit is the bound. */
static void test_long_lists_and_many_choices(void **state) {
  (void)state;
  assert_int_equal(faults_of_long("enum", 30000), 32000);
  assert_int_equal(faults_of_long("const", 30000), 32000);
}

/* ---- the official cases ---- */

static const char *const claimed[] = {
    "type",
    "enum",
    "const",
    "default",
    "minimum",
    "maximum",
    "items",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "uniqueItems",
    "properties",
    "required",
    "minProperties",
    "maxProperties",
    "title",
    "description",
    "examples",
    "$comment",
    "deprecated",
    "additionalProperties",
};

/* The first keyword that is not claimed, anywhere in the schema; NULL: none. */
static const char *unclaimed(const json_t *schema) {
  const char *key, *found = NULL;
  json_t *v;
  json_object_foreach((json_t *)(uintptr_t)schema, key, v) {
    bool known = false;
    for (size_t i = 0; !known && i < sizeof claimed / sizeof *claimed; i++)
      known = strcmp(claimed[i], key) == 0;
    if (!known)
      return key;
    const char *name;
    json_t *one;
    if (strcmp(key, "items") == 0 || strcmp(key, "additionalProperties") == 0)
      found = unclaimed(v);
    else if (strcmp(key, "properties") == 0)
      json_object_foreach(v, name, one) if (!found) found = unclaimed(one);
    if (found)
      return found;
  }
  return NULL;
}

/* Claimed keywords with a value that is refused on purpose, by what the refusal says. */
static const char *const on_purpose[] = {
    "must be one schema, for all items", /* items: [...], which draft 2020-12 has dropped */
    "is not acceptable: it must",        /* a default that its own schema would refuse */
};

struct tally {
  int groups, refused, on_purpose, cases, wrong;
};

static void try_group(const char *file, const json_t *group, struct tally *t) {
  const json_t *json = json_object_get(group, "schema"), *tests = json_object_get(group, "tests");
  const char *title = json_string_value(json_object_get(group, "description"));
  const char *foreign = unclaimed(json);
  struct err err = {0};
  struct schema *s = schema_parse(json, NULL, &err);
  t->groups++;
  if (!s) {
    bool meant = foreign && strstr(err.text, foreign);
    for (size_t i = 0; i < sizeof on_purpose / sizeof *on_purpose; i++)
      if (strstr(err.text, on_purpose[i])) {
        meant = true;
        t->on_purpose += !foreign;
      }
    if (!meant)
      print_error("%s, %s: refused: %s\n", file, title, err.text);
    t->wrong += !meant;
    t->refused++;
    return;
  }
  if (foreign) {
    print_error("%s, %s: loaded, with %s\n", file, title, foreign);
    t->wrong++;
  }
  for (size_t i = 0; i < json_array_size(tests); i++) {
    const json_t *one = json_array_get(tests, i);
    struct kind_faults faults = {0};
    bool valid = json_is_true(json_object_get(one, "valid"));
    if (accepts(s, json_object_get(one, "data"), &faults) != valid) {
      print_error("%s, %s, %s: %s\n", file, title,
                  json_string_value(json_object_get(one, "description")), faults.err.text);
      t->wrong++;
    }
    t->cases++;
    kind_faults_free(&faults);
  }
  schema_free(s);
}

static int is_json(const struct dirent *e) {
  size_t len = strlen(e->d_name);
  return len > 5 && strcmp(e->d_name + len - 5, ".json") == 0;
}

static void try_file(const char *name, struct tally *t) {
  char path[300], *data;
  size_t len;
  struct err err = {0};
  snprintf(path, sizeof path, "%s/%s", SUITE, name);
  assert_int_equal(path_read_file(path, 4 << 20, &data, &len, &err), 0);
  json_t *groups = json64_load(data, len, 0, NULL);
  assert_true(json_array_size(groups) > 0);
  for (size_t i = 0; i < json_array_size(groups); i++)
    try_group(name, json_array_get(groups, i), t);
  json_decref(groups);
  free(data);
}

static void test_the_official_cases(void **state) {
  (void)state;
  struct dirent **files;
  struct tally t = {0};
  int n = scandir(SUITE, &files, is_json, alphasort);
  if (n < 0) {
    print_message("%s is not there: install json-schema-test-suite\n", SUITE);
    skip();
  }
  for (int i = 0; i < n; i++) {
    try_file(files[i]->d_name, &t);
    free(files[i]);
  }
  free(files);
  print_message("%d cases judged; of %d schemas %d refused, %d of them for a value of a keyword\n",
                t.cases, t.groups, t.refused, t.on_purpose);
  assert_int_equal(t.wrong, 0);
  assert_true(t.cases >= 200);
  assert_true(t.refused >= 60 && t.on_purpose <= 12);
}

/* ---- patterns ---- */

static const struct {
  const char *pattern, *text;
  bool matches;
} matches[] = {
    {"^[a-z]+$", "abc", true},
    {"^[a-z]+$", "abc\n", false}, /* $ is the very end */
    {"b", "abc", true},
    {"^b", "abc", false},
    {"^a.c$", "a\nc", false},
    {"^a.c$",
     "a\xe2\x80\xa8"
     "c",
     false}, /* U+2028 ends a line */
    {"^a.c$",
     "a\xf0\x9f\x90\xb2"
     "c",
     true},
    {"^\\d+$", "\xd9\xa1", false}, /* an Arabic digit is none here */
    {"^\\w$", "\xc3\xa9", false},
    {"^\\s$", "\xc2\xa0", true}, /* but a no-break space is space */
    {"^\\S$", "\xc2\xa0", false},
    {"^[\\s\\S]$", "\n", true},
    {"^[^\\s]$", "\xe3\x80\x80", false},
    {"^\\u00e9$", "\xc3\xa9", true},
    {"^\\uD83D\\uDC32$", "\xf0\x9f\x90\xb2", true},
    {"^\\u{1F432}$", "\xf0\x9f\x90\xb2", true},
    {"^\\cC$", "\x03", true},
    {"^\\p{Lu}\\P{L}$",
     "\xc3\x89"
     "1",
     true},
    {"^(a|b){2,3}?$", "abb", true},
    {"^(?:ab)+$", "abab", true},
    {"^[a-c\\-x]+$", "b-x", true},
    {"^[[.]$", "[", true},
    {"\\bfoo\\b", "a foo b", true},
    {"\\bfoo\\b", "afoob", false},
    {"^\\$\\{\\}$", "${}", true},
    {"", "anything", true},
};

static void test_patterns(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof matches / sizeof *matches; i++) {
    struct err err = {0};
    struct pattern *p = pattern_compile(matches[i].pattern, &err);
    if (!p)
      fail_msg("%s: %s", matches[i].pattern, err.text);
    enum pattern_verdict v = pattern_match(p, matches[i].text, strlen(matches[i].text));
    if (v != (matches[i].matches ? PATTERN_MATCHES : PATTERN_DIFFERS))
      fail_msg("%s against %s: %d", matches[i].pattern, matches[i].text, v);
    pattern_free(p);
  }
}

static const struct {
  const char *pattern, *says;
} refused[] = {
    {"(?=a)", "only (?: )"},
    {"(?<!a)b", "only (?: )"},
    {"(?i)a", "only (?: )"},
    {"(?<n>a)", "only (?: )"},
    {"(a)\\1", "references back"},
    {"\\Aa", "escape"},
    {"\\a", "escape"},
    {"a++", "nothing that could"},
    {"a{2}{3}", "nothing that could"},
    {"*a", "nothing that"},
    {"a{1000}", "at most 255"},
    {"a{3,2}", "at most 255"},
    {"a{,2}", "begins a"},
    {"a}", "closes nothing"},
    {"[a", "no end"},
    {"(a", "no end"},
    {"a)", "too many"},
    {"[]", "empty class"},
    {"[z-a]", "range"},
    {"[\\d-z]", "range"},
    {"\\p{Letter}", "general category"},
    {"\\uD83D", "Unicode"},
    {"\\u12", "four"},
    {"\\x1", "two"},
    {"\\01", "octal"},
    {"(*ACCEPT)", "nothing that"},
    {"a\\", "escape"},
    {"\\Qa\\E", "escape"},
    {"a|*", "nothing that"},
};

static void test_patterns_that_are_refused(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    struct err err = {0};
    if (pattern_compile(refused[i].pattern, &err))
      fail_msg("%s is taken", refused[i].pattern);
    if (!strstr(err.text, refused[i].says))
      fail_msg("%s: \"%s\" does not say \"%s\"", refused[i].pattern, err.text, refused[i].says);
  }
}

/* Hours for a machine without a bound.  The test has its time limit; nothing is measured. */
static void test_a_hard_pattern_ends(void **state) {
  (void)state;
  static const char *const hard[] = {"^(a+)+$",    "(a|aa)+$",      "^(a*)*b",
                                     "(.*a){20}$", "a*a*a*a*a*a*b", "((a{1,200}){1,200})+b"};
  char *text = mem_alloc((64 << 10) + 1);
  memset(text, 'a', 64 << 10);
  text[(64 << 10) - 1] = '!';
  for (size_t i = 0; i < sizeof hard / sizeof *hard; i++) {
    struct err err = {0};
    struct pattern *p = pattern_compile(hard[i], &err);
    if (!p)
      fail_msg("%s: %s", hard[i], err.text);
    assert_int_not_equal(pattern_match(p, text, 64 << 10), PATTERN_MATCHES);
    assert_int_equal(pattern_match(p, "!", 1), PATTERN_DIFFERS);
    pattern_free(p);
  }
  struct err err = {0};
  struct pattern *easy = pattern_compile("^[a!]+$", &err);
  assert_int_equal(pattern_match(easy, text, 64 << 10), PATTERN_MATCHES);
  pattern_free(easy);
  free(text);
}

/* ---- numbers ---- */

static const struct {
  const char *schema, *value;
  bool ok;
} numbers[] = {
    {"{\"type\":\"integer\",\"maximum\":9007199254740992}", "9007199254740993", false},
    {"{\"type\":\"integer\",\"exclusiveMinimum\":9007199254740992}", "9007199254740993", true},
    {"{\"type\":\"integer\"}", "18446744073709551615", true},
    {"{\"type\":\"integer\"}", "18446744073709551616", false},
    {"{\"type\":\"integer\",\"maximum\":18446744073709551614}", "18446744073709551615", false},
    {"{\"const\":18446744073709551615}", "18446744073709551615", true},
    {"{\"const\":18446744073709551614}", "18446744073709551615", false},
    {"{\"type\":\"string\"}", "18446744073709551615", false},
    {"{\"enum\":[9007199254740993]}", "9007199254740992", false},
    {"{\"enum\":[1]}", "1.0", true},
    {"{\"enum\":[\"1\"]}", "1", false},
    {"{\"minimum\":0.1}", "0.1", true},
    {"{\"maximum\":1e300}", "18446744073709551615", true},
    {"{\"multipleOf\":0.1}", "0.3", true},
    {"{\"multipleOf\":0.01}", "4.35", true},
    {"{\"multipleOf\":0.1}", "0.35", false},
    {"{\"multipleOf\":3}", "18446744073709551615", true},
    {"{\"multipleOf\":2}", "18446744073709551615", false},
    {"{\"multipleOf\":1e300}", "1e-300", false},
    {"{\"multipleOf\":1e-300}", "1e300", true},
    {"{\"uniqueItems\":true}", "[9007199254740993,9007199254740992]", true},
    {"{\"uniqueItems\":true}", "[1,\"1\",1.0]", false},
    {"{\"uniqueItems\":true}", "[{\"a\":1,\"b\":2},{\"b\":2,\"a\":1.0}]", false},
};

static void test_numbers_are_exact(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    struct err err = {0};
    struct kind_faults faults = {0};
    json_t *json = load(numbers[i].schema), *v = load(numbers[i].value);
    struct schema *s = schema_parse(json, NULL, &err);
    if (!s)
      fail_msg("%s: %s", numbers[i].schema, err.text);
    if (accepts(s, v, &faults) != numbers[i].ok)
      fail_msg("%s, %s: %s", numbers[i].schema, numbers[i].value, faults.err.text);
    kind_faults_free(&faults);
    schema_free(s);
    json_decref(json);
    json_decref(v);
  }
}

/* ---- what is refused at load ---- */

static const struct {
  const char *schema, *says;
} slips[] = {
    {"{\"format\":\"email\"}", "\"format\""},
    {"{\"minimun\":1}", "did you mean \"minimum\"?"},
    {"{\"items\":{\"oneOf\":[]}}", "\"oneOf\" at /items"},
    {"{\"properties\":{\"a/b\":{\"$ref\":\"#\"}}}", "\"$ref\" at /properties/a~1b"},
    {"{\"type\":\"float\"}", "\"type\" must be"},
    {"{\"minLength\":-1}", "\"minLength\" must be"},
    {"{\"multipleOf\":0}", "above 0"},
    {"{\"pattern\":\"(?=a)\"}", "byte 2 of the pattern"},
    {"{\"required\":[1]}", "\"required\" must be"},
    {"{\"type\":\"integer\",\"default\":\"a\"}", "it must be a whole number"},
    {"{\"properties\":{\"a\":{\"maximum\":1,\"default\":2}}}", "\"default\" at /properties/a"},
    {"{\"enum\":[]}", "at least one value"},
    {"5", "must be an object"},
};

static void test_slips(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof slips / sizeof *slips; i++) {
    struct err err = {0};
    json_t *json = load(slips[i].schema);
    assert_null(schema_parse(json, NULL, &err));
    if (!strstr(err.text, slips[i].says))
      fail_msg("%s: \"%s\" does not say \"%s\"", slips[i].schema, err.text, slips[i].says);
    json_decref(json);
  }
  struct err err = {0};
  json_t *json = load("{\"format\":\"email\",\"x-widget\":\"area\"}"), *may = load("[\"format\"]");
  struct schema *s = schema_parse(json, may, &err);
  assert_non_null(s);
  schema_free(s);
  json_decref(json);
  json_decref(may);
  struct buf deep = {0};
  for (int i = 0; i < 100; i++)
    buf_puts(&deep, "{\"items\":");
  buf_puts(&deep, "{}");
  for (int i = 0; i < 100; i++)
    buf_putc(&deep, '}');
  json = load(deep.data);
  assert_null(schema_parse(json, NULL, &err));
  assert_non_null(strstr(err.text, "more than 16 deep"));
  json_decref(json);
  buf_free(&deep);
}

/* ---- defaults ---- */

#define POINT                                                                                      \
  "{\"type\":\"object\",\"properties\":{\"x\":{\"type\":\"integer\"},\"y\":{\"type\":\"integer\"," \
  "\"default\":7},\"z\":{\"type\":\"object\",\"properties\":{\"on\":{\"default\":true}},"          \
  "\"default\":{}}}}"

static void test_defaults_inside(void **state) {
  (void)state;
  struct err err = {0};
  json_t *json = load("{\"items\":" POINT "}");
  struct schema *s = schema_parse(json, NULL, &err);
  assert_non_null(s);
  json_t *v = schema_fill(s, load("[{\"x\":2.0},{\"y\":1,\"z\":{\"on\":false}}]"), 1000);
  char *text = json64_dump(v, JSON_COMPACT);
  assert_string_equal(text,
                      "[{\"x\":2,\"y\":7,\"z\":{\"on\":true}},{\"y\":1,\"z\":{\"on\":false}}]");
  free(text);
  json_decref(v);
  assert_null(schema_fill(s, load("[{},{},{},{},{},{},{},{},{},{}]"), 20)); /* more than was sent */
  schema_free(s);
  json_decref(json);
}

/* ---- all faults at once ---- */

static void test_all_faults_with_their_places(void **state) {
  (void)state;
  struct err err = {0};
  struct kind_faults faults = {0};
  json_t *json = load("{\"type\":\"array\",\"maxItems\":2,\"items\":{\"type\":\"object\","
                      "\"required\":[\"x\"],\"additionalProperties\":false,\"properties\":{\"x\":{"
                      "\"type\":\"number\",\"minimum\":0,\"exclusiveMaximum\":1}}}}");
  json_t *v = load("[{\"x\":1},{\"x\":\"a\"},{\"y\":2}]");
  struct schema *s = schema_parse(json, NULL, &err);
  assert_false(accepts(s, v, &faults));
  assert_string_equal(
      faults.list.data,
      "[{\"pointer\":\"/p\",\"detail\":\"The parameter 'p' must be a list of at most 2 items, not "
      "[{\\\"x\\\":1},{\\\"x\\\":\\\"a\\\"},{\\\"y\\\":2}].\"},"
      "{\"pointer\":\"/p/0/x\",\"detail\":\"The parameter 'p' must be at least 0 and less than 1 "
      "at "
      "/p/0/x, not 1.\"},"
      "{\"pointer\":\"/p/1/x\",\"detail\":\"The parameter 'p' must be a number at /p/1/x, not "
      "\\\"a\\\".\"},"
      "{\"pointer\":\"/p/2\",\"detail\":\"The parameter 'p' lacks \\\"x\\\" at /p/2; it has no "
      "default.\"},"
      "{\"pointer\":\"/p/2\",\"detail\":\"The parameter 'p' must not have the member \\\"y\\\" at "
      "/p/2; the members are x.\"}]");
  assert_non_null(strstr(faults.err.text, "at /p/0/x, not 1. The parameter 'p' must be a number"));
  kind_faults_free(&faults);
  json_decref(v);
  struct buf many = {0};
  buf_puts(&many, "[0");
  for (int i = 0; i < 200; i++)
    buf_puts(&many, ",0");
  buf_putc(&many, ']');
  v = load(many.data);
  faults = (struct kind_faults){0};
  assert_false(accepts(s, v, &faults));
  assert_int_equal(faults.count, 202);
  assert_non_null(strstr(faults.err.text, "more."));
  json_t *list = json_loads(faults.list.data, 0, NULL);
  assert_int_equal(json_array_size(list), 50);
  json_decref(list);
  json_decref(v);
  buf_free(&many);
  kind_faults_free(&faults);
  schema_free(s);
  json_decref(json);
}

/* ---- examples ---- */

static void test_examples_are_acceptable(void **state) {
  (void)state;
  static const char *const schemas[] = {
      "{\"type\":\"integer\",\"minimum\":5}",
      "{\"exclusiveMinimum\":0,\"type\":\"number\"}",
      "{\"type\":\"string\",\"minLength\":20}",
      "{\"enum\":[3,4]}",
      "{\"type\":\"array\",\"minItems\":2,\"items\":{\"type\":\"boolean\"}}",
      "{\"required\":[\"a\"],\"properties\":{\"a\":{\"const\":1}}}",
  };
  for (size_t i = 0; i < sizeof schemas / sizeof *schemas; i++) {
    struct err err = {0};
    struct kind_faults faults = {0};
    json_t *json = load(schemas[i]);
    struct schema *s = schema_parse(json, NULL, &err);
    json_t *v = schema_example(s);
    if (!v)
      fail_msg("%s has no example", schemas[i]);
    assert_true(accepts(s, v, &faults));
    json_decref(v);
    kind_faults_free(&faults);
    schema_free(s);
    json_decref(json);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_long_lists_and_many_choices),
      cmocka_unit_test(test_the_official_cases),
      cmocka_unit_test(test_patterns),
      cmocka_unit_test(test_patterns_that_are_refused),
      cmocka_unit_test(test_a_hard_pattern_ends),
      cmocka_unit_test(test_numbers_are_exact),
      cmocka_unit_test(test_slips),
      cmocka_unit_test(test_defaults_inside),
      cmocka_unit_test(test_all_faults_with_their_places),
      cmocka_unit_test(test_examples_are_acceptable),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
