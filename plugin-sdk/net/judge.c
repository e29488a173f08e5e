/* SPDX-License-Identifier: MIT
 *
 * What the end of a request means: a class of the ABI and a sentence that says what, where and what
 * to do.  What a service says of itself is quoted, without what could be a key.
 */
#include "private.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

int32_t net_why(struct lathe_net_answer *a, int32_t result, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(a->why, sizeof a->why, format, args);
  va_end(args);
  net_plain(a->why);
  a->result = result;
  return result;
}

/* The length of the UTF-8 character there; 0: none that is whole. */
static size_t character(const unsigned char *p) {
  size_t len = *p < 0x80                 ? 1
               : *p >= 0xc2 && *p < 0xe0 ? 2
               : *p >= 0xe0 && *p < 0xf0 ? 3
               : *p >= 0xf0 && *p < 0xf5 ? 4
                                         : 0;
  for (size_t i = 1; i < len; i++)
    if ((p[i] & 0xc0) != 0x80)
      return 0;
  if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) || (*p == 0xf0 && p[1] < 0x90) ||
      (*p == 0xf4 && p[1] > 0x8f))
    return 0;
  return len;
}

void net_plain(char *text) {
  for (unsigned char *p = (unsigned char *)text; *p;) {
    size_t len = character(p);
    bool control = *p < 0x20 || *p == 0x7f || (len == 2 && *p == 0xc2 && p[1] < 0xa0);
    for (size_t i = 0; i < (len ? len : 1); i++)
      if (!len || control)
        p[i] = control && *p < 0x20 ? ' ' : '?';
    p += len ? len : 1;
  }
}

/* ---- what must not be in a message ---- */

static void hide(char *text, const char *secret, size_t len) {
  for (char *p = text; len && (p = strstr(p, secret));) {
    size_t stars = len < 3 ? len : 3;
    memset(p, '*', stars);
    memmove(p + stars, p + len, strlen(p + len) + 1);
    p += stars;
  }
}

/* Before anything is cut to length: half a key is too much, too. */
static void hide_secrets(const struct net_transfer *t, char *text) {
  for (size_t at = 0; at < t->secrets.len;) {
    const char *secret = t->secrets.data + at;
    size_t len = strlen(secret);
    hide(text, secret, len);
    at += len + 1;
  }
}

/* A copy without keys; NULL for NULL.  The caller frees. */
static char *without_secrets(const struct net_transfer *t, const char *text) {
  char *copy = text ? strdup(text) : NULL;
  if (copy)
    hide_secrets(t, copy);
  return copy;
}

/* ---- what the service says of a failure ---- */

static const char *text_at(const json_t *object, const char *name) {
  const char *text = json_string_value(json_object_get(object, name));
  return text && *text ? text : NULL;
}

static const char *first_text(const json_t *object, const char *const *names) {
  const char *text = NULL;
  for (; !text && *names; names++)
    text = text_at(object, *names);
  return text;
}

/* Services put their sentence, their word and their id into the body, or into "error" or the first of a list in it. */
static const json_t *inner(const json_t *body) {
  static const char *const names[] = {"error", "errors", "detail", NULL};
  for (const char *const *name = names; *name; name++) {
    const json_t *in = json_object_get(body, *name);
    if (json_is_array(in))
      in = json_array_get(in, 0);
    if (json_is_object(in))
      return in;
  }
  return NULL;
}

static void take_word(const char *text, char *out, size_t size) {
  const char *slash = text ? strrchr(text, '/') : NULL; /* RFC 9457 has a URL as the type */
  size_t len = 0;
  if (slash)
    text = slash + 1;
  for (; text && *text && len + 1 < size; text++) {
    char c = (char)(*text >= 'A' && *text <= 'Z' ? *text + 32 : *text);
    bool good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || strchr("._-", c);
    out[len++] = (char)(good ? c : '_');
  }
  out[len] = '\0';
}

