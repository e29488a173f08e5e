/* SPDX-License-Identifier: MIT
 *
 * lathe backends, lathe rollback: where jobs run, and what a person switches.
 */
#include "backends_table.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/nearest_word.h"
#include "http_client.h"
#include "table.h"
#include "write_route.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WARM_MS = 120000, LOOK_MS = 200 };

/* ---- requests ---- */

/* {"why": ..., "backend": ...}, as far as they are given; NULL: there is nothing to say.  The caller
 * frees. */
static char *body_of(struct cli *c, const char *backend) {
  json_t *body = json_object();
  const char *why = option_get(c, "why");
  if (why)
    json_object_set_new(body, "why", json_string(why));
  if (backend)
    json_object_set_new(body, "backend", json_string(backend));
  char *text = json_object_size(body) ? json_dumps(body, JSON_COMPACT) : NULL;
  json_decref(body);
  return text;
}

/* want: a text that the answer has.  *out: json_decref it; NULL after a failure, which was said. */
static int ask(struct cli *c, const char *method, char *path, char *body, const char *want,
               json_t **out) {
  struct http_answer answer;
  struct http_call call = {.method = method, .path = path, .json = body, .type = "json"};
  int code = http_do(c, &call, &answer);
  if (code == CLI_OK && !*json_text(answer.json, want)) {
    code = CLI_SERVER;
    snprintf(answer.text, sizeof answer.text,
             "%s answered without what was asked for; is it a lathe server of this version?",
             c->server);
  }
  *out = code == CLI_OK ? json_incref(answer.json) : NULL;
  if (code != CLI_OK)
    http_report(&answer, code);
  http_answer_free(&answer);
  free(path);
  free(body);
  return code;
}

static int post_backend(struct cli *c, const char *name, const char *act, bool why, json_t **out) {
  return ask(c, "POST", http_path(c, "/api/backends/%s/%s", name, act),
             why ? body_of(c, NULL) : NULL, "state", out);
}

/* ---- drain, resume ---- */

static int change(struct cli *c, const char *act) {
  json_t *backend;
  const char *name = c->operands[1];
  int code = post_backend(c, name, act, true, &backend);
  if (code == CLI_OK && c->json)
    say_json(backend);
  else if (code == CLI_OK)
    say_note("backend %s is %s%s\n", name, json_text(backend, "state"),
             json_is_object(json_object_get(backend, "drained")) ? ", and drained: no new jobs"
                                                                 : "");
  json_decref(backend);
  return code;
}

static int act_drain(struct cli *c) {
  return change(c, "drain");
}

static int act_resume(struct cli *c) {
  return change(c, "resume");
}

/* ---- breaker ---- */

static char *force_of(struct cli *c, const char *state, int64_t for_ms) {
  json_t *body = json_pack("{s:s}", "state", state);
  const char *why = option_get(c, "why");
  if (for_ms > 0)
    json_object_set_new(body, "for_s", json_integer((for_ms + 999) / 1000));
  if (why)
    json_object_set_new(body, "why", json_string(why));
  char *text = json_dumps(body, JSON_COMPACT);
  json_decref(body);
  return text;
}

static int act_breaker(struct cli *c) {
  json_t *backend;
  const char *name = c->operands[1], *state = c->operands[2];
  int64_t for_ms = 0;
  if (strcmp(state, "open") != 0 && strcmp(state, "closed") != 0)
    return fail(CLI_USAGE, "lathe backends breaker NAME takes open or closed, not %s", state);
  if (option_duration(c, "for", &for_ms) != CLI_OK)
    return CLI_USAGE;
  int code = ask(c, "POST", http_path(c, "/api/backends/%s/breaker", name),
                 force_of(c, state, for_ms), "state", &backend);
  if (code == CLI_OK && c->json)
    say_json(backend);
  else if (code == CLI_OK)
    say_note("the breaker of backend %s is %s\n", name,
             json_text(json_object_get(backend, "breaker"), "state"));
  json_decref(backend);
  return code;
}

/* ---- warm ---- */

static bool is_on_its_way(const json_t *backend) {
  const char *state = json_text(backend, "state");
  return strcmp(state, "starting") == 0 || strcmp(state, "restarting") == 0;
}

static int look(struct cli *c, const char *name, json_t **backend) {
  json_t *document, *one;
  size_t i;
  int code = http_fetch(c, NULL, "/api/backends", "backends[]", &document);
  json_decref(*backend);
  *backend = NULL;
  json_array_foreach(json_object_get(document, "backends"), i, one) {
    if (strcmp(json_text(one, "name"), name) == 0)
      *backend = json_incref(one);
  }
  json_decref(document);
  if (code == CLI_OK && !*backend)
    return fail(CLI_REFUSED, "the backend %s has gone from the configuration", name);
  return code;
}

