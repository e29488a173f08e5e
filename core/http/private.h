/* SPDX-License-Identifier: MIT
 *
 * What the files of this room share.  Nothing here is for other rooms.
 */
#ifndef HTTP_PRIVATE_H
#define HTTP_PRIVATE_H

#include "base/address.h"
#include "base/list.h"
#include "base/public_url.h"
#include "http/form.h"
#include "http/http.h"
#include "http/peers.h"
#include "http/route.h"
#include "http/uri.h"

#include <microhttpd.h>

enum {
  /* Of a connection, for the head of its request and the head of its reply.  It bounds what ten
   * thousand open streams cost. */
  CONNECTION_MEMORY = 12 << 10,
  CONNECTIONS_OVER = 64,       /* accepted past the limit, to be told 503 */
  IDLE_TIMEOUT_S = 60,         /* without a byte */
  HEAD_TIMEOUT_MS = 60000,     /* for the whole head of a request, however it trickles in */
  BODY_GRACE_MS = 300000,      /* a body may be this slow ... */
  BODY_BYTES_PER_S = 256,      /* ... and after that must have come at this rate */
  HALF_CLOSED_GRACE_MS = 2000, /* for the reply to a client that closed its sending side */
  LINGER_MS = 2000,            /* for reading what a refused client still sends */
  LINGER_MAX = 256,
  FORM_OVERHEAD = 64 << 10, /* of a form, beside its files: boundaries, heads, fields */
  REPLY_HEAD = 1500, /* left of CONNECTION_MEMORY for the reply to a request with a long head */
  STREAMS_MAX = 64 << 20, /* bytes of all streams, where the options do not say */
  SMALL_REPLY = 4 << 10,  /* is not counted: connections times this are little */
  REPLY_GRACE_MS = 2000,  /* for taking an answer, when others need its memory */
  BODIES_RETRY_S = 2,     /* Retry-After of a body for which there was no memory */
  METHODS = 7,
};

/* What the epoll set of hang-ups points to. */
enum watched { WATCHED_CONN, WATCHED_LINGER };

struct conn { /* conn.c */
  enum watched watched;
  struct http *h;
  struct MHD_Connection *mhd;
  struct list link;             /* of http.waiting_conns while a request's head is awaited */
  struct http_request *request; /* NULL between two */
  struct list fin_link;         /* of http.ended until libmicrohttpd was told of the end */
  int64_t since_ms;             /* of the wait for a head */
  int fd;
  bool half_closed; /* the client sends no more; it may still listen */
  bool linger;      /* it may still send: read on after the reply, or a reset would eat that */
  bool over;        /* past connections_max */
};

struct settings { /* what http_reconfigure replaces */
  int64_t body_max, upload_max, bodies_max, streams_max;
  int connections_max, idle_timeout_s;
  char *host;
  char **allowed_hosts, **cors_origins;
  struct public_url public;
  struct address_range *proxies;
  size_t proxy_count;
  const char *(*authorise)(void *ctx, const char *token, enum role *role);
  bool (*knows)(void *ctx, const char *client);
};

struct budget { /* budget.c: shared with content that outlives the server */
  int users;
  int64_t used;
  struct list growing; /* bodies that still arrive; the longest without a byte is first */
  struct metric *bytes, *refused;
};

struct http {
  uv_loop_t *loop;
  struct budget *budget;
  struct MHD_Daemon *mhd;
  struct settings settings;
  struct route_index *routes;
  struct secret key;
  bool has_key;
  const struct http_sink *sink;
  void *ctx;
  struct metrics *metrics, *own_metrics; /* own: where the caller keeps none */
  int port, watch_fd, connections, lingering;
  /* accept.c */
  int listen_fd; /* -1: no more */
  bool accepting;
  uint64_t short_silent_until; /* ms of the loop: a shortage is told to the log after it */
  uv_poll_t listen_poll;
  uv_timer_t accept_retry;
  bool stopping, closing;
  struct list waiting_conns, ended, requests, half_closed, lingers;
  /* mhd_turn.c */
  uv_poll_t mhd_poll, watch_poll;
  uv_prepare_t prepare;
  uv_check_t check;
  uv_idle_t idle;
  uv_timer_t timer;
  int64_t timer_at_ms; /* 0: not running */
  int handles;         /* still to be closed */
  bool due;            /* something for MHD_run to do */
  /* guard.c */
  struct peers *peers; /* NULL: no token was sent yet */
  int64_t wrong_logged_ms;
  int wrong_tokens; /* since then */
  /* reply.c */
  int64_t reply_bytes;  /* of answers on their way */
  struct list replying; /* the oldest first */
  int64_t file_bytes;   /* file_body.c: pieces of files, of all downloads */
  /* stream.c */
  int64_t stream_bytes;     /* buffered, of all */
  struct list slow_streams; /* with bytes that wait; the longest without a move is first */
  /* metrics */
  struct metric *wrong_tokens_total, *slowed_tokens_total, *streams_shed, *streams_bytes,
      *replies_bytes;
  struct metric *requests_total[METHODS][6], *seconds, *open_conns, *open_requests, *open_streams,
      *received;
};