static void take_id(const struct net_transfer *t, const json_t *body) {
  struct lathe_net_answer *a = t->answer;
  static const char *const names[] = {"X-Request-Id",     "Request-Id",       "X-Amz-Request-Id",
                                      "X-Amzn-RequestId", "X-Correlation-Id", NULL};
  static const char *const members[] = {"request_id", "requestId", NULL};
  for (const char *const *name = names; *name; name++)
    if (lathe_net_header(a, *name, a->request_id, sizeof a->request_id) && *a->request_id)
      break;
  char *id = without_secrets(t, *a->request_id ? a->request_id : first_text(body, members));
  if (id)
    snprintf(a->request_id, sizeof a->request_id, "%s", id);
  free(id);
  for (char *p = a->request_id; *p; p++)
    if (*p < 0x21 || *p > 0x7e)
      *p = '_';
}

/* The service's own sentence, in `said`; "" for none. */
static void hear(const struct net_transfer *t, char *said, size_t size) {
  static const char *const texts[] = {"detail", "message", "error_description", "msg", "error",
                                      "title",  NULL};
  static const char *const words[] = {"code", "type", "error_type", "status", NULL};
  struct lathe_net_answer *a = t->answer;
  const char *why;
  json_t *body = a->body ? net_json_of(a->body, a->len, &why) : NULL;
  const json_t *in = inner(body);
  const char *text = first_text(body, texts), *word = first_text(in, words);
  if (!text || in) {
    const char *deep = first_text(in, texts);
    text = deep ? deep : text;
  }
  if (!word)
    word = first_text(body, words);
  char *clean_text = without_secrets(t, text), *clean_word = without_secrets(t, word);
  if (clean_text)
    snprintf(said, size, ": %.300s", clean_text);
  if (clean_word && strcmp(clean_word, "about:blank") != 0)
    take_word(clean_word, a->code, sizeof a->code);
  free(clean_text);
  free(clean_word);
  take_id(t, body);
  json_decref(body);
}

/* ---- an answer of HTTP ---- */

static const struct {
  int first, last;
  int32_t result;
  const char *advice;
} answers[] = {
    {200, 299, LATHE_OK, ""},
    {304, 304, LATHE_PERMANENT, "it was not asked whether something had changed"},
    {300, 399, LATHE_PERMANENT, "it sends its clients elsewhere; give the address that is meant"},
    {400, 400, LATHE_BAD_INPUT, "the service refuses what the job asks for"},
    {401, 401, LATHE_AUTH, "the key is refused; renew it where it is kept"},
    {402, 402, LATHE_QUOTA, "credit or quota is used up; look at the account there"},
    {403, 403, LATHE_AUTH, "the key does not allow this; look at its rights there"},
    {404, 404, LATHE_PERMANENT, "there is no such thing; is the address right?"},
    {405, 405, LATHE_PERMANENT, "it knows no such request; is the address right?"},
    {407, 407, LATHE_AUTH, "a proxy wants a key of its own"},
    {408, 408, LATHE_RETRY_DOWN, "it is tried again later"},
    {410, 410, LATHE_PERMANENT, "that is gone there"},
    {413, 413, LATHE_BAD_INPUT, "the input is larger than the service takes"},
    {415, 415, LATHE_BAD_INPUT, "the service does not take this type of input"},
    {421, 421, LATHE_RETRY_DOWN, "it is tried again later"},
    {422, 422, LATHE_BAD_INPUT, "the service refuses what the job asks for"},
    {425, 425, LATHE_RETRY_DOWN, "it is tried again later"},
    {429, 429, LATHE_RETRY_RATE, "it asks for fewer requests; it is tried again later"},
    {501, 501, LATHE_PERMANENT, "the service cannot do this"},
    {505, 505, LATHE_PERMANENT, "the service speaks no HTTP/1.1"},
    {508, 508, LATHE_PERMANENT,
     "services send this job round in a circle; look at their addresses"},
    {500, 599, LATHE_RETRY_DOWN, "the service failed; it is tried again later"},
    {0, 1000, LATHE_PERMANENT, "the service refuses this"},
};

