/* SPDX-License-Identifier: MIT
 *
 * Kinds as data: what a declaration may be, and what it makes of parameters.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json64.h"
#include "base/mem.h"
#include "base/path.h"
#include "kinds/kinds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
  struct kinds *kinds;
  char dir[64];
};

#define PARAMS                                                                                     \
  "{\"name\":\"n\",\"type\":\"int\",\"min\":1,\"max\":10,\"unit\":\"mm\",\"default\":3,"           \
  "\"help\":\"h\"},"                                                                               \
  "{\"name\":\"size\",\"type\":\"real\",\"min\":0,\"default\":0.5,\"help\":\"h\"},"                \
  "{\"name\":\"fast\",\"type\":\"bool\",\"default\":true,\"help\":\"h\"},"                         \
  "{\"name\":\"mode\",\"type\":\"enum\",\"choices\":[\"one\",\"two\"],\"default\":\"one\","        \
  "\"help\":\"h\"},"                                                                               \
  "{\"name\":\"word\",\"type\":\"string\",\"max\":5,\"default\":null,\"help\":\"h\"},"             \
  "{\"name\":\"more\",\"type\":\"object\",\"default\":null,\"help\":\"h\"},"                       \
  "{\"name\":\"threads\",\"type\":\"int\",\"default\":0,\"help\":\"h\"},"                          \
  "{\"name\":\"must\",\"type\":\"int\",\"help\":\"h\"}"

static char *declaration(const char *kind, const char *params) {
  return mem_printf("{\"kind\":\"%s\",\"title\":\"t\",\"summary\":\"s\","
                    "\"inputs\":{\"min\":0,\"max\":2,\"max_bytes\":\"1M\"},\"params\":[%s],"
                    "\"artifacts\":[{\"name\":\"x\",\"media_type\":\"a/b\"}],\"stages\":[],"
                    "\"resources\":{\"memory\":\"2M\",\"memory_per_input_byte\":1.5,\"threads\":2},"
                    "\"limits\":{\"attempts\":4,\"timeout\":\"10m\"}}",
                    kind, params);
}

static void write_file(struct fixture *f, const char *name, const char *text) {
  char path[300];
  snprintf(path, sizeof path, "%s/%s", f->dir, name);
  FILE *file = fopen(path, "w");
  fputs(text, file);
  fclose(file);
}

static void remove_file(struct fixture *f, const char *name) {
  char path[300];
  snprintf(path, sizeof path, "%s/%s", f->dir, name);
  assert_int_equal(unlink(path), 0);
}

#define PARAM_N(max, help)                                                                         \
  "{\"name\":\"n\",\"type\":\"int\",\"default\":1,\"max\":" max ",\"help\":\"" help "\"}"

static struct kinds *load(struct fixture *f) {
  const char *const folders[] = {f->dir, NULL};
  return kinds_load(folders);
}

/* That its only problem is with `file` and says `says`. */
static void assert_problem(const struct kinds *k, const char *file, const char *says) {
  size_t count;
  const struct kinds_problem *p = kinds_problems(k, &count);
  assert_int_equal(count, 1);
  if (!strstr(p->text, says))
    fail_msg("\"%s\" does not say \"%s\"", p->text, says);
  assert_non_null(strstr(p->text, file));
  assert_non_null(strstr(p->file, file));
}

static int setup(void **state) {
  struct fixture *f = mem_alloc(sizeof *f);
  snprintf(f->dir, sizeof f->dir, "/tmp/lathe-kinds-XXXXXX");
  assert_non_null(mkdtemp(f->dir));
  char *text = declaration("demo", PARAMS);
  write_file(f, "demo.json", text);
  free(text);
  f->kinds = load(f);
  assert_non_null(kinds_find(f->kinds, "demo"));
  *state = f;
  return 0;
}

static int teardown(void **state) {
  struct fixture *f = *state;
  kinds_free(f->kinds);
  path_remove_tree(f->dir, NULL);
  free(f);
  return 0;
}

