/* SPDX-License-Identifier: MIT
 *
 * A tunnel: OpenSSH's own client, kept running, with one forward from a Unix socket of ours to a
 * lathed on another machine.
 *
 *           +---------------------------- pause (jitter, 0.25 to 30 s) <----------+
 *           v                                                                     |
 *   look at the key --> spawn --> LocalCommand says so --> probe --> up --ssh ends, or 15 s are over
 *                                                            |  ^
 *                                         far daemon down <--+--+  ssh stays, the probe is repeated
 *
 * One thread a tunnel does all of that and lives as long as the tunnel.  Below it stands a keeper
 * (ssh_spawn.c), which ends ssh and all that ssh started when it is told to or when this process has
 * died, by whatever hand.
 */
#ifndef SSH_TUNNEL_H
#define SSH_TUNNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TUNNEL_TEXT = 960, TUNNEL_PATH = 108 /* of sockaddr_un */ };

/* What a tunnel is in; their words and sentences are in ssh_state.c. */
enum tunnel_state {
  TUNNEL_STOPPED,
  TUNNEL_STARTING,
  TUNNEL_UP,
  /* on this machine */
  TUNNEL_NO_SSH,
  TUNNEL_LOCAL, /* no folder, no process, no socket */
  TUNNEL_KEY_FILE,
  /* on the way */
  TUNNEL_NAME_UNKNOWN,
  TUNNEL_REFUSED,
  TUNNEL_NO_ROUTE,
  TUNNEL_TIMEOUT,
  TUNNEL_CLOSED, /* before anything was agreed on */
  TUNNEL_LOST,   /* after it was up */
  TUNNEL_FROZEN,
  TUNNEL_JUMP_FAILED,
  /* at the other machine */
  TUNNEL_NO_AGREEMENT,
  TUNNEL_HOST_KEY_CHANGED,
  TUNNEL_HOST_KEY_UNKNOWN,
  TUNNEL_KEY_REFUSED,
  TUNNEL_FORWARD_REFUSED,
  TUNNEL_FAR_DOWN,
  TUNNEL_FAR_SILENT,
  TUNNEL_FAILED, /* none of these: ssh's own words tell */
  TUNNEL_STATES
};

struct tunnel_options {
  const char *ssh;         /* the program; NULL or "": "ssh", found in PATH */
  const char *host, *user; /* user "": the one that runs us */
  const char *key;         /* the private key's file */
  const char *known_hosts; /* where the host's key is pinned */
  const char *jump;        /* "[USER@]HOST[:PORT]", or "" */
  const char
      *far_address; /* of the far daemon, as that machine sees it: HOST:PORT, or a socket's path */
  int port;
  int64_t alive_ms; /* a silent connection is asked so often, and is dead after two */
};

struct tunnel_status {
  enum tunnel_state state;
  uint64_t session;       /* counts the times that it came up; another number: another connection */
  char text[TUNNEL_TEXT]; /* the state's word, what it means here and what to do */
  char path[TUNNEL_PATH]; /* of this session's socket, while it is up; else "" */
};

struct tunnel;

/* False, and `why` (a sentence that begins with the option's name), where an option has a value that
 * can't be right or that ssh or a shell could take for something else. */
bool tunnel_options_check(const struct tunnel_options *o, char *why, size_t size);

/* Starts the thread; the options are copied.  `changed` is called on it, without a lock, when state
 * or text have changed.  NULL with `why`: the options are wrong, or there is no thread or folder. */
struct tunnel *tunnel_open(const struct tunnel_options *o,
                           void (*changed)(void *arg, const struct tunnel_status *now), void *arg,
                           char *why, size_t size);
/* Ends ssh and waits for it; `changed` is not called any more when it returns. */
void tunnel_close(struct tunnel *t);

/* The path that leads to the socket of whatever session is up: it stays the same, and leads nowhere
 * while none is up. */
const char *tunnel_socket(const struct tunnel *t);

/* Any thread. */
void tunnel_look(struct tunnel *t, struct tunnel_status *now);
/* Until it is up, but no longer than so many milliseconds; true: it is. */
bool tunnel_await(struct tunnel *t, int64_t ms, struct tunnel_status *now);
/* A request through this session failed: the far daemon is asked at once whether it is there.  Returns when that is
 * known, or after so many milliseconds. */
void tunnel_suspect(struct tunnel *t, uint64_t session, int64_t ms);

const char *tunnel_word(enum tunnel_state state);
/* A person has to do something: more tries alone will not help. */
bool tunnel_needs_person(enum tunnel_state state);

#endif
