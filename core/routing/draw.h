/* SPDX-License-Identifier: MIT
 *
 * The draw that sends a share of jobs to a canary.  By hash, so the same client, input or job draws the
 * same each time, on each daemon and after a restart, and a larger share only adds to those that are
 * drawn.
 */
#ifndef ROUTING_DRAW_H
#define ROUTING_DRAW_H

enum { DRAW_OF = 10000 }; /* shares and draws are parts of it */

#define ROUTE_STICKY_TABLE(X)                                                                      \
  X(ROUTE_STICKY_CLIENT, "client")                                                                 \
  X(ROUTE_STICKY_INPUT, "input")                                                                   \
  X(ROUTE_STICKY_NONE, "none")

enum route_sticky {
#define X(name, word) name,
  ROUTE_STICKY_TABLE(X)
#undef X
};
const char *route_sticky_word(enum route_sticky sticky);

struct draw_keys {    /* NULL or "": there is none */
  const char *client; /* name */
  const char *input;  /* SHA-256 of the first one */
  const char *job;    /* id */
};

/* 1 to DRAW_OF; 0: there is nothing to draw by.  A job without a client (or an input) draws by its id.
 * canary and kind: another canary, and another kind, draw anew. */
int draw_number(enum route_sticky sticky, const struct draw_keys *keys, const char *canary,
                const char *kind);

#endif