static void test_the_shipped_ones_load(void **state) {
  (void)state;
  const char *const folders[] = {TEST_SOURCE_DIR "/plugin-sdk/kinds", NULL};
  struct kinds *k = kinds_load(folders);
  size_t problems;
  kinds_problems(k, &problems);
  assert_int_equal(problems, 0);
  assert_non_null(kinds_find(k, "mesh"));
  assert_null(kinds_find(k, "nothing"));
  assert_string_equal(kinds_nearest(k, "mehs"), "mesh");
  assert_null(kinds_nearest(k, "something-else"));
  int n = 0;
  const char *last = "";
  for (const struct kind *it = NULL; (it = kinds_next(k, it)); n++) {
    assert_true(strcmp(last, kind_name(it)) < 0);
    last = kind_name(it);
    struct buf out = {0};
    struct kind_faults faults = {0};
    assert_int_equal(kind_check(it, NULL, 0, &out, &faults), 0);
    kind_faults_free(&faults);
    json_t *json = json_loads(out.data, 0, NULL);
    assert_non_null(json);
    json_decref(json);
    buf_free(&out);
  }
  assert_true(n >= 3);
  kinds_free(k);
}

static void test_figures(void **state) {
  struct fixture *f = *state;
  const struct kind *k = kinds_find(f->kinds, "demo");
  assert_int_equal(kind_inputs_min(k), 0);
  assert_int_equal(kind_inputs_max(k), 2);
  assert_int_equal(kind_input_bytes_max(k), 1 << 20);
  assert_int_equal(kind_memory(k, 1000), (2 << 20) + 1500);
  assert_int_equal(kind_attempts(k), 4);
  assert_int_equal(kind_timeout_ms(k), 600000);
  json_t *params = json_pack("{s:i}", "threads", 7);
  assert_int_equal(kind_threads(k, params), 7);
  assert_int_equal(kind_threads(k, NULL), 2);
  json_decref(params);
}

struct example {
  const char *params;
  int from_text;
  const char *out;  /* NULL: refused */
  const char *says; /* part of the refusal */
  const char *slug;
};

