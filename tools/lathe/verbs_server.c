/* SPDX-License-Identifier: MIT
 *
 * What the server can do: kinds, backends; version and help.
 */
#include "backends_table.h"
#include "base/mem.h"
#include "http_client.h"
#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- kinds ---- */

static void put_range(struct buf *out, const json_t *param) {
  const json_t *choices = json_object_get(param, "choices");
  const json_t *low = json_object_get(param, "min"), *high = json_object_get(param, "max");
  size_t i;
  json_t *choice;
  json_array_foreach(choices, i, choice) {
    buf_printf(out, "%s%s", i ? "|" : "", json_string_value(choice));
  }
  if (json_is_number(low) || json_is_number(high))
    buf_printf(out, "%.10g..%.10g", json_number_value(low), json_number_value(high));
  if (*json_text(param, "unit"))
    buf_printf(out, "%s%s", out->len ? " " : "", json_text(param, "unit"));
}

static void put_default(struct buf *out, const json_t *param) {
  const json_t *value = json_object_get(param, "default");
  if (!value) {
    buf_puts(out, "required");
  } else if (json_is_string(value)) {
    buf_puts(out, json_string_value(value));
  } else if (!json_is_null(value)) {
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(6));
    buf_puts(out, text);
    free(text);
  }
}

static void print_kind(const json_t *kind) {
  printf("%s: %s\n\n  %s\n", json_text(kind, "kind"), json_text(kind, "title"),
         json_text(kind, "summary"));
  const json_t *inputs = json_object_get(kind, "inputs");
  size_t i;
  json_t *value;
  printf("\nInput: %s", json_text(inputs, "help"));
  json_array_foreach(json_object_get(inputs, "formats"), i, value) {
    printf("%s%s", i ? " " : " Files: ", json_string_value(value));
  }
  printf("\n\nParameters (-p name=value):\n");
  struct table t;
  table_begin(&t, "NAME|TYPE|RANGE|DEFAULT|");
  json_array_foreach(json_object_get(kind, "params"), i, value) {
    struct buf range = {0}, fallback = {0};
    put_range(&range, value);
    put_default(&fallback, value);
    table_put(&t, json_text(value, "name"));
    table_put(&t, json_text(value, "type"));
    table_put(&t, range.data);
    table_put(&t, fallback.data);
    table_put(&t, json_text(value, "help"));
    buf_free(&range);
    buf_free(&fallback);
  }
  table_print(&t, 2);
  printf("\nArtifacts:\n");
  table_begin(&t, "NAME|TYPE|");
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
  table_begin(&t, "KIND|TITLE|SUMMARY");
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

int verb_kinds(struct cli *c) {
  json_t *document;
  int code = http_fetch(c, NULL, "/api/kinds", &document);
  if (code != CLI_OK)
    return code;
  const json_t *kinds = json_object_get(document, "kinds"), *one = NULL;
  if (c->operand_count) {
    one = find_kind(kinds, c->operands[0]);
    if (!one) {
      say_error("the server has no kind %s; `lathe kinds` lists them", c->operands[0]);
      code = CLI_REFUSED;
    } else if (c->json) {
      say_json(one);
    } else {
      print_kind(one);
    }
  } else if (c->json) {
    say_json(document);
  } else {
    print_kinds(kinds);
    size_t i;
    json_t *problem;
    json_array_foreach(json_object_get(document, "problems"), i, problem) {
      fprintf(stderr, "lathe: the server says: %s\n", json_text(problem, "text"));
    }
  }
  json_decref(document);
  return code;
}

/* ---- backends ---- */

int verb_backends(struct cli *c) {
  json_t *document;
  int code = http_fetch(c, NULL, "/api/backends", &document);
  if (code == CLI_OK && c->json) {
    say_json(document);
  } else if (code == CLI_OK) {
    struct table t;
    backends_table(&t, document);
    table_print(&t, 0);
  }
  json_decref(document);
  return code;
}

/* ---- version, help, completion ---- */

int verb_version(struct cli *c) {
  struct http_answer answer;
  struct http_call call = {.path = "/api/health"};
  int code = http_do(c, &call, &answer);
  const char *server = code == CLI_OK ? json_text(answer.json, "version") : "";
  if (c->json) {
    json_t *document = json_pack("{s:s, s:s, s:s?}", "client", LATHE_VERSION, "address", c->server,
                                 "server", *server ? server : NULL);
    say_json(document);
    json_decref(document);
  } else {
    printf("lathe %s\n", LATHE_VERSION);
    if (code == CLI_OK)
      printf("lathed %s at %s\n", *server ? server : "(unknown version)", c->server);
    else
      printf("no server at %s\n", c->server);
  }
  http_answer_free(&answer);
  return CLI_OK;
}

static void help_all(void) {
  printf("usage: lathe VERB [OPTION...] [OPERAND...]\n\n"
         "Hands geometry and image jobs to a lathe server and brings back what they made.\n\n");
  for (const struct cli_verb *v = cli_verbs(); v->name; v++)
    if (v->summary)
      printf("  %-9s %-28s %s\n", v->name, v->operands, v->summary);
  printf("\nFor every verb:\n");
  options_help(cli_global_options());
  printf("\nExit codes:\n");
#define X(name, value, meaning) printf("  %-4d %s\n", value, meaning);
  CLI_EXIT_TABLE(X)
#undef X
  printf(
      "\n`lathe help VERB` says more about one verb, `lathe kinds KIND` about the parameters of a "
      "kind of job.\n");
}

int verb_help(struct cli *c) {
  const char *name = c->operand_count ? c->operands[0] : NULL;
  const struct cli_verb *v = name ? cli_find_verb(name) : NULL;
  if (name && !v) {
    say_error("there is no verb %s; see lathe help", name);
    return CLI_USAGE;
  }
  if (!v) {
    help_all();
    return CLI_OK;
  }
  printf("usage: lathe %s [OPTION...] %s\n\n%s.\n", v->name, v->operands,
         v->summary ? v->summary : "Used by the shell's completion");
  if (v->detail)
    printf("\n%s\n", v->detail);
  if (v->options) {
    printf("\nOptions:\n");
    options_help(v->options);
  }
  printf("\nFor every verb:\n");
  options_help(cli_global_options());
  return CLI_OK;
}

static void print_words(const json_t *list, const char *key, const char *suffix) {
  size_t i;
  json_t *value;
  json_array_foreach(list, i, value) {
    printf("%s%s\n", json_text(value, key), suffix);
  }
}

static void print_option_words(const struct cli_option *options) {
  for (; options && options->name; options++)
    printf("--%s\n", options->name);
}

/* Words for the shell, one a line; silent where the server does not answer. */
int verb_complete(struct cli *c) {
  static const struct {
    const char *what, *path, *list, *key;
  } lists[] = {{"kinds", "/api/kinds", "kinds", "kind"},
               {"backends", "/api/backends", "backends", "name"},
               {"jobs", "/api/jobs?limit=50", "jobs", "job_id"},
               {"params", "/api/kinds", "kinds", "name"}};
  const char *what = c->operands[0], *of = c->operand_count > 1 ? c->operands[1] : "";
  for (const struct cli_verb *v = cli_verbs(); v->name && !strcmp(what, "verbs"); v++)
    if (v->summary)
      puts(v->name);
  if (!strcmp(what, "options")) {
    const struct cli_verb *v = cli_find_verb(of);
    print_option_words(v ? v->options : NULL);
    print_option_words(cli_global_options());
  }
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
    if (strcmp(what, lists[i].what) != 0)
      continue;
    struct http_answer answer;
    struct http_call call = {.path = lists[i].path};
    const json_t *list = NULL;
    if (http_do(c, &call, &answer) == CLI_OK)
      list = json_object_get(answer.json, lists[i].list);
    bool params = !strcmp(what, "params");
    print_words(params ? json_object_get(find_kind(list, of), "params") : list, lists[i].key,
                params ? "=" : "");
    http_answer_free(&answer);
  }
  return CLI_OK;
}
