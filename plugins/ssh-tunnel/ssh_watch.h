/* SPDX-License-Identifier: MIT
 *
 * A tunnel's inside, for its thread (ssh_tunnel.c) and for what that does while ssh runs (ssh_watch.c).
 */
#ifndef SSH_WATCH_H
#define SSH_WATCH_H

#include "ssh_private.h"

#include <pthread.h>

struct tunnel {
  struct tunnel_options *o;
  void (*changed)(void *, const struct tunnel_status *);
  void *arg;
  pthread_t thread;
  int wake; /* eventfd */

  pthread_mutex_t lock; /* of what follows */
  pthread_cond_t told;
  struct tunnel_status now;
  bool closing;
  uint64_t suspect;  /* a session; 0: none */
  uint64_t tellings; /* of ssh_tell() */

  /* the thread's own */
  struct ssh_folder folder;
  struct ssh_paths paths;
  struct ssh_process process;
  struct ssh_probe probe;
  uint64_t number;
  int alive_steps; /* how often the time between two questions was doubled */
  bool session_is_new;
};

/* ---- ssh_tunnel.c ---- */
int64_t ssh_now_ms(void);
/* Equal jitter: half of the time that doubles with each failure, and up to the other half. */
int64_t ssh_jitter(int failures, int64_t first_ms, int64_t last_ms);
void ssh_tell(struct tunnel *t, enum tunnel_state state, const char *detail);
bool ssh_is_closing(struct tunnel *t); /* also takes what woke us */
bool ssh_take_suspicion(struct tunnel *t);

/* ---- ssh_watch.c ---- */
/* While ssh runs, which has been started; afterwards it and the socket are gone and the state says
 * why, unless the tunnel is closing.  Returns for how long it was up. */
int64_t ssh_watch(struct tunnel *t, enum tunnel_state *ended);
/* ServerAliveInterval of the next start. */
int ssh_alive_s(const struct tunnel *t);

#endif