static const struct example examples[] = {
    {"{\"must\":1}", 0,
     "{\"n\":3,\"size\":0.5,\"fast\":true,\"mode\":\"one\",\"threads\":0,\"must\":1}", NULL, NULL},
    {"{\"must\":1,\"n\":10.0,\"size\":2,\"word\":\"a\\\"b\",\"more\":{\"x\":[1]}}", 0,
     "{\"n\":10,\"size\":2,\"fast\":true,\"mode\":\"one\",\"word\":\"a\\\"b\",\"more\":{\"x\":[1]},"
     "\"threads\":0,\"must\":1}",
     NULL, NULL},
    {"{\"must\":\"1\",\"n\":\"4\",\"size\":\"1e-3\",\"fast\":\"off\",\"mode\":\"two\","
     "\"more\":\"{}\"}",
     1,
     "{\"n\":4,\"size\":0.001,\"fast\":false,\"mode\":\"two\",\"more\":{},\"threads\":0,\"must\":"
     "1}",
     NULL, NULL},
    {"{\"must\":1,\"n\":null}", 0,
     "{\"n\":3,\"size\":0.5,\"fast\":true,\"mode\":\"one\",\"threads\":0,\"must\":1}", NULL, NULL},
    {"{}", 0, NULL, "'must' is missing", "bad-parameter"},
    {"{\"must\":null}", 0, NULL, "'must' is missing", "bad-parameter"},
    {"[1]", 0, NULL, "object", "bad-parameter"},
    {"{\"must\":1,\"n\":11}", 0, NULL, "'n' must be from 1 to 10 mm, not 11.", "bad-parameter"},
    {"{\"must\":1,\"n\":2.5}", 0, NULL, "a whole number", "bad-parameter"},
    {"{\"must\":1,\"n\":\"2\"}", 0, NULL, "a whole number", "bad-parameter"},
    {"{\"must\":1,\"n\":\"2x\"}", 1, NULL, "a whole number", "bad-parameter"},
    {"{\"must\":1,\"n\":\"\"}", 1, NULL, "a whole number", "bad-parameter"},
    {"{\"must\":1,\"size\":-1}", 0, NULL, "'size' must be at least 0", "bad-parameter"},
    {"{\"must\":1,\"size\":\"nan\"}", 1, NULL, "a number", "bad-parameter"},
    {"{\"must\":1,\"size\":\"1e999\"}", 1, NULL, "a number", "bad-parameter"},
    {"{\"must\":1,\"size\":\"0x10\"}", 1, NULL, "a number", "bad-parameter"},
    {"{\"must\":1,\"fast\":1}", 0, NULL, "true or false", "bad-parameter"},
    {"{\"must\":1,\"fast\":\"maybe\"}", 1, NULL, "true or false", "bad-parameter"},
    {"{\"must\":1,\"mode\":\"three\"}", 0, NULL, "one of one, two", "bad-parameter"},
    {"{\"must\":1,\"word\":\"abcdef\"}", 0, NULL, "at most 5 bytes", "bad-parameter"},
    {"{\"must\":1,\"word\":5}", 0, NULL, "must be text", "bad-parameter"},
    {"{\"must\":1,\"more\":[1]}", 0, NULL, "a JSON object", "bad-parameter"},
    {"{\"must\":1,\"more\":\"[\"}", 1, NULL, "a JSON object", "bad-parameter"},
    {"{\"must\":1,\"more\":\"[1]\"}", 1, NULL, "a JSON object, not", "bad-parameter"},
    {"{\"must\":1,\"more\":\"{\\\"a\\\":1,\\\"a\\\":2}\"}", 1, NULL, "duplicate object key near",
     "bad-parameter"},
    {"{\"must\":1,\"more\":\"{\\\"a\\\\u0000\\\":1}\"}", 1, NULL, "NUL byte in object key",
     "bad-parameter"},
    {"{\"must\":1,\"sise\":1}", 0, NULL, "did you mean 'size'?", "unknown-parameter"},
    {"{\"must\":1,\"zzzzzzzz\":1}", 0, NULL, "no parameter 'zzzzzzzz'", "unknown-parameter"},
};

static void check_examples(const struct kind *k, const struct example *list, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const struct example *e = &list[i];
    struct buf out = {0};
    struct kind_faults faults = {0};
    json_t *params = json64_load(e->params, strlen(e->params), 0, NULL);
    assert_non_null(params);
    int rc = kind_check(k, params, e->from_text, &out, &faults);
    if (e->out) {
      assert_string_equal(faults.err.text, "");
      assert_int_equal(rc, 0);
      assert_string_equal(out.data, e->out);
    } else {
      assert_int_equal(rc, ERR_INVAL);
      assert_int_equal(out.len, 0);
      if (!strstr(faults.err.text, e->says))
        fail_msg("%s: \"%s\" does not say \"%s\"", e->params, faults.err.text, e->says);
      assert_string_equal(faults.slug, e->slug);
    }
    kind_faults_free(&faults);
    json_decref(params);
    buf_free(&out);
  }
}

static void test_check(void **state) {
  struct fixture *f = *state;
  check_examples(kinds_find(f->kinds, "demo"), examples, sizeof examples / sizeof *examples);
}