struct head { /* the headers that the room itself looks at, borrowed from libmicrohttpd */
  const char *host, *origin, *authorization, *content_type, *content_length, *transfer_encoding;
  const char *request_method, *request_headers, *private_network; /* of a CORS preflight */
  const char *forwarded_prefix, *forwarded_proto, *forwarded_host;
  int hosts, lengths, encodings;
  bool bad_name;
};

struct part { /* of a form, or the raw body */
  char *name;
  struct buf value;
  void *file;
  bool taken, unnamed;
};

enum body_mode { BODY_EMPTY, BODY_GATHER, BODY_RAW, BODY_FORM };

struct body { /* body.c */
  enum body_mode mode;
  int64_t received, max, fields;
  size_t length; /* as announced; 0: not */
  struct buf gathered;
  struct form *form;
  struct part *parts;
  size_t count;
  int64_t charged;            /* to the budget */
  int64_t since_ms, moved_ms; /* of the first and of the last gathered byte */
  struct list growing;        /* of the budget */
  const char *slug;           /* of the problem; NULL: what err.code means */
  bool later;                 /* the sink holds the connection */
  bool finished;              /* the last part was handed to the sink's finish */
  struct err err;
};

struct http_stream { /* stream.c */
  struct buf out;
  size_t sent;      /* of out */
  size_t counted;   /* of out's memory, to http.stream_bytes */
  struct list slow; /* of http.slow_streams */
  struct http_stream_events events;
  bool broken;                     /* the body is not whole */
  bool open, ended, blocked, idle; /* idle: its connection is suspended until there is data */
};

struct extra { /* a header that the handler added */
  struct extra *next;
  char *value, name[];
};

struct http_request { /* request.c */
  struct http *h;
  struct conn *conn;
  struct MHD_Connection *mhd;
  struct list link, half_link;
  int64_t started_us, half_until_ms;
  const char *method, *version;
  struct head head;
  struct public_url public; /* as its client calls the server */
  struct uri uri;
  const struct route *route;
  const char *params[ROUTE_PARAMS_MAX];
  struct buf rest; /* what a "{name*}" took */
  char *client;
  enum role role; /* of its token */
  bool by_link;   /* without a token: the URL carries its permission */
  struct body body;
  bool begun, handled, suspended, gone, replied;
  void *user, *gone_arg;
  void (*on_gone)(void *arg);
  int64_t reply_bytes, replied_us; /* counted in http.reply_bytes, since when */
  struct list replying;
  struct extra *extras;
  int status;
  struct MHD_Response *response;
  struct http_stream stream;
};

/* mhd_turn.c: when libmicrohttpd runs */
int turn_open(struct http *h, int listen_fd, struct err *err);
void turn_close(struct http *h, uv_close_cb closed);
static inline void turn_wake(struct http *h) {
  h->due = true;
}

/* accept.c: takes the listening socket; its handles were made by turn_open. */
void accept_open(struct http *h, int fd);
void accept_room(struct http *h); /* a connection has ended */
void accept_end(struct http *h);

/* conn.c */
void conn_on_notify(void *cls, struct MHD_Connection *mhd, void **socket_context,
                    enum MHD_ConnectionNotificationCode code);