static void take_retry_after(struct lathe_net_answer *a) {
  char value[64], date[64];
  int64_t now = time(NULL);
  if (!lathe_net_header(a, "Retry-After", value, sizeof value))
    return;
  /* a date is in the service's time, and it tells what that is */
  if (lathe_net_header(a, "Date", date, sizeof date) && net_date(date) >= 0)
    now = net_date(date);
  a->retry_after_ms = net_retry_after(value, now);
}

/* A redirect is named without its query, which may hold a signature. */
static void say_location(const struct net_transfer *t, char *out, size_t size) {
  char to[2048];
  struct net_origin origin;
  const char *why;
  if (!lathe_net_header(t->answer, "Location", to, sizeof to))
    return;
  hide_secrets(t, to);
  to[strcspn(to, "?#")] = '\0';
  if (*to == '/' || net_origin_of(to, false, &origin, &why))
    snprintf(out, size, " to %.300s", to);
}

static void judge_answer(struct net_transfer *t) {
  struct lathe_net_answer *a = t->answer;
  char said[400] = "", type[80] = "";
  size_t i = 0;
  while (a->status < answers[i].first || a->status > answers[i].last)
    i++;
  a->result = answers[i].result;
  if (a->result == LATHE_OK)
    return;
  take_retry_after(a);
  hear(t, said, sizeof said);
  if (a->status >= 300 && a->status < 400)
    say_location(t, said, sizeof said);
  if (!*said && a->len && lathe_net_header(a, "Content-Type", type, sizeof type)) {
    type[strcspn(type, "; ")] = '\0';
    snprintf(said, sizeof said, " with %s%s", type,
             !strcmp(type, "text/html") ? " (from a proxy?)" : "");
  }
  if (a->status == 503 && a->retry_after_ms >= 0)
    a->result = LATHE_RETRY_RATE;
  net_why(a, a->result, "%s: HTTP %d%s; %s", a->where, a->status, said, answers[i].advice);
}

/* ---- no answer ---- */

static const struct {
  CURLcode code;
  int32_t result;
  const char *advice;
} failures[] = {
    {CURLE_COULDNT_RESOLVE_HOST, LATHE_RETRY_DOWN,
     "no name server knows the host; is the address right?"},
    {CURLE_COULDNT_RESOLVE_PROXY, LATHE_RETRY_DOWN,
     "no name server knows the proxy of the environment"},
    {CURLE_COULDNT_CONNECT, LATHE_RETRY_DOWN, "does the service run, and is the address right?"},
    {CURLE_OPERATION_TIMEDOUT, LATHE_RETRY_DOWN, "the host or the network does not answer"},
    {CURLE_PEER_FAILED_VERIFICATION, LATHE_RETRY_DOWN,
     "the service's certificate must be valid, for this host, and of a CA that is trusted here"},
    {CURLE_SSL_CACERT_BADFILE, LATHE_RETRY_DOWN, "the file of CAs must hold certificates in PEM"},
    {CURLE_SSL_CERTPROBLEM, LATHE_AUTH, "the client certificate and its key must be a pair in PEM"},
    {CURLE_SSL_CONNECT_ERROR, LATHE_RETRY_DOWN, "does the service speak TLS there?"},
    {CURLE_GOT_NOTHING, LATHE_RETRY_DOWN, "the service closed the connection without an answer"},
    {CURLE_PARTIAL_FILE, LATHE_RETRY_DOWN, "the answer was cut"},
    {CURLE_RECV_ERROR, LATHE_RETRY_DOWN, "the connection broke"},
    {CURLE_SEND_ERROR, LATHE_RETRY_DOWN, "the connection broke"},
    {CURLE_UNSUPPORTED_PROTOCOL, LATHE_RETRY_DOWN, "what answers there does not speak HTTP"},
    {CURLE_WEIRD_SERVER_REPLY, LATHE_RETRY_DOWN, "what answers there does not speak HTTP"},
    {CURLE_TOO_MANY_REDIRECTS, LATHE_PERMANENT, "it sends its clients from place to place"},
    {CURLE_URL_MALFORMAT, LATHE_PERMANENT, "the address is no URL"},
    {CURLE_READ_ERROR, LATHE_RETRY, "a file of the request cannot be read"},
    {CURLE_OUT_OF_MEMORY, LATHE_RETRY_MEM, "no memory is left"},
};