static const struct {
  const char *params, *says;
} slips[] = {
    {"{\"name\":\"a\",\"type\":\"int\"}", "lacks \"help\""},
    {"{\"name\":\"a\",\"type\":\"float\",\"help\":\"h\"}", "unknown type"},
    {"{\"name\":\"a-b\",\"type\":\"int\",\"help\":\"h\"}", "not a name"},
    {"{\"name\":\"aB\",\"type\":\"int\",\"help\":\"h\"},{\"name\":\"ab\",\"type\":"
     "\"int\",\"help\":\"h\"}",
     "letters of another case"},
    {"{\"name\":\"priority\",\"type\":\"int\",\"help\":\"h\"}", "reserved"},
    {"{\"name\":\"a\",\"type\":\"int\",\"help\":\"h\",\"defualt\":1}", "unknown key"},
    {"{\"name\":\"a\",\"type\":\"int\",\"help\":\"h\",\"max\":1,\"default\":2}", "default"},
    {"{\"name\":\"a\",\"type\":\"enum\",\"help\":\"h\"}", "choices"},
    {"{\"name\":\"a\",\"type\":\"enum\",\"choices\":[\"x\"],\"default\":\"y\",\"help\":\"h\"}",
     "default"},
    {"{\"name\":\"a\",\"type\":\"int\",\"help\":\"h\"},{\"name\":\"a\",\"type\":\"int\","
     "\"help\":\"h\"}",
     "twice"},
    {"{\"name\":\"a\",\"type\":\"int\",\"help\":5}", "wrong type"},
    {"5", "must be an object"},
    {"{\"name\":\"a\",\"type\":\"int\",\"help\":\"h\",\"x-widget\":1,\"widget\":1}",
     "unknown key \"widget\""},
    {"{\"name\":\"input_name\",\"type\":\"int\",\"help\":\"h\"}", "reserved"},
    {"{\"name\":\"a\",\"type\":\"enum\",\"choices\":[1,\"x\"],\"help\":\"h\"}", "all numbers"},
    {"{\"name\":\"a\",\"type\":\"array\",\"schema\":{\"type\":\"object\"},\"help\":\"h\"}",
     "must be array"},
    {"{\"name\":\"a\",\"type\":\"int\",\"min\":1,\"schema\":{\"exclusiveMinimum\":0},\"help\":"
     "\"h\"}",
     "say it once"},
    {"{\"name\":\"a\",\"type\":\"json\",\"schema\":{\"anyOf\":[]},\"help\":\"h\"}",
     "\"anyOf\" is not one that is checked"},
    {"{\"name\":\"a\",\"type\":\"array\",\"default\":[1],\"schema\":{\"items\":{\"type\":"
     "\"string\"}},\"help\":\"h\"}",
     "must be text at /a/0"},
};

/* ---- parameters with a schema ---- */

#define STRUCTURED                                                                                 \
  "{\"name\":\"scanPoints\",\"type\":\"array\",\"default\":[],\"help\":\"h\",\"schema\":{"         \
  "\"maxItems\":3,\"items\":{\"type\":\"object\",\"required\":[\"x\"],\"properties\":{\"x\":{"     \
  "\"type\":\"integer\"},\"y\":{\"type\":\"integer\",\"default\":5}}}}},"                          \
  "{\"name\":\"step\",\"type\":\"enum\",\"choices\":[1,2.5,18446744073709551615],\"default\":1,"   \
  "\"help\":\"h\"},"                                                                               \
  "{\"name\":\"code\",\"type\":\"string\",\"default\":null,\"help\":\"h\",\"schema\":{"            \
  "\"pattern\":"                                                                                   \
  "\"^[a-z]+$\"}},"                                                                                \
  "{\"name\":\"even\",\"type\":\"int\",\"max\":18446744073709551615,\"default\":0,\"help\":\"h\"," \
  "\"schema\":{\"multipleOf\":2}},"                                                                \
  "{\"name\":\"any\",\"type\":\"json\",\"default\":null,\"help\":\"h\"}"

