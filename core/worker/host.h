/* SPDX-License-Identifier: MIT
 *
 * What a plugin sees of us: the table of functions, and the job that it passes back.
 */
#ifndef WORKER_HOST_H
#define WORKER_HOST_H

#include "worker/artifacts.h"
#include "worker/facts.h"
#include "worker/folder/folder.h"
#include "worker/jail/jail.h"
#include "worker/logger.h"
#include "worker/plugin.h"

#include <stdatomic.h>

/* One struct per program: all that lathe-worker is. */
struct host {
  struct lathe_host table;       /* first: the plugin's pointer is ours */
  struct remote *_Atomic remote; /* of a remote plugin that serves; else NULL */
  struct plugin plugin;
  void *self; /* the plugin's instance */
  struct link *link;
  struct logger log; /* of the backend: what belongs to no step */
  struct wire_board *board;
  char *backend, *work_root;
  char *stem; /* <backend>-<cell>: what the names of all folders of this worker begin with */
  char *cell; /* PROCESS: where its folders lie; nobody else's do */
  struct jail jail;
  struct jail_helper *jail_helper; /* PROCESS in a jail; else NULL */
  bool parks;                      /* jobs may leave parked processes */
  pid_t zygote;                    /* FORK: its number */
  int64_t parked;  /* in a child: how many processes were parked when its step came */
  char *park_cell; /* in a child: where the folders lie of all jobs that it may become */
  int64_t park_memory, park_ms;
  uint32_t processes; /* and threads, that a job may have at a time */
  uint32_t slots, heartbeat_ms;
  int nice;
  int log_fds[2]; /* both ends of the pipe for stdout and stderr, from lathed; -1: none */
  struct plugin_value *values;
  size_t value_count;
  char message[1000];     /* of create(), ready() and health() */
  int64_t retry_after_ms; /* likewise */
  pthread_mutex_t kinds_lock;
  const char **kinds; /* that the plugin declared, under the lock; NULL: none yet */
  size_t kind_count;
  bool serving;                  /* under the lock: create() and ready() are over */
  atomic_bool in_health;         /* on a thread of its own */
  atomic_bool in_step, renewing; /* renewing: the process ends when no step is inside */
  char renew_why[500];           /* set before `renewing` */
  char *config_frame;            /* what the settings point into */
};

/* A step while it is inside the plugin. */
struct lathe_job {
  struct host *host;
  struct link *link;  /* where its frames go */
  struct logger *log; /* NULL: lines travel one by one (a forked child) */
  uint64_t token;
  const struct wire_step *step;
  struct folder *folder; /* NULL: the call has none */
  atomic_int cancelled;  /* the enum wire_class to end with, 0: no */
  char message[1000];    /* under the lock where another thread may set it: report() */
  struct wire_fault fault;
  int64_t retry_after_ms;
  /* In a remote plugin's submit and find; elsewhere NULL. */
  int32_t (*checkpoint)(struct lathe_job *job, const void *ref, size_t len);
  /* In a remote plugin's steps; elsewhere NULL. */
  int32_t (*note)(struct lathe_job *job, const void *data, size_t len);
  struct job_artifact *artifacts;
  size_t artifact_count;
  struct previews *previews; /* NULL: none was given */
  atomic_bool preview_waits; /* one is held back */

  /* Progress: a burst goes through, a flood is thinned.  For any thread. */
  int64_t began_us;
  pthread_mutex_t lock;
  int progress_burst;
  int64_t progress_us;
  bool progress_waits;
  uint64_t progress_mark; /* of what was said last: nobody needs to hear it again */
  int32_t progress_permille;
  char progress_what[200];
  struct facts facts; /* under the lock, too */
};

/* wake() of the host's table (remote/due.c): any thread. */
void remote_wake_ref(const struct lathe_host *table, const void *ref, size_t len);

/* Ends the process if the plugin asked for that; called when no step is inside, with all that was
 * said in the link's buffer. */
void host_renew_now(struct host *h);

void job_begin(struct lathe_job *job, struct host *h, uint64_t token, const struct wire_step *step);
void job_free(struct lathe_job *job);
/* Sends the progress, or holds it back where there is a flood. */
void job_progress(struct lathe_job *job, int32_t permille, const char *what);
/* Sends the progress and the facts that were held back. */
void job_flush(struct lathe_job *job);

#endif
