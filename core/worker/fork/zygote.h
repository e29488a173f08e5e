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

#include <sys/resource.h>

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

/* ---- child.c ---- */
/* A child that waits for its step; NULL: the system has no more to give. */
struct child *child_fork(struct zygote *z);
/* In a fresh child, `arg` being the zygote: closes what is of others. */
void child_forget_others(void *arg);
/* Gives a child the STEP, the spare one where there is one. */
void child_start(struct zygote *z, const struct wire_frame *f, const struct wire_step *step);
/* It ends with this class (enum wire_class). */
void child_cancel(struct zygote *z, uint64_t token, int class);
/* There is something on its socket. */
void child_read(struct zygote *z, struct child *c);
/* Its pidfd says so: reaps and frees it, and tells the daemon what it did not. */
void child_ended(struct zygote *z, struct child *c);
/* The end of a step that no child has. */
void zygote_send_done(struct zygote *z, uint64_t token, enum wire_class class, const char *message,
                      bool folder);
void child_kill(struct child *c);
/* Its guard, its folder, BEGAN. */
void child_began(struct zygote *z, struct child *c, int64_t input_bytes);

struct rusage;

/* ---- verify_result.c ---- */
/* Its DONE, with the calls that the jail refused behind the plugin's own reason. */
void child_put_done(const struct child *c, struct buf *out);
/* It speaks of the backend: passed on, but that one that is locked in has nothing to say of it. False:
 * it broke the protocol. */
bool child_speaks(struct zygote *z, const struct wire_frame *f);
/* The class and the sentence for one that ended without a result. */
enum wire_class child_judge(const struct child *c, int status, const struct rusage *used,
                            char *text, size_t size);
/* What the kernel counted of one that could not say so itself. */
void child_put_usage(const struct child *c, const struct rusage *used, struct buf *out);

/* ---- takeover.c ---- */
/* The child wants to leave a parked process behind. */
void child_park(struct zygote *z, struct child *c, const char *key);
/* The child asks for a parked process of this key: where there is one the job goes on there. */
void child_resume(struct zygote *z, struct child *old, const char *key);
/* A parked process says something. */
void parked_heard(struct zygote *z, struct parked *p);

#endif