static const struct example structured[] = {
    {"{}", 0, "{\"scanPoints\":[],\"step\":1,\"even\":0}", NULL, NULL},
    {"{\"scanPoints\":[{\"x\":1.0}],\"step\":2.5,\"code\":\"ab\",\"even\":4,\"any\":[1]}", 0,
     "{\"scanPoints\":[{\"x\":1,\"y\":5}],\"step\":2.5,\"code\":\"ab\",\"even\":4,\"any\":[1]}",
     NULL, NULL},
    {"{\"scanPoints\":\"[{\\\"x\\\":18446744073709551615}]\",\"step\":\"18446744073709551615\","
     "\"even\":\"18446744073709551614\",\"any\":\"\\\"t\\\"\"}",
     1,
     "{\"scanPoints\":[{\"x\":18446744073709551615,\"y\":5}],\"step\":18446744073709551615,"
     "\"even\":"
     "18446744073709551614,\"any\":\"t\"}",
     NULL, NULL},
    {"{\"step\":1.0}", 0, "{\"scanPoints\":[],\"step\":1,\"even\":0}", NULL, NULL},
    {"{\"step\":\"1\"}", 0, NULL, "one of 1, 2.5, 18446744073709551615, not \"1\"",
     "bad-parameter"},
    {"{\"step\":\"two\"}", 1, NULL, "one of 1, 2.5", "bad-parameter"},
    {"{\"scanPoints\":{}}", 0, NULL, "must be a JSON array", "bad-parameter"},
    {"{\"scanPoints\":\"[1\"}", 1, NULL, "its text is not JSON", "bad-parameter"},
    {"{\"code\":\"A\",\"even\":3,\"scanPoints\":[{}]}", 0, NULL,
     "lacks \"x\" at /scanPoints/0; it has no default. The parameter 'code' must be text with a "
     "match "
     "of the pattern ^[a-z]+$, not \"A\". The parameter 'even' must be a multiple of 2, not 3.",
     "bad-parameter"},
    {"{\"sum\":1,\"even\":3}", 0, NULL,
     "no parameter 'sum'; GET /api/kinds/demo lists those that it "
     "has. The parameter 'even'",
     "unknown-parameter"},
};

static void test_schemas(void **state) {
  struct fixture *f = *state;
  char *text = declaration("demo", STRUCTURED);
  write_file(f, "demo.json", text);
  free(text);
  struct kinds *k = load(f);
  size_t count;
  const struct kinds_problem *p = kinds_problems(k, &count);
  if (count)
    fail_msg("%s", p->text);
  check_examples(kinds_find(k, "demo"), structured, sizeof structured / sizeof *structured);
  kinds_free(k);
}

/* ---- what a kind may say of itself ---- */

static const struct {
  const char *members, *says; /* says NULL: it loads */
} tops[] = {
    {"\"needs\":[]", NULL},
    {"\"needs\":[\"schema/1\",\"globs/1\"]", NULL},
    {"\"needs\":[\"schema/2\"],\"tomorrow\":1",
     "needs \"schema/2\", which this lathed does not have"},
    {"\"needs\":[1]", "a list of texts"},
    {"\"x-vendor\":{\"a\":1}", NULL},
    {"\"tomorrow\":1", "unknown key \"tomorrow\""},
    {"\"tomorrow\":1,\"may_ignore\":[\"tomorrow\"]", NULL},
    {"\"may_ignore\":[null]", "a list of texts"},
};

static void test_what_a_kind_needs(void **state) {
  struct fixture *f = *state;
  for (size_t i = 0; i < sizeof tops / sizeof *tops; i++) {
    char *plain = declaration("demo", ""), *text = mem_printf("{%s,%s", tops[i].members, plain + 1);
    write_file(f, "demo.json", text);
    struct kinds *k = load(f);
    assert_int_equal(kinds_find(k, "demo") != NULL, tops[i].says == NULL);
    if (tops[i].says)
      assert_problem(k, "demo.json", tops[i].says);
    kinds_free(k);
    free(plain);
    free(text);
  }
}

