/* SPDX-License-Identifier: MIT
 *
 * far.h: another lathed as a backend, whatever way leads to it.
 *
 * A static library of all that a plugin does once it can send a request to a far daemon: kinds, submissions by the
 * hash of their inputs, statuses, log, results, cancels.  How a request gets there is the plugin's: http-remote.so
 * gives it an address, ssh-tunnel.so a socket that a process of its own keeps open.
 *
 *   create()    the plugin opens a client of the net kit and its way (a tunnel), then far_open(): *self is what that
 *               gives
 *   destroy     far_close          remote  &far_remote          health  far_health
 *   options     FAR_OPTIONS among the plugin's own
 *   flags       FAR_FLAGS          rights  LATHE_NEEDS_NETWORK (and what the way needs)
 *   isolation   LATHE_SHARED, max_concurrency FAR_CONCURRENCY, device "net", kinds NULL: far_open() declares them
 *
 * A way that comes and goes tells so with ready() and failed(): no request is made while ready() says no, and what it
 * says is what people read.
 */
#ifndef FAR_H
#define FAR_H

#include <lathe/net.h>

enum { FAR_CONCURRENCY = 32 };
#define FAR_FLAGS LATHE_SAME_KINDS

/* How requests get to the far daemon. */
struct far_transport {
  struct lathe_net *net; /* far_close() closes it */
  const char *where;     /* the far daemon, for people: "http://gpu:8080", "gpu (by ssh)"; copied */
  void *ctx;             /* of what follows; each may be NULL */
  /* [T] Before each request: LATHE_OK, or the class that the request shall end with and why, a sentence, in
   * answer->why.  It may wait a moment (a tunnel that comes up), but no longer than a second. */
  int32_t (*ready)(void *ctx, struct lathe_net_answer *answer);
  /* [T] After each request that had no answer of HTTP (answer->status 0): it may know better why, and change result
   * and why.  Not 0: the way was cut, so what the far daemon knows by its key, or only reads, may be asked again. */
  int32_t (*failed)(void *ctx, struct lathe_net_answer *answer);
  void (*close)(void *ctx); /* in far_close(), after the last request */
};

/* Asks the far daemon who it is, declares its kinds and starts the threads that listen to it.  LATHE_OK and *far; else
 * create() returns what this returns, error(NULL) was said, and the transport is closed.  The host's options of
 * FAR_OPTIONS are read. */
int32_t far_open(const struct lathe_host *, const struct far_transport *, void **far);
void far_close(void *far);
int32_t far_health(void *far);
extern const struct lathe_remote far_remote;

/* Entries of a table of struct lathe_option. */
#define FAR_OPTION_COUNT 2
#define FAR_OPTIONS                                                                                \
  {sizeof(struct lathe_option),                                                                    \
   LATHE_STRING,                                                                                   \
   "kinds",                                                                                        \
   "",                                                                                             \
   NULL,                                                                                           \
   "Names of the kinds that are sent there, with spaces between them; without it all that both "   \
   "sides declare alike."},                                                                        \
  {                                                                                                \
    sizeof(struct lathe_option), LATHE_MILLIS, "request_timeout", "10s", "100..60000",             \
        "How long an answer of the far daemon may take, files apart; keep three of it below four " \
        "times the backend's heartbeat_timeout."                                                   \
  }

#endif
