/* SPDX-License-Identifier: MIT
 *
 * One request and its answer, over libcurl.  Ctrl-C ends a transfer.
 *
 * The server is not trusted: an answer that is kept in memory has at most HTTP_ANSWER_MAX bytes and
 * HTTP_VALUES_MAX values, its headers HTTP_HEADERS_MAX bytes, a silent server is given up,
 * redirections are not followed but for `elsewhere`, and what is not the JSON that was asked for is an error.
 */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include "base/buf.h"
#include "cli.h"

#include <curl/curl.h>

enum {
  HTTP_ANSWER_MAX = 16 << 20,
  HTTP_ERROR_MAX = 1 << 20, /* of an answer that is not 2xx */
  HTTP_HEADERS_MAX = 256 << 10,
  HTTP_VALUES_MAX = 1000000, /* of JSON; each costs up to 120 bytes */
  HTTP_DEPTH_MAX = 1000,
  HTTP_ALL_MAX = 64 << 20,      /* of the pages of one list together */
  HTTP_ALL_VALUES_MAX = 4000000 /* likewise */
};

struct http_call {
  const char *method; /* NULL: GET */
  const char *path;   /* begins with '/', already encoded */
  const char
      *elsewhere;   /* instead of a path: a URL of another server, which gets no token, certificate
                             or header of ours; redirections are followed there */
  const char *json; /* body, or NULL */
  curl_mime *mime;  /* body, or NULL */
  const char *headers[6]; /* NULL: none */
  const char *type;       /* the media type that a 2xx answer must have; NULL: any */
  bool endless;           /* a stream: no limit on the whole time, but on silence */
  /* Body of a 2xx answer as it comes; returns 0 to go on, else the transfer ends (and that is no
   * failure).  NULL: gathered. */
  int (*sink)(void *arg, const char *data, size_t len);
  /* How much of the request's body is sent. */
  void (*sent)(void *arg, int64_t done, int64_t total);
  void *arg;
};

struct http_answer { /* http_answer_free gives it back */
  int status;        /* 0: no answer came */
  struct buf body;   /* gathered; of an error also where a sink was given */
  json_t *json;      /* the body, when it is JSON and says so */
  int retry_after_s; /* of the header, else 0 */
  char *location;    /* where a 3xx leads, or NULL */
  char text[400];    /* what is wrong with it, and what to do; "": it came whole and sound */
};

/* CLI_OK for 2xx; CLI_REFUSED for 4xx; CLI_UNREACHABLE for no answer, 429 and 5xx; CLI_SERVER for
 * an answer that is not one of lathe's; CLI_USAGE for files of the TLS options; CLI_INTERRUPTED.
 * Says nothing; see http_report. */
int http_do(struct cli *c, const struct http_call *call, struct http_answer *answer);
/* The tree of a text that a server sent, or NULL.  *values: how many it has, where not NULL;
 * above HTTP_VALUES_MAX there is no tree. */
json_t *http_json(const char *text, size_t len, size_t *values);
/* CLI_OK while the pages of one list, of which *before is where the first began, are within the
 * bounds; else `code` (said), with what to do instead. */
int http_within(const struct cli *c, const struct cli_gathered *before, int code,
                const char *instead);
void http_answer_free(struct http_answer *answer);
/* Says what went wrong (as JSON on stdout with --json) and returns `code`. */
int http_report(const struct http_answer *answer, int code);

/* Prepares c->curl for the call; for those who drive a transfer themselves.  *headers is to be
 * freed with curl_slist_free_all after the transfer. */
CURL *http_prepare(struct cli *c, CURL *curl, const struct http_call *call,
                   struct curl_slist **headers);

/* GET or POST without a body; the JSON of the answer in *out (json_decref), NULL after a failure,
 * which is reported.  want: a text that it must have, as "job_id", or a list, as "jobs[]"; NULL:
 * there is to be none (204). */
int http_fetch(struct cli *c, const char *method, const char *path, const char *want, json_t **out);
/* printf for paths in which each %s is percent-encoded.  The caller frees. */
char *http_path(struct cli *c, const char *fmt, ...);

#endif