static const struct {
  const char *inputs, *says; /* says NULL: it loads */
} all_inputs[] = {
    {"{\"roles\":[{\"role\":\"a\"},{\"role\":\"b\",\"min\":0,\"max\":3}]}", NULL},
    {"{\"min\":1,\"max\":1,\"roles\":[{\"role\":\"a\"}]}", "leave them out"},
    {"{\"roles\":[]}", "1 to 16 roles"},
    {"{\"roles\":[{\"role\":\"a\"},{\"role\":\"a\"}]}", "declared twice"},
    {"{\"roles\":[{\"role\":\"n\"}]}", "another field of that name"},
    {"{\"roles\":[{\"role\":\"file\"}]}", "another field of that name"},
    {"{\"roles\":[{\"role\":\"A\"}]}", "not a name for a role"},
    {"{\"roles\":[{\"role\":\"a\",\"min\":2,\"max\":1}]}", "must not exceed"},
    {"{\"roles\":[{\"role\":\"a\",\"min\":0,\"max\":0}]}", "no place"},
    {"{\"roles\":[{\"role\":\"a\",\"formats\":[\"png\"]}]}", "endings with their dot"},
    {"{\"min\":1}", "lacks \"max\""},
};

static void test_roles(void **state) {
  struct fixture *f = *state;
  for (size_t i = 0; i < sizeof all_inputs / sizeof *all_inputs; i++) {
    char *text = mem_printf("{\"kind\":\"demo\",\"title\":\"t\",\"summary\":\"s\",\"inputs\":%s,"
                            "\"params\":[%s],\"artifacts\":[],\"stages\":[],\"resources\":{},"
                            "\"limits\":{}}",
                            all_inputs[i].inputs, PARAM_N("9", "h"));
    write_file(f, "demo.json", text);
    struct kinds *k = load(f);
    const struct kind *demo = kinds_find(k, "demo");
    assert_int_equal(demo != NULL, all_inputs[i].says == NULL);
    if (all_inputs[i].says)
      assert_problem(k, "demo.json", all_inputs[i].says);
    else
      assert_true(kind_inputs_min(demo) == 1 && kind_inputs_max(demo) == 4 && kind_role(demo, "b"));
    kinds_free(k);
    free(text);
  }
}

static void test_globs(void **state) {
  (void)state;
  assert_false(kind_is_glob("*"));
  assert_false(kind_is_glob("mesh.vtu"));
  assert_true(kind_is_glob("*.png"));
  assert_true(kind_glob_fits("frame-*.png", "frame-001.png"));
  assert_false(kind_glob_fits("frame-*.png", "frame-001.jpg"));
  assert_true(kind_glob_fits("?.png", "1.png"));
  assert_false(kind_glob_fits("?.png", "12.png"));
}

static void test_slips_in_a_declaration_are_found(void **state) {
  struct fixture *f = *state;
  for (size_t i = 0; i < sizeof slips / sizeof *slips; i++) {
    char *text = declaration("other", slips[i].params);
    write_file(f, "other.json", text);
    free(text);
    struct kinds *k = load(f);
    assert_problem(k, "other.json", slips[i].says);
    assert_null(kinds_find(k, "other"));
    assert_non_null(kinds_find(k, "demo")); /* the faulty file keeps no other out */
    kinds_free(k);
  }
}

static void test_files(void **state) {
  struct fixture *f = *state;
  write_file(f, "broken.json", "{\n\"kind\": }");
  struct kinds *k = load(f);
  assert_problem(k, "broken.json", "broken.json:2");
  kinds_free(k);
  char *text = declaration("demo", "");
  write_file(f, "broken.json", text);
  k = load(f);
  assert_problem(k, "broken.json", "demo.json");
  kinds_free(k);
  free(text);
  const char *const nowhere[] = {"/nonexistent/kinds", f->dir, NULL};
  remove_file(f, "broken.json");
  k = kinds_load(nowhere);
  assert_problem(k, "/nonexistent/kinds", "No such file");
  assert_non_null(kinds_find(k, "demo"));
  kinds_free(k);
}

static const struct {
  const char *first, *second, *where; /* where NULL: they agree */
} pairs[] = {
    {PARAM_N("10", "h"), PARAM_N("10", "h"), NULL},
    {PARAM_N("10", "h"), PARAM_N("10", "put in other words"), NULL},
    {PARAM_N("10", "h"), PARAM_N("11", "h"), "params.n.max"},
    {PARAM_N("10", "h"), "", "params.n"},
    {"", PARAM_N("10", "h"), "params.n"},
};