static int act_warm(struct cli *c) {
  json_t *backend;
  const char *name = c->operands[1];
  int64_t until = clock_mono_ms() + WARM_MS;
  int code = post_backend(c, name, "warm", false, &backend);
  while (code == CLI_OK && is_on_its_way(backend) && clock_mono_ms() < until &&
         !cli_interrupted()) {
    usleep(LOOK_MS * 1000);
    code = look(c, name, &backend);
  }
  if (code == CLI_OK && cli_interrupted())
    code = CLI_INTERRUPTED;
  if (code == CLI_OK && c->json)
    say_json(backend);
  if (code == CLI_OK && strcmp(json_text(backend, "state"), "ready") != 0)
    code = fail(CLI_SERVER, "backend %s is %s%s%s", name, json_text(backend, "state"),
                *json_text(backend, "message") ? ": " : "", json_text(backend, "message"));
  else if (code == CLI_OK && !c->json)
    say_note("backend %s is ready\n", name);
  json_decref(backend);
  return code;
}

/* ---- use ---- */

static int act_use(struct cli *c) {
  json_t *route;
  const char *kind = option_get(c, "kind"), *name = c->operand_count > 1 ? c->operands[1] : NULL;
  const char *file = option_get(c, "write");
  bool reset = option_get(c, "reset") != NULL;
  if (!kind)
    return fail(CLI_USAGE, "say for which kind of job, as: lathe backends use NAME --kind mesh");
  if (!name == !reset)
    return fail(CLI_USAGE, "lathe backends use takes the name of a backend, or --reset");
  if (file && reset)
    return fail(CLI_USAGE, "--write puts a backend first; --reset does not go with it");
  int code = ask(c, reset ? "DELETE" : "PUT", http_path(c, "/api/routes/%s/override", kind),
                 reset ? NULL : body_of(c, name), "kind", &route);
  if (code == CLI_OK && c->json) {
    say_json(route);
  } else if (code == CLI_OK) {
    const char *first = json_string_value(json_array_get(json_object_get(route, "backends"), 0));
    say_note("%s goes to %s first%s\n", kind, first ? first : "no backend",
             json_is_object(json_object_get(route, "override")) ? ""
                                                                : ", as the server's file says");
  }
  if (code == CLI_OK && file)
    code = write_route(file, kind, name, route);
  json_decref(route);
  return code;
}

/* ---- the verb ---- */

static const struct {
  const char *word;
  int (*run)(struct cli *c);
  size_t least, most; /* operands, itself among them */
} acts[] = {{"use", act_use, 1, 2},
            {"drain", act_drain, 2, 2},
            {"resume", act_resume, 2, 2},
            {"breaker", act_breaker, 3, 3},
            {"warm", act_warm, 2, 2}};

enum { ACTS = sizeof acts / sizeof *acts };

static const char *act_at(const void *ctx, size_t i) {
  (void)ctx;
  return acts[i].word;
}

static int run_act(struct cli *c) {
  const char *word = c->operands[0];
  for (size_t i = 0; i < ACTS; i++) {
    if (strcmp(word, acts[i].word) != 0)
      continue;
    if (c->operand_count >= acts[i].least && c->operand_count <= acts[i].most)
      return acts[i].run(c);
    return fail(CLI_USAGE, "lathe backends %s takes the name of one backend%s", word,
                acts[i].most > 2 ? ", and open or closed" : "");
  }
  const char *near = words_nearest(word, act_at, NULL, ACTS);
  return fail(CLI_USAGE,
              "lathe backends takes nothing, or use, drain, resume, breaker or warm%s%s%s",
              near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

int verb_backends(struct cli *c) {
  json_t *document;
  if (c->operand_count > 0)
    return run_act(c);
  int code = http_fetch(c, NULL, "/api/backends", "backends[]", &document);
  if (code == CLI_OK && c->json) {
    say_json(document);
  } else if (code == CLI_OK) {
    struct table t;
    backends_table(&t, document, true);
    table_print(&t, 0);
  }
  json_decref(document);
  return code;
}

int verb_rollback(struct cli *c) {
  json_t *line;
  int code = ask(c, "POST", mem_dup("/api/rollback"), body_of(c, NULL), "what", &line);
  if (code == CLI_OK && c->json) {
    say_json(line);
  } else if (code == CLI_OK) {
    char *from = json_dumps(json_object_get(line, "from"), JSON_ENCODE_ANY);
    char *to = json_dumps(json_object_get(line, "to"), JSON_ENCODE_ANY);
    say_note("%s: from %s back to %s\n", json_text(line, "about"), from ? from : "", to ? to : "");
    free(from);
    free(to);
  }
  json_decref(line);
  return code;
}
