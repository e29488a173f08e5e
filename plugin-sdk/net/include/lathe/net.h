/* SPDX-License-Identifier: MIT
 *
 * lathe/net.h: HTTP for plugins whose work is done by a service.
 *
 * A small static library on libcurl (HTTP/1.1), jansson and libcrypto.  It is linked into the plugin and shows
 * nothing of itself to the outside.  What it takes care of: keys that never leave the service's address and never
 * stand in a message; a deadline, a limit of silence and the job's cancellation in every wait, also while a name is
 * looked up; no request that is sent twice by accident; answers of any length or depth; files that are whole or not
 * there; and what a failure means to lathe.  It compiles as C11 and C++17.
 *
 *   create()   lathe_net_open()                     one client a service; any number of threads may use it
 *   a step     lathe_net_call(), or one of its sisters, with an answer that was {0} at first
 *              lathe_net_json()                     the answer as JSON
 *              return lathe_net_fail()              where it is not LATHE_OK: tells the host why
 *              lathe_net_free()                     once, when the answer is no longer needed
 *   destroy()  lathe_net_close()
 *
 * Strings are UTF-8 and end with a NUL.  What goes in is read during the call and stays the caller's.  Sizes are bytes,
 * times milliseconds; 0 means the default that is named.  No function changes anything of the process: no signal, no
 * locale, no directory.  docs/net.md is the guide.
 */
#ifndef LATHE_NET_H
#define LATHE_NET_H
#include <lathe/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif
/* columns are set by hand */
/* clang-format off */

struct json_t;                        /* jansson's: a struct json_t * is a json_t * */
struct lathe_net;                     /* a client; the kit's */

/* A header, or a field of one that ends with a secret: {"Authorization", "Key ", "FAL_KEY"} sends
 * "Authorization: Key " and the value of the secret FAL_KEY. */
struct lathe_net_header {
  const char *name, *value;           /* value NULL: empty.  Neither holds a line break */
  const char *secret;                 /* the secret's name, or NULL.  Its value is asked for at each request, so that a renewed
                                         one is taken up; with one, the header goes to the origin of `base` alone */
};

struct lathe_net_options {
  const char *base;                   /* "https://host:8443/api": http or https, no user, no query.  Required */
  const char *unix_socket;            /* absolute path: the connection goes there, and base is the name in the request
                                         ("http://localhost") */
  const char *ca_file;                /* PEM; these alone are trusted.  NULL: the system's */
  const char *cert_file, *key_file;   /* PEM: the client certificate and its key; key NULL: it is in cert_file */
  const char *token;                  /* name of a secret: "Authorization: Bearer " and its value go with every request to
                                         the origin of base.  NULL: none */
  const struct lathe_net_header *headers; /* for every request; the last has the name NULL.  NULL: none */
  int64_t connect_ms;                 /* for name, connection and TLS together.  0: 10,000 */
  int64_t stall_ms;                   /* not a byte in either direction for so long: given up.  0: 60,000; -1: no limit */
  int32_t clear;                      /* not 0: keys may cross a network without TLS.  Loopback and sockets need it not */
};

/* Opens a client; nothing is sent.  Options are copied, files and names checked.  create() may return what this
 * returns: LATHE_OK and *net, or LATHE_PERMANENT (an option is wrong) or LATHE_RETRY_MEM, with host->error(NULL) said. */
int32_t lathe_net_open(const struct lathe_host *host, const struct lathe_net_options *, struct lathe_net **net);
/* When no call is under way.  NULL is allowed. */
void lathe_net_close(struct lathe_net *);

/* One field of a form (multipart/form-data). */
struct lathe_net_field {
  const char *name;
  const char *value;                  /* exactly one of value and file */
  const char *file;                   /* path of a file, read while it is sent */
  const char *filename, *type;        /* for a file; NULL: the end of its path, application/octet-stream */
};

