/* SPDX-License-Identifier: MIT
 *
 * submit and watch: hand a job over and see it through.
 *
 *   submit --> 202 --> [--wait] events --> final --> [--out] artifacts --> exit code
 */
#include "artifacts.h"
#include "base/id.h"
#include "base/mem.h"
#include "follow.h"
#include "form.h"
#include "http_client.h"
#include "progress.h"

#include <stdlib.h>
#include <string.h>

struct session {
  struct cli *c;
  struct progress progress;
  bool lines; /* print every event on stdout */
};

/* ---- the request ---- */

/* The fields of the form; *count is how many there are. */
static int fill_form(const struct cli *c, curl_mime *mime, int *count) {
  *count = 0;
  int code = form_add_params(c, mime, c->operands[0], count);
  if (code != CLI_OK)
    return code;
  /* Files last, so that the server has seen the fields when the long part begins. */
  *count += (int)c->operand_count - 1;
  return form_add_inputs(c, mime, 1, "name");
}

static void on_sent(void *arg, int64_t done, int64_t total) {
  struct session *s = arg;
  if (total >= 1 << 20) /* smaller ones are over before one could read it */
    progress_update(&s->progress, "upload", 100.0 * (double)done / (double)total);
}

/* Refused for its files: the server speaks of forms and JSON, which nobody wrote here. */
static bool has_wrong_files(const struct cli *c, const struct http_answer *answer, int code) {
  const char *slug = strrchr(json_text(answer->json, "type"), '/');
  return code == CLI_REFUSED && !c->json && slug && !strcmp(slug, "/bad-input");
}

static int report_refusal(const struct cli *c, const struct http_answer *answer, int code) {
  const char *kind = c->operands[0];
  bool files = has_wrong_files(c, answer, code);
  if (files && c->operand_count == 1)
    return fail(code,
                "%s needs a file, as in: lathe submit %s FILE; - reads standard input, under the "
                "name that --name gives it. lathe kinds %s says what it takes",
                kind, kind, kind);
  http_report(answer, code);
  if (files && c->operand_count > 2)
    say_note("  `lathe batch submit %s FILE...` makes a job of each file.\n", kind);
  return code;
}

/* Sends the job; the answer's JSON in *out. */
static int send_job(struct cli *c, struct session *s, json_t **out) {
  curl_mime *mime = curl_mime_init(c->curl);
  char *path = http_path(c, "/api/jobs/%s", c->operands[0]);
  const char *key = option_get(c, "idempotency-key");
  char *header = key ? mem_printf("Idempotency-Key: %s", key) : NULL;
  const char *fresh = option_get(c, "no-cache") ? "Cache-Control: no-cache" : NULL;
  struct http_answer answer = {0};
  int count, code = fill_form(c, mime, &count);
  if (code == CLI_OK) {
    struct http_call call = {.method = "POST",
                             .path = path,
                             .type = "json",
                             .mime = count ? mime : NULL,
                             .json = count ? NULL : "{}",
                             .headers = {"Accept: application/json", fresh, header},
                             .endless = true,
                             .sent = on_sent,
                             .arg = s};
    code = http_do(c, &call, &answer);
    progress_end(&s->progress);
    report_refusal(c, &answer, code);
  }
  *out = json_incref(answer.json);
  if (code == CLI_OK && !id_is_valid(json_text(*out, "job_id")))
    code = fail(CLI_SERVER, "%s did not answer with a job; is it a lathe server?", c->server);
  http_answer_free(&answer);
  curl_mime_free(mime);
  free(header);
  free(path);
  return code;
}

/* ---- following ---- */

static void print_event(const char *event, const char *id, const json_t *data, bool as_json) {
  if (as_json) {
    json_t *line = json_pack("{s:s, s:s, s:O?}", "event", event, "id", id, "data", data);
    say_json_line(line);
    json_decref(line);
    return;
  }
  const char *text = json_text(data, "text");
  if (!strcmp(event, "progress"))
    say("%-10s%5.1f%%  %s\n", event, json_real_of(data, "percent"), json_text(data, "stage"));
  else if (!strcmp(event, "started"))
    say("%-10son %s\n", event, json_text(data, "backend"));
  else if (!strcmp(event, "failed"))
    say_wrapped("failed    ", 10, json_text(json_object_get(data, "error"), "detail"), 0);
  else if (*text)
    say("%-10s%.*s\n", event, (int)strcspn(text, "\n"), text);
  else
    say("%s\n", event);
}