static void test_two_that_disagree(void **state) {
  struct fixture *f = *state;
  char *second = mem_printf("%s/second", f->dir);
  assert_int_equal(mkdir(second, 0700), 0);
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    char *a = declaration("demo", pairs[i].first), *b = declaration("demo", pairs[i].second);
    const char *const folders[] = {f->dir, second, NULL};
    write_file(f, "demo.json", a);
    write_file(f, "second/demo.json", b);
    struct kinds *k = kinds_load(folders);
    size_t count;
    const struct kinds_problem *p = kinds_problems(k, &count);
    assert_int_equal(count, pairs[i].where != NULL);
    if (count) {
      assert_string_equal(p->kind, "demo");
      assert_non_null(strstr(p->file, "/second/demo.json"));
      char *where = mem_printf("(first in %s)", pairs[i].where);
      if (!strstr(p->text, where))
        fail_msg("\"%s\" does not say \"%s\"", p->text, where);
      free(where);
    }
    json_t *first = json_loads(a, 0, NULL);
    assert_true(json_equal(kind_json(kinds_find(k, "demo")), first));
    json_decref(first);
    kinds_free(k);
    free(a);
    free(b);
  }
  free(second);
}

static void test_a_reload_keeps_what_is_held(void **state) {
  struct fixture *f = *state;
  char *other = declaration("other", "");
  write_file(f, "other.json", other);
  kinds_replace(f->kinds, load(f));
  const struct kind *demo = kinds_find(f->kinds, "demo"), *held = kinds_find(f->kinds, "other");
  assert_non_null(held);
  char *changed = declaration("other", PARAM_N("10", "h"));
  write_file(f, "other.json", changed);
  kinds_replace(f->kinds, load(f));
  assert_ptr_equal(kinds_find(f->kinds, "demo"), demo);
  assert_ptr_not_equal(kinds_find(f->kinds, "other"), held);
  assert_string_equal(kind_name(held), "other"); /* a job may still have it */
  assert_int_equal(json_array_size(json_object_get(kind_json(held), "params")), 0);
  remove_file(f, "other.json");
  kinds_replace(f->kinds, load(f));
  assert_null(kinds_find(f->kinds, "other"));
  assert_ptr_equal(kinds_next(f->kinds, NULL), demo);
  assert_null(kinds_next(f->kinds, demo));
  free(other);
  free(changed);
}

/* ---- declared by backends ---- */

static bool declare(struct kinds *k, const char *const (*list)[3]) {
  struct kinds_declaration all[8];
  size_t n = 0;
  for (; list[n][0]; n++)
    all[n] =
        (struct kinds_declaration){.backend = list[n][0], .kind = list[n][1], .json = list[n][2]};
  return kinds_declare(k, all, n);
}

static void assert_owner(const struct kinds *k, const char *name, const char *owner,
                         const char *max) {
  const struct kind *kind = kinds_find(k, name);
  assert_non_null(kind);
  if (owner)
    assert_string_equal(kind_owner(kind), owner);
  else
    assert_null(kind_owner(kind));
  char *text = json_dumps(kind_json(kind), JSON_COMPACT);
  if (max)
    assert_non_null(strstr(text, max));
  free(text);
}

