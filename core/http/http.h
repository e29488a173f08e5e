/* SPDX-License-Identifier: MIT
 *
 * HTTP/1.1 on the uv loop: libmicrohttpd's epoll fd in a uv_poll.  Knows nothing
 * of jobs.  Everything here is for the loop thread.
 *
 *   bytes -> [Host, origin, token checked] -> route found -> body gathered or streamed to the
 *   route's sink -> handler(request) -> reply now, or keep the request and reply later
 *
 * While a request waits for its reply (a commit, a worker, the disk) its connection
 * is suspended and costs nothing.  After http_reply*, http_problem or
 * http_stream_begin the request belongs to the room again: do not touch it.
 *
 * The program must ignore SIGPIPE: a client may go away while it is sent something.
 */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include "base/buf.h"
#include "base/err.h"
#include "base/role.h"
#include "base/secret.h"
#include "observe/metrics.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct http;
struct http_request;
struct http_stream;

typedef void http_handler(void *ctx, struct http_request *r);

/* Where file parts of a multipart body, or a raw body, go while they arrive.
 * write and finish may answer HTTP_LATER: the connection then stays suspended
 * until http_sink_continue(r, code) is called (never from inside write/finish). */
#define HTTP_LATER 1
struct http_sink {
  /* field: form name ("file"; "" for a raw body); filename: as the client sent it, or "".
   * Returns the file, or NULL after setting err (the request is answered with 4xx/5xx by code). */
  void *(*begin)(void *ctx, struct http_request *r, const char *field, const char *filename,
                 struct err *err);
  int (*write)(void *file, const void *data, size_t len, struct err *err);
  int (*finish)(void *file, struct err *err);
  /* The client went away or the request was refused: forget the file.  Called also for finished
   * files when the handler will not run. */
  void (*abort)(void *file);
};
void http_sink_continue(struct http_request *r, int code, const struct err *err);

enum http_body {
  HTTP_BODY_NONE,   /* a body is refused (413) when it is not empty */
  HTTP_BODY_BUFFER, /* gathered, up to body_max; see http_body() */
  HTTP_BODY_FORM,   /* multipart: fields gathered, files to the sink; anything else gathered */
  HTTP_BODY_SINK,   /* multipart as above; anything else streams to the sink raw */
};

struct http_route {
  const char *method;  /* "GET" also serves HEAD */
  const char *pattern; /* "/api/jobs/{id}/artifacts/{name}"; a last "{name*}" takes the rest */
  http_handler *handler;
  /* The keys of its query, NULL-terminated; NULL: it takes none.  Any other key, and one that comes
   * twice, is refused (400). */
  const char *const *query;
  /* Where two resources have one shape of path: is the value of the first parameter one of this
   * route's?  For the Allow header alone.  NULL: any is. */
  bool (*names)(const char *value);
  enum http_body body;
  enum role role; /* that a token needs here */
  bool open;      /* needs no token (health, ready) */
  bool link;      /* of GET: a link (http_link) serves where the token is missing */
};

struct http_options {
  const char *host;    /* "127.0.0.1", "::1", "0.0.0.0" */
  int port;            /* 0: the system chooses; see http_port */
  int64_t body_max;    /* bytes of a gathered body */
  int64_t bodies_max;  /* bytes of all gathered bodies together; 0: eight times body_max */
  int64_t streams_max; /* bytes that all streams have buffered, and again that all other answers
                          have; 0: 64 MiB */
  int64_t upload_max;  /* bytes of a request whose files go to a sink */
  int connections_max;
  int idle_timeout_s; /* a connection that moves no byte for so long is closed; 0: 60 */
  const char *const
      *allowed_hosts; /* NULL-terminated; loopback names and `host` are always allowed */
  const char *const *cors_origins; /* NULL-terminated; "*" is any */
  const char *public_url;          /* what clients call this server; NULL or "": not known */
  /* Addresses and ranges whose X-Forwarded-Prefix, -Proto and -Host count; NULL-terminated. */
  const char *const *trusted_proxies;
  /* The client's name for a bearer token, and its role; or NULL to refuse.  NULL: no tokens, all
   * may everything. */
  const char *(*authorise)(void *ctx, const char *token, enum role *role);
  /* Has the client of this name a token still?  Asked where there are tokens. */
  bool (*knows)(void *ctx, const char *client);
  const struct secret *key;        /* signs links; copied at http_open.  NULL: no links */
  const struct http_route *routes; /* ends with a NULL method; must outlive the server */
  const struct http_sink *sink;
  void *ctx; /* of handlers, sink and authorise */
  struct metrics *metrics;
};

int http_open(struct http **out, uv_loop_t *loop, const struct http_options *options,
              struct err *err);
int http_port(const struct http *h);
/* Allowed hosts, origins and sizes may change while running; strings are copied. */
void http_reconfigure(struct http *h, const struct http_options *options);
/* No new connections; ends streams; waiting requests may still be answered. */
void http_stop_accepting(struct http *h);
void http_close(struct http *h); /* aborts what is left */

/* ---- the request ---- */
const char *http_method(const struct http_request *r);
const char *http_path(const struct http_request *r);
const char *http_pattern(const struct http_request *r); /* of its route */
const char *http_param(const struct http_request *r,
                       const char *name); /* {name} of the pattern, decoded */
const char *http_query(const struct http_request *r,
                       const char *name); /* decoded, NULL when absent */
