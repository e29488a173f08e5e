/* SPDX-License-Identifier: MIT
 *
 * One request and its answer, over libcurl.
 */
#include "http_client.h"

#include "base/clock.h"
#include "base/json64.h"
#include "base/json_check.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct transfer {
  CURL *curl;
  struct cli *c;
  const struct http_call *call;
  struct http_answer *answer;
  size_t headers; /* bytes of them so far */
  bool stopped;   /* the sink has had enough */
  bool too_long, too_many, wrong_type;
};

static bool is_good(long status) {
  return status >= 200 && status < 300;
}

/* Is it that media type, whatever its parameters?  "json" is any form of JSON. */
static bool is_type(CURL *curl, const char *wanted) {
  const char *type = NULL;
  curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
  if (!type)
    return false;
  size_t len = strcspn(type, "; "), want = strlen(wanted);
  if (!strcmp(wanted, "json"))
    return len >= 4 && !strncasecmp(type + len - 4, "json", 4);
  return len == want && !strncasecmp(type, wanted, len);
}

static size_t on_header(char *data, size_t size, size_t count, void *user) {
  struct transfer *t = user;
  (void)data;
  t->headers += size * count;
  t->too_long |= t->headers > HTTP_HEADERS_MAX;
  return t->too_long ? 0 : size * count;
}

static size_t on_body(char *data, size_t size, size_t count, void *user) {
  struct transfer *t = user;
  size_t len = size * count;
  long status = 0;
  curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
  if (is_good(status) && t->call->type && !is_type(t->curl, t->call->type)) {
    t->wrong_type = true;
    return 0;
  }
  if (t->call->sink && is_good(status)) {
    t->stopped = t->call->sink(t->call->arg, data, len) != 0;
    return t->stopped ? 0 : len;
  }
  if (t->answer->body.len + len > (is_good(status) ? HTTP_ANSWER_MAX : HTTP_ERROR_MAX)) {
    t->too_long = true;
    return 0;
  }
  buf_put(&t->answer->body, data, len);
  t->c->gathered.bytes += len;
  return len;
}

static int on_progress(void *user, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                       curl_off_t up) {
  (void)down_total;
  (void)down;
  const struct transfer *t = user;
  if (t->call->sent && up_total > 0)
    t->call->sent(t->call->arg, up, up_total);
  return cli_interrupted() || (t->c->give_up_ms && clock_mono_ms() >= t->c->give_up_ms);
}

static bool is_loopback(const char *server) {
  static const char *const hosts[] = {"://127.", "://localhost", "://[::1]"};
  for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++)
    if (strstr(server, hosts[i]))
      return true;
  return false;
}

static void set_tls(const struct cli *c, CURL *curl) {
  if (c->cacert) { /* these alone are trusted */
    curl_easy_setopt(curl, CURLOPT_CAINFO, c->cacert);
    curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
  }
  if (c->cert)
    curl_easy_setopt(curl, CURLOPT_SSLCERT, c->cert);
  if (c->key)
    curl_easy_setopt(curl, CURLOPT_SSLKEY, c->key);
}

/* Nothing that says who we are, and no certificates but the system's. */
static void go_elsewhere(CURL *curl, const char *url) {
  curl_easy_setopt(curl, CURLOPT_URL, url);
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 5L);
  curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  if (is_loopback(url))
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
}

CURL *http_prepare(struct cli *c, CURL *curl, const struct http_call *call,
                   struct curl_slist **headers) {
  curl_easy_reset(curl);
  char *url = mem_printf("%s%s", c->server, call->path ? call->path : "");
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
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)((c->silence_ms + 999) / 1000));
  if (!call->endless)
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)c->answer_ms);
  *headers = NULL;
  if (call->elsewhere) {
    go_elsewhere(curl, call->elsewhere);
    return curl;
  }
  set_tls(c, curl);
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

/* ---- what the answer means ---- */