/* Does the far side's TLS say that our certificate is not good enough? */
static bool is_our_certificate(const char *error) {
  static const char *const alerts[] = {
      "certificate required",   "bad certificate",     "unknown ca",
      "certificate unknown",    "certificate expired", "certificate revoked",
      "unsupported certificate"};
  if (!strstr(error, "alert"))
    return false;
  for (size_t i = 0; i < sizeof alerts / sizeof *alerts; i++)
    if (strstr(error, alerts[i]))
      return true;
  return false;
}

static void judge_failure(struct net_transfer *t) {
  struct lathe_net_answer *a = t->answer;
  hide_secrets(t, t->error);
  const char *said = *t->error ? t->error : curl_easy_strerror(t->code);
  int32_t result = LATHE_RETRY_DOWN;
  const char *advice = "it is tried again later";
  for (size_t i = 0; i < sizeof failures / sizeof *failures; i++)
    if (failures[i].code == t->code) {
      result = failures[i].result;
      advice = failures[i].advice;
    }
  if (is_our_certificate(t->error)) {
    result = LATHE_AUTH;
    advice = "the service refuses the client certificate, or misses one; give it one that it knows";
  }
  /* libcurl's word for a single header of over 100 KB */
  if (t->code == CURLE_OUT_OF_MEMORY && a->sent && !a->len) {
    result = LATHE_RETRY_DOWN;
    said = "a header of the answer is too long";
    advice = "what answers there does not speak HTTP as it should";
  }
  net_why(a, result, "%s: %.200s; %s", a->where, said, advice);
}

/* ---- ended by us ---- */

static void judge_stop(struct net_transfer *t) {
  struct lathe_net_answer *a = t->answer;
  const char *where = a->where, *on = t->connected ? "it was connected" : "no connection stood yet";
  switch (t->stop) {
  case NET_CANCELLED:
    net_why(a, LATHE_CANCELLED, "%s: the job was cancelled", where);
    break;
  case NET_DEADLINE:
    net_why(a, LATHE_TIMEOUT, "%s: the job's time was over before the answer had come; %s", where,
            on);
    break;
  case NET_MOST:
    net_why(a, LATHE_RETRY_DOWN, "%s: no whole answer within %lld ms; %s; it is tried again later",
            where, (long long)t->request->most_ms, on);
    break;
  case NET_STALLED:
    net_why(a, LATHE_RETRY_DOWN,
            "%s: not a byte moved for %lld ms; the service or the network is stuck", where,
            (long long)(lathe_net_now() - t->last));
    break;
  case NET_TOO_LONG:
    net_why(a, LATHE_RETRY_DOWN,
            "%s: the answer is longer than the %lld bytes that are taken; is the address right?",
            where,
            (long long)(t->request->answer_max > 0 ? t->request->answer_max : NET_ANSWER_MAX));
    break;
  case NET_HEAD_TOO_LONG:
    net_why(a, LATHE_RETRY_DOWN,
            "%s: the answer has more than 64 KB of headers; is the address right?", where);
    break;
  case NET_FILE:
    net_why(a, LATHE_RETRY, "%s: the file %.200s changed or could not be read while it was sent",
            where, t->request->file);
    break;
  case NET_LISTENED:
    a->result = LATHE_PENDING;
    break;
  case NET_SINK:
    break;
  default:
    net_why(a, LATHE_RETRY_MEM, "%s: no memory is left for the answer", where);
  }
}

void net_judge(struct net_transfer *t) {
  struct lathe_net_answer *a = t->answer;
  bool refused = a->status >= 400 &&
                 t->stop ==
                     NET_WENT_ON; /* a server may refuse an upload before it has read it all */
  if (t->stop != NET_WENT_ON && t->stop != NET_ENOUGH)
    judge_stop(t);
  else if (refused || t->stop == NET_ENOUGH || t->code == CURLE_OK)
    judge_answer(t);
  else
    judge_failure(t);
  hide_secrets(t, a->why);
}
