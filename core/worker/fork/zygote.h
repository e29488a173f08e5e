/* SPDX-License-Identifier: MIT
 *
 * What the files of the zygote (isolation FORK) share.
 */
#ifndef WORKER_ZYGOTE_H
#define WORKER_ZYGOTE_H

#include "base/list.h"
#include "worker/folder/sweeper.h"
#include "worker/fork/health_child.h"
#include "worker/fork/parked_pool.h"
#include "worker/jail/guard.h"

struct child {
  struct list ring;
  uint64_t token;
  pid_t pid;
  int pidfd, log_fd;
  struct link socket;
  struct logger log;
  struct wire_limits limits;
  struct guard guard;
  char *cell;       /* where its folder lies, if not where the daemon looks for it */
  struct buf step;  /* the payload of its STEP, where it may go on in another process */
  char *scope;      /* what it may be parked for and resumed by; NULL: nothing */
  struct buf done;  /* the payload of its DONE; empty: none came */
  int cancel_class; /* why it was killed; 0: it was not */
  bool broken;      /* it broke the protocol */
  bool guarded;     /* its guard killed it */
  bool told;        /* the daemon has its DONE; it only has to end */
  bool log_open, socket_open;
  int64_t began_us;
};

struct zygote {
  struct host *host;
  struct child *spare; /* forked ahead: it waits for the next step */
  int64_t spare_at_ms; /* clock_mono_ms(): not before, while all slots are taken */
  struct list children;
  size_t count;
  bool stopping;
  struct parked_pool pool;
  struct sweeper sweeper;
  struct health_child health;
  bool orphans; /* some were killed and have yet to end */
};

#endif
