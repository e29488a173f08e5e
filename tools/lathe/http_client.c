/* SPDX-License-Identifier: MIT
 *
 * One request and its answer, over libcurl.
 */
#include "http_client.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { SILENCE_S = 45, ANSWER_MAX = 256 << 20 };

struct transfer {
  CURL *curl;
  const struct http_call *call;
  struct http_answer *answer;
};

static size_t on_body(char *data, size_t size, size_t count, void *user) {
  struct transfer *t = user;
  size_t len = size * count;
  long status = 0;
  curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
  if (t->call->sink && status >= 200 && status < 300)
    return t->call->sink(t->call->arg, data, len) ? 0 : len;
  if (t->answer->body.len + len > ANSWER_MAX)
    return 0;
  buf_put(&t->answer->body, data, len);
  return len;
}

static int on_progress(void *user, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                       curl_off_t up) {
  (void)down_total;
  (void)down;
  const struct transfer *t = user;
  if (t->call->sent && up_total > 0)
    t->call->sent(t->call->arg, up, up_total);
  return cli_interrupted();
}

static bool is_loopback(const char *server) {
  static const char *const hosts[] = {"://127.", "://localhost", "://[::1]"};
  for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++)
    if (strstr(server, hosts[i]))
      return true;
  return false;
}

CURL *http_prepare(struct cli *c, CURL *curl, const struct http_call *call,
                   struct curl_slist **headers) {
  curl_easy_reset(curl);
  char *url = mem_printf("%s%s", c->server, call->path);
  curl_easy_setopt(curl, CURLOPT_URL, url);
  free(url);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "lathe/" LATHE_VERSION);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 10L);
  curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
  /* A proxy of the environment cannot know our loopback. */
  if (is_loopback(c->server))
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
  if (call->endless) {
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)SILENCE_S);
  }
  struct curl_slist *list = NULL;
  for (size_t i = 0; i < sizeof call->headers / sizeof *call->headers; i++)
    if (call->headers[i])
      list = curl_slist_append(list, call->headers[i]);
  if (c->token) {
    char *line = mem_printf("Authorization: Bearer %s", c->token);
    list = curl_slist_append(list, line);
    free(line);
  }
  list = curl_slist_append(list, "Expect:");
  if (call->mime) {
    curl_easy_setopt(curl, CURLOPT_MIMEPOST, call->mime);
  } else if (call->json) {
    list = curl_slist_append(list, "Content-Type: application/json");
    curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, call->json);
  } else if (call->method && !strcmp(call->method, "POST")) {
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, 0L);
    curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, "");
  }
  if (call->method)
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
  *headers = list;
  return curl;
}

/* What the answer means for the exit code.  A server without a backend for the kind has the same
 * answer until its admin acts: whoever tries again on CLI_UNREACHABLE has to stop. */
static int code_of_answer(const struct http_answer *a) {
  const char *type = json_string_value(json_object_get(a->json, "type"));
  if (a->status >= 200 && a->status < 300)
    return CLI_OK;
  if (a->status >= 400 && a->status < 500)
    return CLI_REFUSED;
  return type && strcmp(type, "/problems/no-backend") == 0 ? CLI_SERVER : CLI_UNREACHABLE;
}

int http_do(struct cli *c, const struct http_call *call, struct http_answer *answer) {
  *answer = (struct http_answer){0};
  struct curl_slist *headers = NULL;
  CURL *curl = http_prepare(c, c->curl, call, &headers);
  struct transfer t = {.curl = curl, .call = call, .answer = answer};
  char problem[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &t);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &t);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, problem);
  CURLcode done = curl_easy_perform(curl);
  curl_slist_free_all(headers);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
  if (done == CURLE_ABORTED_BY_CALLBACK)
    return CLI_INTERRUPTED;

  long status = 0;
  curl_off_t retry_after = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &retry_after);
  answer->status = (int)status;
  answer->retry_after_s = (int)retry_after;
  answer->ended = done == CURLE_OK;
  if (answer->body.len)
    answer->json = json_loadb(answer->body.data, answer->body.len, JSON_DECODE_ANY, NULL);
  /* A server that refuses an upload may close before it has read it all: its answer counts. */
  if (done != CURLE_OK && !(done == CURLE_SEND_ERROR && status >= 400)) {
    snprintf(answer->text, sizeof answer->text, "%s",
             *problem ? problem : curl_easy_strerror(done));
    if (code_of_answer(answer) != CLI_REFUSED)
      return CLI_UNREACHABLE;
  }
  return code_of_answer(answer);
}

void http_answer_free(struct http_answer *answer) {
  buf_free(&answer->body);
  json_decref(answer->json);
  *answer = (struct http_answer){0};
}

static json_t *problem_without_answer(const struct cli *c, const struct http_answer *a) {
  if (a->status && a->ended)
    return json_pack("{s:s, s:s, s:i, s:s}", "type", "about:blank", "title",
                     "The server answered with something that is no problem document", "status",
                     a->status, "detail", a->body.data ? a->body.data : "");
  char *detail = mem_printf("%s: %s", c->server, a->text);
  json_t *p = json_pack("{s:s, s:s, s:s}", "type", "about:blank", "title",
                        a->status ? "The connection to the server broke"
                                  : "The server cannot be reached",
                        "detail", detail);
  free(detail);
  return p;
}

int http_report(const struct cli *c, const struct http_answer *answer, int code) {
  if (code == CLI_OK || code == CLI_INTERRUPTED)
    return code;
  json_t *problem = json_is_object(answer->json) ? json_incref(answer->json)
                                                 : problem_without_answer(c, answer);
  if (c->json)
    say_json(problem);
  else
    say_problem(problem, answer->status, answer->retry_after_s);
  json_decref(problem);
  return code;
}

int http_fetch(struct cli *c, const char *method, const char *path, json_t **out) {
  struct http_answer answer;
  struct http_call call = {.method = method, .path = path, .headers = {"Accept: application/json"}};
  int code = http_do(c, &call, &answer);
  *out = NULL;
  if (code == CLI_OK && (answer.json || answer.status == 204)) {
    *out = json_incref(answer.json);
  } else if (code == CLI_OK) {
    say_error("%s%s did not answer with JSON; is it a lathe server?", c->server, path);
    code = CLI_UNREACHABLE;
  } else {
    http_report(c, &answer, code);
  }
  http_answer_free(&answer);
  return code;
}

char *http_path(struct cli *c, const char *fmt, ...) {
  struct buf out = {0};
  va_list args;
  va_start(args, fmt);
  for (const char *p = fmt; *p; p++) {
    if (p[0] == '%' && p[1] == 's') {
      char *text = curl_easy_escape(c->curl, va_arg(args, const char *), 0);
      buf_puts(&out, text ? text : "");
      curl_free(text);
      p++;
    } else {
      buf_putc(&out, *p);
    }
  }
  va_end(args);
  return buf_take(&out);
}
