/* SPDX-License-Identifier: MIT
 *
 * What the server can do: kinds; versions; words for the shell.
 */
#include "base/json64.h"
#include "base/mem.h"
#include "base/nearest_word.h"
#include "http_client.h"
#include "table.h"

#include <stdlib.h>
#include <string.h>

/* ---- kinds ---- */

/* A list of choices that is longer stands in the help, where it is wrapped. */
enum { RANGE_MAX = 48 };

/* A number; nothing where there is none. */
static void put_end(struct buf *out, const json_t *v) {
  char *text = v ? json64_dump(v, JSON_ENCODE_ANY | JSON_REAL_PRECISION(10)) : NULL;
  buf_puts(out, text ? text : "");
  free(text);
}

static void put_choices(struct buf *out, const json_t *choices, const char *between) {
  size_t i;
  json_t *choice;
  json_array_foreach(choices, i, choice) {
    buf_puts(out, i ? between : "");
    if (json_is_string(choice) && !json64_is_number(choice))
      buf_puts(out, json_string_value(choice));
    else
      put_end(out, choice);
  }
}

/* `help` gets the choices if there is no room for them in `out`. */
static void put_range(struct buf *out, struct buf *help, const json_t *param) {
  const json_t *choices = json_object_get(param, "choices");
  const json_t *low = json_object_get(param, "min"), *high = json_object_get(param, "max");
  put_choices(out, choices, "|");
  if (out->len > RANGE_MAX) {
    buf_clear(out);
    buf_printf(out, "one of %zu", json_array_size(choices));
    buf_puts(help, " One of: ");
    put_choices(help, choices, ", ");
    buf_puts(help, ".");
  }
  if (low || high) {
    put_end(out, low);
    buf_puts(out, "..");
    put_end(out, high);
  }
  if (*json_text(param, "unit"))
    buf_printf(out, "%s%s", out->len ? " " : "", json_text(param, "unit"));
}

/* What a schema says is for programs, but it is all that there is. */
static void put_schema(struct buf *help, const json_t *schema) {
  char *text = schema ? json64_dump(schema, JSON_ENCODE_ANY | JSON_REAL_PRECISION(10)) : NULL;
  if (text)
    buf_printf(help, " Schema: %s", text);
  free(text);
}

static void put_default(struct buf *out, const json_t *param) {
  const json_t *value = json_object_get(param, "default");
  if (!value) {
    buf_puts(out, "required");
  } else if (json_is_string(value) && !json64_is_number(value)) {
    buf_puts(out, json_string_value(value));
  } else if (!json_is_null(value)) {
    char *text = json64_dump(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(6));
    buf_puts(out, text);
    free(text);
  }
}

/* How many files have it: "1", "0..4". */
static void put_counts(struct buf *out, const json_t *role) {
  const json_t *min = json_object_get(role, "min"), *max = json_object_get(role, "max");
  json_int_t least = min ? json_integer_value(min) : 1;
  json_int_t most = max ? json_integer_value(max) : least > 1 ? least : 1;
  buf_put_i64(out, least);
  if (most != least)
    buf_printf(out, "..%" JSON_INTEGER_FORMAT, most);
}

static void print_roles(const json_t *inputs) {
  const json_t *roles = json_object_get(inputs, "roles");
  size_t i, f;
  json_t *role, *ending;
  if (!roles)
    return;
  say("\nInputs (ROLE=FILE):\n");
  struct table t;
  table_begin(&t, "ROLE|COUNT|+");
  json_array_foreach(roles, i, role) {
    struct buf count = {0}, help = {0};
    buf_puts(&help, json_text(role, "help"));
    json_array_foreach(json_object_get(role, "formats"), f, ending)
        buf_printf(&help, "%s%s", f ? " " : " Files: ", json_string_value(ending));
    put_counts(&count, role);
    table_put(&t, json_text(role, "role"));
    table_put(&t, count.data);
    table_put(&t, help.data);
    buf_free(&count);
    buf_free(&help);
  }
  table_print(&t, 2);
}

/* "Files: .step .stp", after what the kind says of its inputs. */
static void print_inputs(const json_t *kind) {
  const json_t *inputs = json_object_get(kind, "inputs");
  struct buf b = {0};
  size_t i;
  json_t *value;
  buf_puts(&b, json_text(inputs, "help"));
  json_array_foreach(json_object_get(inputs, "formats"), i, value) {
    buf_printf(&b, "%s%s", i ? " " : " Files: ", json_string_value(value));
  }
  if (!json_object_get(inputs, "roles"))
    say_wrapped("\nInput: ", 2, b.data ? b.data : "", 0);
  buf_free(&b);
  print_roles(inputs);
}

static void print_kind(const json_t *kind) {
  size_t i;
  json_t *value;
  say("%s: %s\n\n", json_text(kind, "kind"), json_text(kind, "title"));
  say_wrapped("  ", 2, json_text(kind, "summary"), 0);
  print_inputs(kind);
  say("\nParameters (-p name=value):\n");
  struct table t;
  table_begin(&t, "NAME|TYPE|~RANGE|~DEFAULT|+");
  json_array_foreach(json_object_get(kind, "params"), i, value) {
    struct buf range = {0}, fallback = {0}, help = {0};
    buf_puts(&help, json_text(value, "help"));
    put_range(&range, &help, value);
    put_schema(&help, json_object_get(value, "schema"));
    put_default(&fallback, value);
    table_put(&t, json_text(value, "name"));
    table_put(&t, json_text(value, "type"));
    table_put(&t, range.data);
    table_put(&t, fallback.data);
    table_put(&t, help.data);
    buf_free(&range);
    buf_free(&fallback);
    buf_free(&help);
  }
  table_print(&t, 2);
  say("\nArtifacts:\n");
  table_begin(&t, "NAME|TYPE|+");
  json_array_foreach(json_object_get(kind, "artifacts"), i, value) {
    table_put(&t, json_text(value, "name"));
    table_put(&t, json_text(value, "media_type"));
    table_put(&t, json_text(value, "help"));
  }
  table_print(&t, 2);
}