static int on_event(void *arg, const char *event, const char *id, const json_t *data) {
  struct session *s = arg;
  if (s->lines)
    print_event(event, id, data, s->c->json);
  else if (!strcmp(event, "progress"))
    progress_update(&s->progress, json_text(data, "stage"), json_real_of(data, "percent"));
  else if (!strcmp(event, "started"))
    progress_update(&s->progress, "started", 0);
  else if (!strcmp(event, "queued"))
    progress_update(&s->progress, "queued", 0);
  return follow_is_final(event);
}

/* How the job ended, in one line; its problem on stderr. */
/* What the plugin warns of, by the convention that its result has them as `warnings`. */
static void say_warnings(const json_t *job) {
  const json_t *warnings = json_object_get(json_object_get(job, "result"), "warnings");
  for (size_t i = 0; i < json_array_size(warnings); i++)
    if (json_is_string(json_array_get(warnings, i)))
      say_warning(json_string_value(json_array_get(warnings, i)));
}

static void say_result(const json_t *job) {
  char elapsed[SAY_SIZE];
  const char *state = json_text(job, "status"), *backend = json_text(job, "backend");
  bool cached = json_is_true(json_object_get(job, "cached")),
       ran = json_real_of(job, "started_at") > 0;
  say_note("%s %s%s%s%s%s%s\n", json_text(job, "kind"), state, *backend ? " on " : "", backend,
           ran ? " in " : "", ran ? say_seconds(job_elapsed(job), elapsed) : "",
           cached ? " (cached)" : "");
  const json_t *error = json_object_get(job, "error");
  if (json_is_object(error) && strcmp(state, "cancelled") != 0)
    say_problem(error, 0, 0);
  say_warnings(job);
}

static int interrupted(const struct session *s, const char *id) {
  cli_clear_interrupt();
  if (s->c->json)
    return s->lines
               ? CLI_INTERRUPTED
               : fail(CLI_INTERRUPTED, "job %s goes on; lathe watch %s follows it again", id, id);
  say_note("Interrupted; job %s goes on.\n  lathe watch %s     follows it again\n"
           "  lathe cancel %s    stops it\n",
           id, id, id);
  return CLI_INTERRUPTED;
}

/* Follows the job to its end and gives its record in *job. */
static int see_through(struct cli *c, struct session *s, const char *id, const char *after,
                       json_t **job) {
  char *path = http_path(c, "/api/jobs/%s", id);
  int code = follow_job(c, id, after, on_event, s);
  progress_end(&s->progress);
  if (code == CLI_OK)
    code = http_fetch(c, NULL, path, "job_id", job);
  if (code == CLI_INTERRUPTED)
    interrupted(s, id);
  free(path);
  return code;
}

int verb_submit(struct cli *c) {
  const char *out = option_get(c, "out");
  struct session s = {.c = c};
  progress_begin(&s.progress, c->operands[0], c->json);
  json_t *answer = NULL, *job = NULL;
  int code = send_job(c, &s, &answer);
  if (code != CLI_OK)
    goto done;
  const char *id = json_text(answer, "job_id");
  if (!option_get(c, "wait") && !out) {
    if (c->json)
      say_json(answer);
    else
      say("%s\n", id);
    goto done;
  }
  progress_note(&s.progress, "%s is job %s", c->operands[0], id);
  code = see_through(c, &s, id, NULL, &job);
  if (code == CLI_OK && c->json)
    say_json(job);
  else if (code == CLI_OK)
    say_result(job);
  if (code == CLI_OK)
    code = job_exit(job);
  if (code == CLI_OK && out)
    code = artifacts_get_all(c, job, out, !c->json);
done:
  json_decref(answer);
  json_decref(job);
  return code;
}

int verb_watch(struct cli *c) {
  struct session s = {.c = c, .lines = true};
  json_t *job = NULL;
  progress_begin(&s.progress, "", true);
  int code = see_through(c, &s, c->operands[0], option_get(c, "after"), &job);
  if (code == CLI_OK && !c->json)
    say_result(job);
  if (code == CLI_OK)
    code = job_exit(job);
  json_decref(job);
  return code;
}
