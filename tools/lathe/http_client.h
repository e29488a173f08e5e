/* SPDX-License-Identifier: MIT
 *
 * One request and its answer, over libcurl.  Ctrl-C ends a transfer.
 */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include "base/buf.h"
#include "cli.h"

#include <curl/curl.h>

struct http_call {
  const char *method;     /* NULL: GET */
  const char *path;       /* begins with '/', already encoded */
  const char *json;       /* body, or NULL */
  curl_mime *mime;        /* body, or NULL */
  const char *headers[6]; /* NULL: none */
  bool endless;           /* a stream: no limit on the whole time, but on silence */
  /* Body of a 2xx answer as it comes; returns 0 to go on.  NULL: gathered. */
  int (*sink)(void *arg, const char *data, size_t len);
  /* How much of the request's body is sent. */
  void (*sent)(void *arg, int64_t done, int64_t total);
  void *arg;
};

struct http_answer { /* http_answer_free gives it back */
  int status;        /* 0: no answer came */
  struct buf body;   /* gathered; of an error also where a sink was given */
  json_t *json;      /* the body, when it is JSON */
  int retry_after_s; /* of the header, else 0 */
  bool ended;        /* the transfer came to its end */
  char text[300];    /* why no answer came */
};

/* CLI_OK for 2xx, CLI_REFUSED for 4xx, CLI_SERVER where no backend does the kind,
 * CLI_UNREACHABLE for other 5xx and no answer, CLI_INTERRUPTED.
 * Says nothing; see http_report. */
int http_do(struct cli *c, const struct http_call *call, struct http_answer *answer);
void http_answer_free(struct http_answer *answer);
/* Says what went wrong (as JSON on stdout with --json) and returns `code`. */
int http_report(const struct cli *c, const struct http_answer *answer, int code);

/* Prepares c->curl for the call; for those who drive a transfer themselves.  *headers is to be
 * freed with curl_slist_free_all after the transfer. */
CURL *http_prepare(struct cli *c, CURL *curl, const struct http_call *call,
                   struct curl_slist **headers);

/* GET or POST without a body; the JSON of the answer in *out (json_decref).  Reports what goes
 * wrong. */
int http_fetch(struct cli *c, const char *method, const char *path, json_t **out);
/* printf for paths in which each %s is percent-encoded.  The caller frees. */
char *http_path(struct cli *c, const char *fmt, ...);

#endif