static void test_kinds_of_backends(void **state) {
  struct fixture *f = *state;
  struct kinds *k = f->kinds;
  char *nine = declaration("turn", PARAM_N("9", "h")),
       *eight = declaration("turn", PARAM_N("8", "h"));
  char *words = declaration("turn", PARAM_N("9", "in other words"));
  char *demo = declaration("demo", PARAM_N("9", "h"));
  const struct kinds_problem *p;
  size_t count;

  assert_true(declare(k, (const char *const[][3]){{"b", "turn", eight}, {NULL}}));
  assert_owner(k, "turn", "b", "\"max\":8");
  const struct kind *held = kinds_find(k, "turn");
  assert_ptr_equal(kinds_next(k, kinds_find(k, "demo")), held);
  assert_false(declare(k, (const char *const[][3]){{"b", "turn", eight}, {NULL}}));
  assert_ptr_equal(kinds_find(k, "turn"), held);

  /* The first keeps it, whatever the order; the other hears of it once. */
  const char *const both[][3] = {{"a", "turn", nine}, {"b", "turn", eight}, {NULL}};
  assert_true(declare(k, both));
  assert_owner(k, "turn", "b", "\"max\":8");
  assert_problem(k, "backend a", "in backend b and in backend a (first in params.n.max)");
  assert_false(declare(k, both));

  /* It goes, and the other's counts; the old one stays valid. */
  assert_true(declare(k, (const char *const[][3]){{"a", "turn", nine}, {NULL}}));
  assert_owner(k, "turn", "a", "\"max\":9");
  assert_string_equal(kind_name(held), "turn");
  assert_true(
      declare(k, (const char *const[][3]){{"a", "turn", nine}, {"c", "turn", words}, {NULL}}) ==
      false); /* words alone do not disagree */

  /* A file goes first, also one that comes later. */
  assert_true(
      declare(k, (const char *const[][3]){{"a", "demo", demo}, {"a", "turn", nine}, {NULL}}));
  assert_owner(k, "demo", NULL, NULL);
  assert_problem(k, "backend a", "the kind demo is declared differently in");
  write_file(f, "turn.json", eight);
  kinds_replace(k, load(f));
  assert_owner(k, "turn", NULL, "\"max\":8");
  assert_true(declare(k, (const char *const[][3]){{"a", "turn", nine}, {NULL}}));
  assert_problem(k, "backend a", "params.n.max");
  remove_file(f, "turn.json");
  kinds_replace(k, load(f));
  assert_null(kinds_find(k, "turn"));
  assert_true(declare(k, (const char *const[][3]){{"a", "turn", nine}, {NULL}}));
  kinds_replace(k, load(f)); /* a reload keeps what backends declare */
  assert_owner(k, "turn", "a", "\"max\":9");

  /* One that comes and goes is one, not more each time. */
  held = kinds_find(k, "turn");
  assert_true(declare(k, (const char *const[][3]){{NULL}}));
  assert_null(kinds_find(k, "turn"));
  assert_true(declare(k, (const char *const[][3]){{"a", "turn", nine}, {NULL}}));
  assert_ptr_equal(kinds_find(k, "turn"), held);

  /* What is not one of a kind. */
  static const struct {
    const char *text, *says;
  } wrong[] = {{"{\"kind\":\"turn\"}", "lacks \"title\""}, {"{\"kind\" }", "line 1"}};
  for (size_t i = 0; i < 2; i++) {
    assert_true(declare(k, (const char *const[][3]){{"a", "turn", wrong[i].text}, {NULL}}));
    assert_null(kinds_find(k, "turn"));
    assert_problem(k, "a", wrong[i].says);
    assert_string_equal(kinds_problems(k, &count)->kind, "turn");
  }
  assert_true(declare(k, (const char *const[][3]){{"a", "mill", nine}, {NULL}}));
  assert_problem(k, "a", "kind mill: \"kind\" is turn");
  assert_true(declare(k, (const char *const[][3]){{NULL}}));
  p = kinds_problems(k, &count);
  assert_true(count == 0 || p == NULL);
  free(nine), free(eight), free(words), free(demo);
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
      T(test_the_shipped_ones_load),
      T(test_figures),
      T(test_check),
      T(test_schemas),
      T(test_what_a_kind_needs),
      T(test_roles),
      T(test_globs),
      T(test_slips_in_a_declaration_are_found),
      T(test_files),
      T(test_two_that_disagree),
      T(test_a_reload_keeps_what_is_held),
      T(test_kinds_of_backends),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
