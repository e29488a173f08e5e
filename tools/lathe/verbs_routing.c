/* SPDX-License-Identifier: MIT
 *
 * lathe why, lathe route: which backend gets a job, and why no other one.
 */
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "cli.h"
#include "http_client.h"
#include "table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the words of the API mean; a word of a newer server is shown alone. */
static const char *meaning(const char *reason) {
  static const struct {
    const char *reason, *text;
  } all[] = {
      {"not_ready", "it is not ready"},
      {"drained", "somebody keeps jobs from it"},
      {"breaker", "it cannot be reached, or does not work"},
      {"guard", "it did worse than it should"},
      {"budget", "too little is left of memory, threads or money"},
      {"full", "all its slots are in use"},
      {"excluded", "an attempt failed there"},
      {"pinned_elsewhere", "another one has the job, or may have it"},
      {"unfit", "it does not do this"},
  };
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (!strcmp(reason, all[i].reason))
      return all[i].text;
  return "";
}

static void put_candidate(struct table *t, const json_t *candidate, const char *taken) {
  const char *reason = json_text(candidate, "reason"), *detail = json_text(candidate, "detail");
  bool is_taken = json_is_true(json_object_get(candidate, "taken"));
  const char *text = meaning(reason);
  table_put(t, json_text(candidate, "backend"));
  table_put(t, is_taken ? taken : *reason ? reason : "could take it");
  table_putf(t, "%s%s%s", text, *text && *detail ? ": " : "", detail);
}

/* taken: the word for the one that gets the job. */
static void show_decision(const json_t *decision, const char *taken) {
  const json_t *considered = json_object_get(decision, "considered");
  struct table t;
  size_t i;
  json_t *candidate;
  if (json_array_size(considered) == 0)
    return;
  table_begin(&t, "BACKEND|ANSWER|+WHY");
  json_array_foreach(considered, i, candidate) {
    put_candidate(&t, candidate, taken);
  }
  table_print(&t, 2);
}

static void add_policy(struct buf *line, const json_t *decision) {
  if (json_array_size(json_object_get(decision, "considered")) > 1)
    buf_printf(line, ", policy %s", json_text(decision, "policy"));
}

/* ---- lathe why ---- */

static void show_attempt(size_t number, const json_t *attempt) {
  const json_t *decision = json_object_get(attempt, "decision");
  const char *error = json_text(json_object_get(attempt, "error"), "detail");
  struct buf line = {0};
  buf_printf(&line, "attempt %zu on %s: %s", number, json_text(attempt, "backend"),
             json_text(attempt, "status"));
  add_policy(&line, decision);
  say("%s\n", line.data);
  if (*error)
    say_wrapped("  ", 2, error, 0);
  show_decision(decision, "taken");
  buf_free(&line);
}

/* What a job waits for, as one sentence. */
static void show_waiting(const json_t *answer) {
  const json_t *decision = json_object_get(answer, "decision");
  double left = json_real_of(answer, "retry_at") - (double)clock_wall_us() / 1e6;
  const char *backend = json_text(answer, "backend");
  int others = (int)json_real_of(answer, "queued") - 1;
  struct buf line = {0};
  char time[SAY_SIZE];
  if (left > 0)
    buf_printf(&line, "waits %s before it is tried again", say_seconds(left, time));
  else if (*backend && others > 0)
    buf_printf(&line, "waits for its turn: %d other%s of its kind wait%s, too", others,
               others == 1 ? "" : "s", others == 1 ? "s" : "");
  else if (*backend)
    buf_printf(&line, "is about to begin on %s", backend);
  else if (json_array_size(json_object_get(decision, "considered")) == 0)
    buf_puts(&line, "waits for a backend; none that is configured does its kind");
  else
    buf_puts(&line, "waits, because no backend can take it now");
  add_policy(&line, decision);
  say("now: it %s\n", line.data);
  show_decision(decision, "is next");
  buf_free(&line);
}

static void show_why(const json_t *answer) {
  const json_t *attempts = json_object_get(answer, "attempts");
  const char *pin = json_text(answer, "pinned_to"), *status = json_text(answer, "status");
  size_t i;
  json_t *attempt;
  say("%s, %s: %s\n", json_text(answer, "job_id"), json_text(answer, "kind"), status);
  if (*pin)
    say("its request names the backend %s, so no route is asked\n", pin);
  json_array_foreach(attempts, i, attempt) {
    show_attempt(i + 1, attempt);
  }
  if (!strcmp(status, "queued"))
    show_waiting(answer);
  else if (json_array_size(attempts) == 0)
    say("no backend had it\n");
}

int verb_why(struct cli *c) {
  char *path = http_path(c, "/api/jobs/%s/decision", c->operands[0]);
  json_t *answer;
  int code = http_fetch(c, NULL, path, "job_id", &answer);
  free(path);
  if (code == CLI_OK && c->json)
    say_json(answer);
  else if (code == CLI_OK)
    show_why(answer);
  json_decref(answer);
  return code;
}

/* ---- lathe route ---- */

static void put_names(struct table *t, const json_t *names) {
  struct buf b = {0};
  size_t i;
  json_t *name;
  json_array_foreach(names, i, name) {
    buf_printf(&b, "%s%s", i ? ", " : "", json_string_value(name));
  }
  table_put(t, b.len ? b.data : "");
  buf_free(&b);
}