/* A request.  At most one of body, json, file and form is set. */
struct lathe_net_request {
  const char *method;                 /* NULL: GET, or POST with a body */
  const char *path;                   /* "/v1/jobs?wait=20" goes behind base, as it is (lathe_net_escape() for what others
                                         named).  Or a whole URL that the service gave: if its origin (scheme, host, port)
                                         is not that of base, nothing of the client's goes with it: no key, header or
                                         certificate, no ca_file, no unix_socket */
  const struct lathe_net_header *headers; /* besides the client's, before which they go; last name NULL.  NULL: none */
  const void *body; size_t body_len;  /* bytes */
  struct json_t *json;                /* borrowed; sent as application/json */
  const char *file;                   /* path: the file is sent, with a Content-Length */
  int64_t file_from, file_bytes;      /* a part of it: from this byte on, so many.  bytes 0: to the end */
  const struct lathe_net_field *form; /* the last has the name NULL */
  const char *type;                   /* Content-Type of body or file; NULL: application/octet-stream */
  struct lathe_job *job;              /* its cancellation ends the call within 100 ms.  NULL: nothing does; in cancel(), whose
                                         job is cancelled, leave it NULL */
  int64_t deadline_ms;                /* that of the step (lathe_request): CLOCK_MONOTONIC, 0 for none.  Past it: LATHE_TIMEOUT */
  int64_t most_ms;                    /* longest that the whole call may take; past it: LATHE_RETRY_DOWN.  0: no such limit */
  int64_t wait_ms;                    /* the far side may be silent for so long by agreement ("?wait=20": 20,000): the limit
                                         of silence grows by it.  lathe_net_events(): how long to listen */
  int64_t answer_max;                 /* longest body, or event, that is taken.  0: 1 MiB; at most 1 GiB */
  int32_t keyed;                      /* not 0: the far side knows a request that it has had (by the job's key), so it may go
                                         over a connection that was used before.  0: a fresh connection, since libcurl sends
                                         a request again by itself when a used one was closed.  GET and HEAD: always keyed */
  int32_t redirects;                  /* GET and HEAD: how many may be followed, at most 10.  None is where a key or a
                                         certificate goes along */
  void (*moved)(void *user, int64_t bytes, int64_t of); /* [C] a body moves, up or down; at most 10 times a second and at the
                                         end.  of: -1 where it is not known.  NULL: not told */
  void *user;                         /* for moved() */
  const int32_t *stop;                /* set to another value than 0 by any thread (atomically), it ends the call within 300 ms as
                                         the job's cancellation does: for a thread of the plugin's that listens.  NULL: none */
};

/* What came.  {0} ({} in C++) before its first call; each call empties it; lathe_net_free() at the end.  Read-only, but for result
 * and why, which a plugin that knows better may set before lathe_net_fail(). */
struct lathe_net_answer {
  int32_t result;                     /* what it means: LATHE_OK for 2xx, else a class (table below) */
  int32_t status;                     /* of HTTP; 0: no answer came */
  int32_t sent;                       /* 0: not a byte of the request had left, so nothing was begun there */
  int64_t retry_after_ms;             /* 0 to 3,600,000; -1: none that makes sense */
  char *body; size_t len;             /* with a NUL behind it; never NULL after a call */
  char *head; size_t head_len;        /* the headers as they came; read them with lathe_net_header() */
  char why[960];                      /* one sentence for people: what, where, what to do.  No key, user or query in it */
  char where[200];                    /* what was asked, for messages: "POST https://host/v1/jobs" */
  char code[65], request_id[129];     /* the service's own, of a failure; "" for none */
  char last_id[256];                  /* lathe_net_events(): the id of the last event */
};

/* The classes.  Which of them are about the backend, and not about the job, is the ABI's matter.
 *
 *   2xx                                  LATHE_OK
 *   400, 413, 415, 422                   LATHE_BAD_INPUT
 *   401, 403, 407; a certificate or key  LATHE_AUTH
 *     of ours that is refused, or a
 *     secret that is not set
 *   402                                  LATHE_QUOTA
 *   429; 503 with Retry-After            LATHE_RETRY_RATE
 *   408, 421, 425, other 5xx             LATHE_RETRY_DOWN
 *   no name, connection or TLS; cut,     LATHE_RETRY_DOWN
 *     silent; not HTTP; too long
 *   3xx, 501, 505, 508, other            LATHE_PERMANENT   404 and 410 in poll are often LATHE_RETRY_ANEW: the plugin knows
 *   the deadline                         LATHE_TIMEOUT
 *   the job was cancelled                LATHE_CANCELLED
 *   memory of ours                       LATHE_RETRY_MEM
 *   a disk or a file of ours             LATHE_RETRY
 *
 * Retry-After: digits or the date of RFC 9110, held to an hour; anything else is none.  The certificate of the far
 * side, an expired one too, is LATHE_RETRY_DOWN: nothing was sent, and a person may renew it. */