/* What libcurl's failures mean to the user. */
static const struct {
  CURLcode curl;
  int code;
  const char *advice;
} failures[] = {
    {CURLE_COULDNT_RESOLVE_HOST, CLI_UNREACHABLE,
     "no name server knows this host; look at --server, or LATHE_SERVER"},
    {CURLE_COULDNT_CONNECT, CLI_UNREACHABLE,
     "is lathed running, and does it listen there? --server, or LATHE_SERVER, names another "
     "address"},
    {CURLE_OPERATION_TIMEDOUT, CLI_UNREACHABLE, "the server or the network is stuck; try again"},
    {CURLE_GOT_NOTHING, CLI_UNREACHABLE, "if that is a TLS port, write https://"},
    {CURLE_PEER_FAILED_VERIFICATION, CLI_SERVER,
     "give the certificate of the CA that signed the server's with --cacert FILE, or in "
     "LATHE_CACERT, "
     "and the server by the name in its certificate"},
    {CURLE_SSL_CACERT_BADFILE, CLI_USAGE,
     "--cacert, LATHE_CACERT or SSL_CERT_FILE must name certificates in PEM"},
    {CURLE_SSL_CERTPROBLEM, CLI_USAGE,
     "--cert and --key, or LATHE_CERT and LATHE_KEY, must name a certificate and its key in PEM"},
    {CURLE_SSL_CONNECT_ERROR, CLI_SERVER, "if the server speaks no TLS, write http://"},
    {CURLE_UNSUPPORTED_PROTOCOL, CLI_SERVER, "what answers there does not speak HTTP"},
    {CURLE_WEIRD_SERVER_REPLY, CLI_SERVER, "what answers there does not speak HTTP"},
    {CURLE_URL_MALFORMAT, CLI_USAGE, "look at --server, or LATHE_SERVER"},
};

/* The exit code of an answer that came whole. */
static int code_of_answer(const struct http_answer *a) {
  static const int again[] = {429, 500, 502, 503, 504, 507};
  const char *slug = strrchr(json_text(a->json, "type"), '/');
  if (is_good(a->status))
    return CLI_OK;
  if (slug && !strcmp(slug, "/no-backend")) /* the same again does not help before the admin acts */
    return CLI_SERVER;
  for (size_t i = 0; i < sizeof again / sizeof *again; i++)
    if (a->status == again[i])
      return CLI_UNREACHABLE;
  return a->status >= 400 && a->status < 500 ? CLI_REFUSED : CLI_SERVER;
}

__attribute__((format(printf, 3, 4))) static int wrong(struct http_answer *a, int code,
                                                       const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  vsnprintf(a->text, sizeof a->text, fmt, args);
  va_end(args);
  return code;
}

/* The transfer did not come to its end; `problem` is libcurl's text. */
static int broken(const struct transfer *t, CURLcode done, const char *problem) {
  struct http_answer *a = t->answer;
  const char *server = t->call->elsewhere ? "where the file lies" : t->c->server;
  if (t->too_long)
    return wrong(a, CLI_SERVER,
                 "%s sent more than %d %s of %s, and was not listened to any further", server,
                 t->headers > HTTP_HEADERS_MAX ? HTTP_HEADERS_MAX >> 10 : HTTP_ANSWER_MAX >> 20,
                 t->headers > HTTP_HEADERS_MAX ? "KB" : "MB",
                 t->headers > HTTP_HEADERS_MAX ? "headers" : "an answer");
  const char *said = *problem ? problem : curl_easy_strerror(done);
  for (size_t i = 0; i < sizeof failures / sizeof *failures; i++)
    if (failures[i].curl == done)
      return wrong(a, failures[i].code, "%s: %.150s; %s", server, said, failures[i].advice);
  return wrong(a, CLI_UNREACHABLE, "%s: %.200s", server, said);
}

/* The answer came whole, but not in the form that was asked for? */
static int judge_transfer(const struct transfer *t, CURL *curl) {
  struct http_answer *a = t->answer;
  const char *server = t->c->server, *type = NULL, *to = NULL;
  curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
  curl_easy_getinfo(curl, CURLINFO_REDIRECT_URL, &to);
  bool good = is_good(a->status);
  if (t->too_many)
    return wrong(a, CLI_SERVER, "%s sent an answer of more than %d JSON values, which is too much",
                 server, HTTP_VALUES_MAX);
  if (t->wrong_type || (good && a->status != 204 && t->call->type && !is_type(curl, t->call->type)))
    return wrong(a, CLI_SERVER,
                 "%s answered with %.60s where %s was expected; is it a lathe server?", server,
                 type ? type : "no Content-Type",
                 strcmp(t->call->type, "json") != 0 ? t->call->type : "JSON");
  if (!good && t->call->elsewhere)
    return wrong(a, code_of_answer(a), "%.150s answered with HTTP %d", t->call->elsewhere,
                 a->status);
  if (a->status >= 300 && a->status < 400)
    return wrong(a, CLI_SERVER,
                 "%s sends its clients elsewhere (HTTP %d): %.200s; give the address "
                 "that is meant with --server",
                 server, a->status, to ? to : "it does not say where");
  if (good && t->call->type && !strcmp(t->call->type, "json") && a->body.len && !a->json)
    return wrong(a, CLI_SERVER,
                 "%s answered with something that is not JSON, though it says so; is "
                 "it a lathe server?",
                 server);
  if (!good && !json_is_object(a->json))
    return wrong(a, code_of_answer(a),
                 "%s answered with HTTP %d and %.60s, which lathe does not; does "
                 "a proxy answer, or another server?",
                 server, a->status, type ? type : "no Content-Type");
  return code_of_answer(a);
}