/* Routes that nobody serves and nobody configured are all the kinds that this server could do. */
static bool is_of_interest(const json_t *route) {
  return json_is_true(json_object_get(route, "configured")) ||
         json_array_size(json_object_get(route, "backends")) > 0;
}

static void show_routes(const json_t *answer) {
  struct table t;
  size_t i;
  json_t *route;
  table_begin(&t, "KIND|POLICY|~BACKENDS|NEXT|>QUEUED");
  json_array_foreach(json_object_get(answer, "routes"), i, route) {
    if (!is_of_interest(route))
      continue;
    table_put(&t, json_text(route, "kind"));
    table_put(&t, json_text(route, "policy"));
    put_names(&t, json_object_get(route, "backends"));
    table_put(&t, *json_text(route, "backend") ? json_text(route, "backend") : "-");
    table_putf(&t, "%d", (int)json_real_of(route, "queued"));
  }
  table_print(&t, 0);
}

static void show_canary(const json_t *canary) {
  const char *sticky = json_text(canary, "sticky");
  double share = json_real_of(canary, "share"), draw = json_real_of(canary, "draw");
  if (!json_is_object(canary))
    return;
  say("canary %s: %.12g%% of the %s", json_text(canary, "backend"), share * 100,
      !strcmp(sticky, "client")  ? "clients"
      : !strcmp(sticky, "input") ? "inputs"
                                 : "jobs");
  if (draw > 0)
    say("; this one draws %.12g%%, so it is %s", draw * 100, draw <= share ? "drawn" : "not");
  say("\n");
}

static void show_route(const json_t *route) {
  const char *backend = json_text(route, "backend");
  int queued = (int)json_real_of(route, "queued");
  char time[SAY_SIZE];
  say("%s: policy %s%s, at most %d attempt%s", json_text(route, "kind"), json_text(route, "policy"),
      json_is_true(json_object_get(route, "configured")) ? "" : " (no route is configured)",
      (int)json_real_of(route, "attempts"), (int)json_real_of(route, "attempts") == 1 ? "" : "s");
  if (json_is_number(json_object_get(route, "max_wait_s")))
    say(", waits at most %s", say_seconds(json_real_of(route, "max_wait_s"), time));
  say("%s\n", json_is_false(json_object_get(route, "fallback")) ? ", no fallback" : "");
  show_canary(json_object_get(route, "canary"));
  if (queued > 0)
    say("%d job%s of this kind wait%s\n", queued, queued == 1 ? "" : "s", queued == 1 ? "s" : "");
  if (*backend)
    say("a job that is sent now %s %s\n", queued > 0 ? "waits for its turn, then for" : "goes to",
        backend);
  else if (json_array_size(json_object_get(route, "backends")) == 0)
    say("no backend of the configuration does this kind\n");
  else
    say("a job that is sent now waits, because no backend can take it\n");
  show_decision(json_object_get(route, "decision"), "is next");
}

/* "&input=...&bytes=N" of the file, which is not sent; CLI_OK, or CLI_USAGE (said). */
static int describe_file(const char *path, struct buf *query) {
  enum { PIECE = 1 << 16 };
  char hex[SHA256_HEX_SIZE], *piece = mem_alloc(PIECE);
  FILE *file = fopen(path, "rb");
  struct sha256 *hash = sha256_begin();
  long long bytes = 0;
  for (size_t n; file && (n = fread(piece, 1, PIECE, file)) > 0; bytes += (long long)n)
    sha256_add(hash, piece, n);
  int code = !file || ferror(file) ? fail(CLI_USAGE, "%s cannot be read: %s", path, strerror(errno))
                                   : CLI_OK;
  sha256_end(hash, hex);
  buf_printf(query, "&input=%s&bytes=%lld", hex, bytes);
  if (file)
    fclose(file);
  free(piece);
  return code;
}

/* Path of the request; the caller frees.  NULL: it was said what is wrong. */
static char *route_path(struct cli *c, const char *kind, int *code) {
  const char *pin = option_get(c, "backend"), *file = option_get(c, "file");
  struct buf path = {0};
  if (!kind && (pin || file)) {
    *code = fail(CLI_USAGE, "--%s needs the kind: lathe route KIND --%s %s",
                 pin ? "backend" : "file", pin ? "backend" : "file", pin ? pin : file);
    return NULL;
  }
  char *base = kind ? http_path(c, "/api/routes/%s?", kind) : mem_dup("/api/routes");
  char *one = pin ? http_path(c, "backend=%s", pin) : NULL;
  buf_puts(&path, base);
  buf_puts(&path, one ? one : "");
  *code = file ? describe_file(file, &path) : CLI_OK;
  free(one);
  free(base);
  if (*code != CLI_OK)
    buf_free(&path);
  return buf_take(&path);
}

int verb_route(struct cli *c) {
  const char *kind = c->operand_count ? c->operands[0] : NULL;
  json_t *answer = NULL;
  int code;
  char *path = route_path(c, kind, &code);
  if (code == CLI_OK)
    code = http_fetch(c, NULL, path, kind ? "kind" : "routes[]", &answer);
  free(path);
  if (code == CLI_OK && c->json)
    say_json(answer);
  else if (code == CLI_OK && kind)
    show_route(answer);
  else if (code == CLI_OK)
    show_routes(answer);
  json_decref(answer);
  return code;
}