static void print_kinds(const json_t *kinds) {
  struct table t;
  size_t i;
  json_t *kind;
  table_begin(&t, "KIND|TITLE|+SUMMARY");
  json_array_foreach(kinds, i, kind) {
    table_put(&t, json_text(kind, "kind"));
    table_put(&t, json_text(kind, "title"));
    table_put(&t, json_text(kind, "summary"));
  }
  table_print(&t, 0);
}

static const json_t *find_kind(const json_t *kinds, const char *name) {
  size_t i;
  json_t *kind;
  json_array_foreach(kinds, i, kind) {
    if (!strcmp(json_text(kind, "kind"), name))
      return kind;
  }
  return NULL;
}

static const char *kind_at(const void *ctx, size_t i) {
  return json_text(json_array_get(ctx, i), "kind");
}

static int show_kind(const struct cli *c, const json_t *kinds, const char *name) {
  const json_t *kind = find_kind(kinds, name);
  const char *near = kind ? NULL : words_nearest(name, kind_at, kinds, json_array_size(kinds));
  if (!kind)
    return fail(CLI_REFUSED, "the server has no kind %s%s%s%s; `lathe kinds` lists them", name,
                near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
  if (c->json)
    say_json(kind);
  else
    print_kind(kind);
  return CLI_OK;
}

int verb_kinds(struct cli *c) {
  json_t *document;
  int code = http_fetch(c, NULL, "/api/kinds", "kinds[]", &document);
  const json_t *kinds = json_object_get(document, "kinds");
  size_t i;
  json_t *problem;
  if (code == CLI_OK && c->operand_count) {
    code = show_kind(c, kinds, c->operands[0]);
  } else if (code == CLI_OK && c->json) {
    say_json(document);
  } else if (code == CLI_OK) {
    print_kinds(kinds);
    json_array_foreach(json_object_get(document, "problems"), i, problem) {
      say_note("lathe: the server says: %s\n", json_text(problem, "text"));
    }
  }
  json_decref(document);
  return code;
}

/* ---- version, completion ---- */

int verb_version(struct cli *c) {
  struct http_answer answer;
  struct http_call call = {.path = "/api/health", .type = "json"};
  int code = http_do(c, &call, &answer);
  const char *server = code == CLI_OK ? json_text(answer.json, "version") : "";
  if (c->json) {
    json_t *document = json_pack("{s:s, s:s, s:s?}", "client", LATHE_VERSION, "address", c->server,
                                 "server", *server ? server : NULL);
    say_json(document);
    json_decref(document);
  } else {
    say("lathe %s\n", LATHE_VERSION);
    if (*server)
      say("lathed %s at %s\n", server, c->server);
    else
      say("no lathe server at %s\n", c->server);
  }
  http_answer_free(&answer);
  return CLI_OK;
}

/* A shell may expand what it is given: a word with anything special in it is left out. */
static bool is_word(const char *text) {
  static const char plain[] =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+:@-";
  size_t len = strlen(text);
  return len > 0 && len < 200 && text[0] != '-' && strspn(text, plain) == len;
}

static void print_words(const json_t *list, const char *key, const char *suffix) {
  size_t i;
  json_t *value;
  json_array_foreach(list, i, value) {
    const char *word = json_text(value, key);
    if (is_word(word))
      say("%s%s\n", word, suffix);
  }
}

/* All options, or those that take a value. */
static void print_option_words(const struct cli_option *options, bool values) {
  for (; options && options->name; options++) {
    if (!values || options->value)
      say("--%s\n", options->name);
    if (values && options->value && options->letter)
      say("-%c\n", options->letter);
  }
}

/* Words that the server knows. */
static void print_listed(struct cli *c, const char *what, const char *of) {
  static const struct {
    const char *what, *path, *list, *key;
  } lists[] = {{"kinds", "/api/kinds", "kinds", "kind"},
               {"backends", "/api/backends", "backends", "name"},
               {"jobs", "/api/jobs?limit=50", "jobs", "job_id"},
               {"batches", "/api/batches?limit=50", "batches", "batch_id"},
               {"params", "/api/kinds", "kinds", "name"}};
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
    if (strcmp(what, lists[i].what) != 0)
      continue;
    struct http_answer answer;
    struct http_call call = {.path = lists[i].path, .type = "json"};
    const json_t *list = NULL;
    if (http_do(c, &call, &answer) == CLI_OK)
      list = json_object_get(answer.json, lists[i].list);
    bool params = !strcmp(what, "params");
    print_words(params ? json_object_get(find_kind(list, of), "params") : list, lists[i].key,
                params ? "=" : "");
    http_answer_free(&answer);
  }
}

/* Words for the shell, one a line; silent where the server does not answer. */
int verb_complete(struct cli *c) {
  const char *what = c->operands[0], *of = c->operand_count > 1 ? c->operands[1] : "";
  const struct cli_verb *verb = cli_find_verb(of);
  bool values = !strcmp(what, "values");
  for (const struct cli_verb *v = cli_verbs(); v->name && !strcmp(what, "verbs"); v++)
    if (v->summary)
      say("%s\n", v->name);
  if (values || !strcmp(what, "options")) {
    print_option_words(verb ? verb->options : NULL, values);
    print_option_words(cli_global_options(), values);
  } else {
    print_listed(c, what, of);
  }
  return CLI_OK;
}