struct conn *conn_of(struct MHD_Connection *mhd);
void conn_awaits_head(struct conn *c);
void conn_has_head(struct conn *c, struct http_request *r);
void conn_close_slow(struct http *h, int64_t now_ms);
void conn_end_waiting(struct http *h); /* closes connections without a request */
void conn_tell_ended(struct http *h);  /* after MHD_run */
void conn_on_watch(struct http *h);    /* hang-ups */
int64_t conn_close_lingering(struct http *h, int64_t now_ms); /* returns the next deadline or 0 */

/* request.c */
void *request_on_uri(void *cls, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result request_on_call(void *cls, struct MHD_Connection *mhd, const char *url,
                                const char *method, const char *version, const char *data,
                                size_t *size, void **context);
void request_on_over(void *cls, struct MHD_Connection *mhd, void **context,
                     enum MHD_RequestTerminationCode why);
/* libmicrohttpd has closed the connection without a word about its request: frees it. */
void request_lost(struct http_request *r);

/* waiting.c */
void request_suspend(struct http_request *r);
void request_resume(struct http_request *r);
/* The client sends no more: it has a little time left for its reply. */
void request_half_closed(struct http_request *r);
/* The client left: tells whoever keeps the request and lets the connection end. */
void request_gone(struct http_request *r);
/* The first half of that: for a request that ends anyway. */
void request_tell_gone(struct http_request *r);
int64_t request_drop_half_closed(struct http *h, int64_t now_ms); /* next deadline or 0 */

/* head.c: returns false after answering with a problem. */
bool head_read(struct http_request *r);

/* guard.c: each returns false after answering with a problem. */
bool guard_host(struct http_request *r);
bool guard_origin(struct http_request *r);
bool guard_token(struct http_request *r);
bool guard_role(struct http_request *r);
bool guard_is_preflight(const struct http_request *r);
void guard_preflight(struct http_request *r);

/* cors.c */
/* The value of Access-Control-Allow-Origin, or NULL when the origin is not configured. */
const char *cors_allowed_origin(const struct http_request *r);
/* Calls add with every CORS header of a reply. */
typedef void header_add(void *arg, const char *name, const char *value);
void cors_headers(const struct http_request *r, header_add *add, void *arg);

/* forwarded.c: what the client calls the server; then the prefix goes from the path. */
void public_read(struct http_request *r);
void public_strip(struct http_request *r);

/* signed_link.c */
/* Is it a key of the query that a link of this request's route has? */
bool link_key(const struct http_request *r, const char *name);
/* The client that the request's link was made for, or NULL and why. */
const char *link_client(const struct http_request *r, const char **why);

/* query.c: false after answering with a problem. */
bool query_check(struct http_request *r);

/* body.c */
bool body_expected(const struct http_request *r);
/* Decides where the body goes; false after answering with a problem. */
bool body_begin(struct http_request *r);
/* Returns 0, HTTP_LATER (suspend; *used bytes were taken) or an error set in body.err. */
int body_feed(struct http_request *r, const char *data, size_t len, size_t *used);
int body_end(struct http_request *r);
void body_forget(struct http_request *r); /* what was gathered */
void body_free(struct http_request *r);   /* aborts what the handler did not take */

/* budget.c */
struct budget *budget_new(struct metrics *m);
void budget_leave(struct budget *g);
bool budget_take(struct http_request *r, int64_t more);
void budget_give(struct budget *g, int64_t bytes);
void budget_stop_growing(struct body *b);

/* problem.c */
const char *problem_slug(int err_code, int *retry_after_s);
void problem_render(struct buf *out, const char *slug, int status, const char *detail);
int problem_status(const char *slug);
/* Answers in the middle of a body, past libmicrohttpd; the caller then ends the connection. */
void problem_send_now(struct http_request *r, const char *slug, int status, int retry_after_s,
                      const char *detail);
void problem_of_err(struct http_request *r, const struct err *err);

/* reply.c */
void reply_queue(struct http_request *r, int status, const char *media_type,
                 struct MHD_Response *response);
void reply_headers(const struct http_request *r, const char *media_type, header_add *add,
                   void *arg);
void reply_count(struct http_request *r, int status);
void reply_free(struct http_request *r);

/* stream.c */
void stream_over(struct http_request *r);
void stream_finish_all(struct http *h);

#endif