json_t *http_json(const char *text, size_t len, size_t *values) {
  size_t count = HTTP_VALUES_MAX, at;
  enum json_excess excess = json_measure(text, len, HTTP_DEPTH_MAX, &count, &at);
  if (values)
    *values = count;
  return excess == JSON_FITS ? json64_load(text, len, JSON_DECODE_ANY, NULL) : NULL;
}

static void take_json(struct transfer *t) {
  size_t values;
  t->answer->json = http_json(t->answer->body.data, t->answer->body.len, &values);
  t->too_many = values > HTTP_VALUES_MAX;
  t->c->gathered.values += values;
}

int http_within(const struct cli *c, const struct cli_gathered *before, int code,
                const char *instead) {
  if (c->gathered.bytes - before->bytes <= HTTP_ALL_MAX &&
      c->gathered.values - before->values <= HTTP_ALL_VALUES_MAX)
    return CLI_OK;
  return fail(code, "the list is longer than %d MB or %d million values; %s", HTTP_ALL_MAX >> 20,
              HTTP_ALL_VALUES_MAX / 1000000, instead);
}

int http_do(struct cli *c, const struct http_call *call, struct http_answer *answer) {
  *answer = (struct http_answer){0};
  struct curl_slist *headers = NULL;
  CURL *curl = http_prepare(c, c->curl, call, &headers);
  struct transfer t = {.curl = curl, .c = c, .call = call, .answer = answer};
  char problem[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &t);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &t);
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
  const char *to = NULL;
  if (curl_easy_getinfo(curl, CURLINFO_REDIRECT_URL, &to) == CURLE_OK && to)
    answer->location = mem_dup(to);
  answer->status = (int)status;
  answer->retry_after_s = retry_after > 0 && retry_after < 86400 ? (int)retry_after : 0;
  if (answer->body.len && is_type(curl, "json"))
    take_json(&t);
  /* A server that refuses an upload may close before it has read it all: its answer counts. */
  bool early = done == CURLE_SEND_ERROR && status >= 400;
  if (done != CURLE_OK && !early && !t.stopped && !t.wrong_type)
    return broken(&t, done, problem);
  return judge_transfer(&t, curl);
}

void http_answer_free(struct http_answer *answer) {
  buf_free(&answer->body);
  json_decref(answer->json);
  free(answer->location);
  *answer = (struct http_answer){0};
}

/* ---- reports ---- */

static const char *title_of(const struct http_answer *a, int code) {
  if (!a->status)
    return code == CLI_USAGE ? "The connection cannot be set up" : "The server cannot be reached";
  return code == CLI_SERVER ? "The server does not answer as a lathe server does"
                            : "The server did not answer as it should";
}

int http_report(const struct http_answer *answer, int code) {
  if (code == CLI_OK || code == CLI_INTERRUPTED)
    return code;
  json_t *problem = json_is_object(answer->json) && !answer->text[0]
                        ? json_incref(answer->json)
                        : json_pack("{s:s, s:s, s:s}", "type", "about:blank", "title",
                                    title_of(answer, code), "detail", answer->text);
  if (!problem) /* what curl quoted is not UTF-8 */
    problem = json_pack("{s:s, s:s}", "type", "about:blank", "title", title_of(answer, code));
  say_problem(problem, answer->text[0] ? 0 : answer->status, answer->retry_after_s);
  json_decref(problem);
  return code;
}

static bool has_member(const json_t *object, const char *want) {
  size_t len = strcspn(want, "[");
  const json_t *member = json_object_getn(object, want, len);
  return want[len] ? json_is_array(member) : json_is_string(member);
}

int http_fetch(struct cli *c, const char *method, const char *path, const char *want,
               json_t **out) {
  struct http_answer answer;
  struct http_call call = {
      .method = method, .path = path, .type = "json", .headers = {"Accept: application/json"}};
  int code = http_do(c, &call, &answer);
  *out = NULL;
  if (code == CLI_OK && !want && answer.status != 204)
    code = wrong(&answer, CLI_SERVER,
                 "%s%s was answered with HTTP %d where 204 was expected; is it a "
                 "lathe server?",
                 c->server, path, answer.status);
  if (code == CLI_OK && want && !has_member(answer.json, want))
    code = wrong(&answer, CLI_SERVER, "%s%s was answered without \"%s\"; is it a lathe server?",
                 c->server, path, want);
  if (code == CLI_OK)
    *out = json_incref(answer.json);
  else
    http_report(&answer, code);
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
