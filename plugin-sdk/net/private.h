/* SPDX-License-Identifier: MIT
 *
 * What the files of the kit share.
 *
 *   lathe_net_call, _download, _events
 *     -> net_run: transfer.c      one request: build, wait, collect
 *          -> request.c           what is asked: URL, headers, keys, body
 *          -> judge.c             what the end means: class and sentence
 *   parse.c, sse.c, json.c        pure: bytes that a stranger sent
 */
#ifndef NET_PRIVATE_H
#define NET_PRIVATE_H

#include <lathe/net.h>

#include <curl/curl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  NET_HEAD_MAX = 64 << 10,    /* bytes of headers, over all answers of a call */
  NET_ANSWER_MAX = 1 << 20,   /* where the caller names no limit */
  NET_FAILURE_MAX = 64 << 10, /* what is kept of the body of a failure */
  NET_SECRET_MAX = 8 << 10,
};

/* ---- memory: grows by doubling; -1: there is none ---- */

struct net_buf {
  char *data;
  size_t len, room;
};
int net_put(struct net_buf *, const void *data, size_t len);
int net_puts(struct net_buf *, const char *text);

/* ---- the client ---- */

struct net_origin {
  char scheme[8], host[256], port[8];
};

struct net_line { /* a handle with its connections, used by one call at a time */
  CURLM *multi;
  CURL *curl;
  struct net_line *next;
};

struct lathe_net {
  const struct lathe_host *host;
  char *base, *unix_socket, *ca_file, *cert_file, *key_file;
  struct lathe_net_header *headers; /* copied, with the token's first; the last has no name */
  struct net_origin origin;
  int64_t connect_ms, stall_ms;
  bool clear;
  pthread_mutex_t lock; /* the lines that no call uses */
  struct net_line *idle;
};

struct net_line *net_take_line(struct lathe_net *); /* NULL: no memory */
void net_give_line(struct lathe_net *, struct net_line *);
/* False: not a plain http(s) URL (why: one sentence).  `base`: without a query, too. */
bool net_origin_of(const char *url, bool base, struct net_origin *, const char **why);
bool net_is_loopback(const struct net_origin *);
/* May a secret go to the client's origin? */
bool net_is_private(const struct lathe_net *);
bool net_header_is_sound(const struct lathe_net_header *);

/* ---- one request ---- */

enum net_stop { /* why we ended it */
                NET_WENT_ON,
                NET_CANCELLED,
                NET_DEADLINE,
                NET_MOST,
                NET_STALLED,
                NET_LISTENED,
                NET_TOO_LONG,
                NET_HEAD_TOO_LONG,
                NET_ENOUGH,  /* of a failure's body */
                NET_NO_ROOM, /* memory */
                NET_FILE,    /* that is sent has changed or cannot be read */
                NET_SINK,    /* the sink set result and why */
};

struct net_transfer;
struct net_sink { /* who takes a body of 2xx; NULL: the answer */
  int (*begin)(struct net_transfer *, void *arg);
  int (*take)(struct net_transfer *, void *arg, const char *data, size_t len);
  const struct lathe_net_header *headers;
  void *arg;
  int64_t listen_ms; /* then it ends in order; 0: no such time */
};

struct net_transfer {
  struct lathe_net *net;
  const struct lathe_net_request *request;
  const struct net_sink *sink;
  struct lathe_net_answer *answer;
  CURL *curl;
  const char *method;
  bool home;    /* it goes to the client's origin */
  bool near;    /* it stays on this machine */
  bool carries; /* a key or a certificate goes along */
  bool began, connected;
  char *url, *json;
  struct curl_slist *headers;
  curl_mime *mime;
  struct net_buf body, head, secrets; /* secrets: each with its NUL, to be kept out of messages */
  size_t head_total;
  int fd; /* of the file that is sent, or -1 */
  int64_t file_from, file_at, file_end;
  int64_t down_from, down_total; /* for moved() */
  int64_t started, last, told;   /* ms: begin, last sign of life, last moved() */
  int64_t seen;                  /* bytes, either way */
  enum net_stop stop;
  CURLcode code;
  char error[CURL_ERROR_SIZE];
};

/* LATHE_OK, or the class of what is wrong with the request, with why. */
int32_t net_prepare(struct net_transfer *, const struct net_line *);
void net_drop_request(struct net_transfer *);
int32_t net_run(struct lathe_net *, const struct lathe_net_request *, const struct net_sink *,
                struct lathe_net_answer *);
bool net_is_type(struct net_transfer *, const char *type);
/* Sleeps; LATHE_OK, or why the call is over. */
int32_t net_pause(struct lathe_net *, const struct lathe_net_request *, int64_t ms,
                  struct lathe_net_answer *);

/* ---- what it means ---- */

__attribute__((format(printf, 3, 4))) int32_t net_why(struct lathe_net_answer *, int32_t result,
                                                      const char *format, ...);
void net_judge(struct net_transfer *);
/* A sentence without what a terminal or a log must not have. */
void net_plain(char *text);

/* ---- pure ---- */

int64_t net_date(const char *text);                          /* RFC 9110; -1: none */
int64_t net_retry_after(const char *value, int64_t now_s);   /* ms, 0 to an hour; -1: none */
bool net_content_range(const char *value, int64_t range[3]); /* first, last, length of all */
bool net_is_strong_tag(const char *value);
bool net_json_fits(const char *text, size_t len, size_t depth, size_t values);
struct json_t *net_json_of(const char *text, size_t len, const char **why);

struct net_sse { /* zeroed: ready */
  struct net_buf line, name, id, data, last_id;
  size_t most;
  bool skip_lf, begun;
};
enum { NET_SSE_TOO_LONG = -1000, NET_SSE_NO_MEMORY = -1001 };
/* LATHE_PENDING, what on_event ended it with, or one of the two above. */
int32_t net_sse_feed(struct net_sse *, const char *data, size_t len, lathe_net_on_event *,
                     void *user);
void net_sse_free(struct net_sse *);

#endif