const char *http_header(const struct http_request *r, const char *name);
/* Address of who sent it, as text: "192.0.2.7"; valid until the next call. */
const char *http_peer(const struct http_request *r);
const char *http_client(const struct http_request *r); /* name of the token, "" without one */
bool http_has_tokens(const struct http_request *r);    /* must clients have one here? */
enum role http_role(const struct http_request *r);     /* admin where no tokens are asked for */
const char *http_body(const struct http_request *r,
                      size_t *len); /* gathered body, NUL-terminated */
/* The path that a proxy puts before every path of ours, "" where there is none: URLs in a reply
 * begin with it.  Valid as long as the request. */
const char *http_base(const struct http_request *r);
/* The server's URL as the client knows it: "https://example.org/lathe", or as much of it as is
 * known, at least "/". */
void http_put_server(const struct http_request *r, struct buf *out);
enum { HTTP_LINK_MAX_S = 3600 }; /* one that lasts longer is not taken */
/* Writes a URL of the path that works without the token of this request's client until `expires`
 * (seconds since the epoch).  The path is one of ours as it stands in an answer, of a route with
 * `link` and without a query. */
int http_link(const struct http_request *r, const char *path, int64_t expires, struct buf *out,
              struct err *err);
bool http_is_form(const struct http_request *r); /* the body was multipart */
/* Fields and files of a form, in order; each(): file is the sink's, NULL for a field.  What
 * http_take_file took is left out. */
void http_form_each(struct http_request *r,
                    void (*each)(void *arg, const char *field, const char *value, size_t len,
                                 void *file),
                    void *arg);
/* Takes the raw body's or form's first file out of the request (it is then not aborted with it);
 * NULL if none. */
void *http_take_file(struct http_request *r);

/* What was gathered (the body, or the fields of a form; its files stay in the request), taken out
 * of it: other threads may read it, and the request may end meanwhile.  It counts against
 * bodies_max until it is freed, on the loop thread; http_content_forget gives its memory back
 * before that, for what was made of it.  Never NULL. */
struct http_content;
struct http_content *http_take_content(struct http_request *r);
const char *http_content_body(const struct http_content *c, size_t *len); /* NUL-terminated */
size_t http_content_size(const struct http_content *c);
void http_content_each(const struct http_content *c,
                       void (*each)(void *arg, const char *field, const char *value, size_t len,
                                    void *file), /* file is NULL */
                       void *arg);
void http_content_forget(struct http_content *c);
void http_content_free(struct http_content *c); /* NULL is fine */

/* A place for the handler's own state of a request. */
void http_set_user(struct http_request *r, void *user);
void *http_user(const struct http_request *r);
/* Called once if the client goes away before the reply; the request is gone after it.  A client
 * that only closes its sending side still has two seconds for the reply. */
void http_on_abort(struct http_request *r, void (*gone)(void *arg), void *arg);

/* ---- the reply ---- */
void http_add_header(struct http_request *r, const char *name, const char *value); /* copied */
/* Takes the memory of body (may be NULL). */
void http_reply(struct http_request *r, int status, const char *media_type, struct buf *body);

/* An RFC 9457 problem.  slug becomes type "/problems/<slug>" with the title of the table in
 * http/problem.h; status likewise from the table unless `status` is not 0. */
void http_problem(struct http_request *r, int status, const char *slug, int retry_after_s,
                  const char *detail_fmt, ...) __attribute__((format(printf, 5, 6)));
/* The same with a list of all that is wrong as its member `errors` (JSON, or NULL). */
void http_problem_listed(struct http_request *r, const char *slug, const char *detail,
                         const char *errors);

struct http_file {
  int fd;     /* taken, closed by the room; -1 where `data` is set */
  void *data; /* the whole file, from malloc; taken */
  int64_t size;
  const char *media_type, *etag; /* etag without quotes, may be NULL */
  const char *download_name;     /* Content-Disposition: attachment; NULL: inline */
  bool immutable;                /* Cache-Control: private, max-age */
  bool page; /* shown with its own styles and pictures; no script of it runs, it has no origin */
};
/* Range, If-Range, If-None-Match and HEAD are served here; always with nosniff. */
void http_reply_file(struct http_request *r, const struct http_file *file);

/* A body without a known end.  When all streams together have buffered more than streams_max, the
 * one that has not moved for the longest is ended: last_words() says how many of the unsent bytes
 * still go out (up to the end of a piece) and what after them.  Without it, or when it returns
 * false, the stream is broken off.  It must not call into this room.  closed() is called once when
 * the client went away or after http_stream_end; the stream is gone after it.  drained() is called
 * when what was buffered fell below 16 KiB after http_stream_write answered false. */
struct http_stream_events {
  void (*drained)(void *arg);
  void (*closed)(void *arg);
  void *arg;
  bool (*last_words)(void *arg, const char *unsent, size_t len, size_t *keep, struct buf *words);
  bool whole; /* the body has an end: cut short by a shutdown, it is broken off */
};
struct http_stream *http_stream_begin(struct http_request *r, int status, const char *media_type,
                                      const struct http_stream_events *events);
/* Appends; false when over 64 KiB wait to be sent (it was appended all the same). */
bool http_stream_write(struct http_stream *s, const void *data, size_t len);
void http_stream_end(struct http_stream *s);
/* Ends it so that the client sees that the body is not whole. */
void http_stream_break(struct http_stream *s);

#endif