/* One request and its answer.  Returns answer->result. */
int32_t lathe_net_call(struct lathe_net *, const struct lathe_net_request *, struct lathe_net_answer *);

/* A file that is fetched, and which it must be. */
struct lathe_net_file {
  const char *path;                   /* where it is when LATHE_OK is returned, and not before: its folder must be there.
                                         Beside it PATH.part and PATH.part.etag, from where a later call goes on */
  int64_t bytes;                      /* its length.  0 or less: not known */
  const char *sha256;                 /* 64 hexadecimal digits, or NULL: not known */
  int64_t most;                       /* more is refused.  0: as much as there is room for */
};
/* GET into a file.  A transfer that is cut goes on where it was (Range, with If-Range and a strong ETag): in this call
 * while the deadline allows and each try brings something, up to 5 times, and in a later one.  Appended is what comes
 * with 206 for exactly that place and that length; 200 begins anew.  Length and SHA-256 are verified, then the file
 * gets its name.  Another file than the one that was promised is LATHE_RETRY_DOWN, and nothing of it stays.  Where it is
 * LATHE_OK, answer->body is empty.  A disk that is full is LATHE_RETRY. */
int32_t lathe_net_download(struct lathe_net *, const struct lathe_net_request *, const struct lathe_net_file *,
                           struct lathe_net_answer *);

/* An event of a stream (text/event-stream), valid during the call. */
struct lathe_net_event {
  const char *name, *id, *data;       /* name: "message" where it has none; id: the last that came, or "" */
  size_t data_len;                    /* data may hold NULs of its own */
};
/* [C] LATHE_PENDING: go on.  Anything else ends the stream and is what lathe_net_events() returns. */
typedef int32_t lathe_net_on_event(void *user, const struct lathe_net_event *);
/* GET as a stream of events.  Returns what on_event ended it with; LATHE_PENDING: the far side ended it in order, or
 * wait_ms is over; or a class.  Go on later with the header Last-Event-ID and answer->last_id.  Something that is no
 * such stream (a page of a proxy) is LATHE_RETRY_DOWN.  Comments count as a sign of life. */
int32_t lathe_net_events(struct lathe_net *, const struct lathe_net_request *, lathe_net_on_event *, void *user,
                         struct lathe_net_answer *);

/* The answer's body as JSON (an object or an array): a new reference, for json_decref().  NULL: it is none, is nested
 * deeper than 64, or holds more than 250,000 values: then answer->result is LATHE_RETRY_DOWN, and why says what came
 * instead. */
struct json_t *lathe_net_json(struct lathe_net_answer *);
/* The value of the answer's last header of this name, in any case of letters, in buf; NULL: none, or longer than buf. */
const char *lathe_net_header(const struct lathe_net_answer *, const char *name, char *buf, size_t size);
/* Tells the host why a call failed (error, error_code, retry_after) and returns answer->result.  job NULL: in create(),
 * ready() and health().  [C] */
int32_t lathe_net_fail(struct lathe_net *, struct lathe_job *, const struct lathe_net_answer *);
void lathe_net_free(struct lathe_net_answer *);

/* Text as one part of a path or a query: all but A-Z a-z 0-9 - . _ ~ as %XX.  Returns buf; NULL: it is longer than buf,
 * or "." or "..", which servers take as a way. */
const char *lathe_net_escape(const char *text, char *buf, size_t size);
/* CLOCK_MONOTONIC in milliseconds, the clock of deadlines. */
int64_t lathe_net_now(void);

/* clang-format on */
#ifdef __cplusplus
}
#endif
#endif
