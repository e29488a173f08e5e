/* SPDX-License-Identifier: MIT
 *
 * What the files of this room share.  Loop thread only.
 */
#ifndef WORKERS_INTERNAL_H
#define WORKERS_INTERNAL_H

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "base/pace.h"
#include "base/sha256.h"
#include "base/table.h"
#include "wire/messages.h"
#include "workers/workers.h"
#include <stdatomic.h>

#include <sys/types.h>
#include <time.h>

struct workers {
  const struct worker_hooks *hooks;
  uv_loop_t *loop;
  char *program, *work_root;
  char **env; /* that workers get beside the common ones */
  struct workers_events events;
  struct metrics *metrics;
  struct list backends;
  struct list dirty; /* workers whose `out` is to be written at the end of the turn */
  uint64_t next_token;
  uv_prepare_t prepare;
  uv_idle_t idle;        /* active: the loop shall not sleep before `prepare` ran */
  size_t backend_count;  /* not yet freed */
  size_t removals;       /* of work folders, under way on the thread pool */
  struct list to_remove; /* that wait for one of these to end */
  struct gone *gone;     /* backends that went, the last ones; departed.c */
  size_t gone_count, gone_cap;
  int64_t return_ms;
  void (*declared)(void *ctx); /* NULL is fine */
  void *declared_ctx;
  bool declared_changed;     /* to be told when the turn ends */
  uv_timer_t declared_pause; /* active: that took long; it is told when this is over */
  uv_timer_t orphans;
  uv_signal_t child_ended;
  pid_t *strangers; /* children of the process that were there before */
  size_t stranger_count;
  bool freeing;
  int handles_closed;
  void (*stopped)(void *arg);
  void *stopped_arg;
};

struct plugin_file { /* another file under the same path differs in one of them; zeroed: no file */
  dev_t device;
  ino_t inode;
  off_t size;
  struct timespec changed;
};

enum pause { PAUSE_NONE, PAUSE_CREDENTIAL, PAUSE_QUOTA, PAUSE_PLUGIN, PAUSE_HEALTH };

struct allowance { /* of messages that each may reach the disk */
  int left;        /* for now */
  uint64_t at;     /* loop time of the last of them */
};

struct backend_word { /* backend_word.c: the last one, where it waits */
  uv_timer_t timer;
  struct allowance left;
  struct wire_backend m;
  char *why;
  int generation;
  bool waits;
};

struct declared_kind {
  char *name, *json;
  bool differs; /* the kind is another here */
};

struct backend {
  struct list ring;
  struct workers *w;
  struct backend_options o; /* our own copies */
  struct plugin_file file;  /* the plugin as it was when its workers were started */
  enum backend_state state;
  char message[1400];
  char *told;        /* the message, for clients */
  char limited[300]; /* what a service said that limits the rate; for clients */
  bool has_message, refused, removed, notify, closing;
  enum pause pause;  /* why it takes no new jobs */
  bool stopped;      /* while paused: it makes no call at all, and its workers went */
  bool start_denied; /* create() itself was refused: no worker is started to ask health() */
  bool told_slow;    /* by the plugin, without a time: one job begins at a time */
  bool died_idle;    /* the last one was ready, and died before it had a step */
  int generation;    /* workers of an older one finish and go */
  int failures;      /* starts in a row that came to nothing */
  int restarts;
  int64_t ewma_us;                      /* how long a step takes */
  struct list workers, pending, doomed; /* pending: not sent; doomed: over, but not told yet */
  size_t worker_count, pending_count, running;
  struct pace pace;      /* of a service that limits the rate; loop time */
  size_t unproven;       /* steps that may still be told to wait: running, or not submitted yet */
  struct pace denied;    /* of one that refuses the credential: how long a pause with an end is */
  uint64_t paused_until; /* loop time; 0: health() or a person resumes it */
  int64_t start_wait_ms; /* of a worker that was told so in create(); for its next start */
  struct worker *asked;  /* its health() was asked, and has not answered */
  uint64_t asked_at;     /* loop time */
  uv_timer_t restart, tick, open, health;
  struct backend_word word;
  uint64_t tick_at;  /* loop time; 0: the timer is off */
  uint32_t capacity; /* jobs that its service takes at a time; 0: not known */
  int open_handles;

  /* from HELLO */
  char *version, *device;
  char **kinds;
  char **offered;                 /* of `kinds`, those that it gets jobs of; NULL: all */
  struct declared_kind *declared; /* declared.c */
  size_t declared_count, declared_bytes;
  struct map declared_texts; /* SHA-256 of each text that was counted */
  bool declared_full;        /* one was not taken */
  char identity[SHA256_HEX_SIZE];
  char files[SHA256_HEX_SIZE]; /* those that its options name, when its workers were started */
  uint32_t flags, rights;      /* WIRE_REPEATABLE, ...; WIRE_NEEDS_... */
  uint32_t threads;            /* that one job keeps busy; 0: it does not say */
  uint32_t cancel_grace_ms;    /* that the plugin proposes; 0: it does not say */
  bool remote;
  int isolation; /* 0: not known yet */
  uint32_t max_concurrency;

  int jail; /* 1 + enum wire_jail_state; 0: not known yet */
  char jail_lacks[300];

  struct metric *m_ready, *m_running, *m_slots, *m_restarts;
  struct metric *m_parked, *m_parked_bytes, *m_park_hits;
};

#define PREVIEW_BURST  32
#define PROGRESS_BURST 512 /* messages of a step that pass at once; see step_frames.c */

enum worker_state { WORKER_LOADING, WORKER_CREATING, WORKER_READY, WORKER_STOPPED };

struct worker {
  struct list ring, dirty;
  struct backend *b;
  enum worker_state state;
  int generation;
  uint64_t kill_token;
  char why[300];
  pid_t pid;     /* our child, not reaped: nobody else's */
  uint64_t cell; /* its folders are <backend>-<cell>, and those that begin with it and a dot */
  int64_t park_hits;
  int64_t log_left; /* bytes of lines that belong to no step, for now; see step_frames.c */
  int64_t log_lost;
  uint64_t log_at; /* loop time of the last of them */
  int fd, pidfd;
  int log_fd;    /* reading end of the pipe that its stdout and stderr go into */
  int isolation; /* this and `remote` as it said in HELLO: the backend may have another plugin by
                    now */
  bool remote;
  bool retiring, stop_sent, writable_wanted;
  bool recalled;     /* RECALL was sent and not answered */
  bool killed;       /* by us: `why` says for what, kill_token for which step (0: for none) */
  bool broken;       /* it broke the protocol: nothing of what it says is heard any more */
  bool used;         /* it was sent a step */
  bool refused;      /* it said itself why it cannot start */
  bool hears_output; /* we read it, not the worker; see worker_output.c */
  struct buf said;   /* of its output: the line that has not ended yet */
  uv_poll_t socket, exit, output;
  int open_handles;
  struct wire_board *board;
  struct wire_input in;
  struct buf out;
  struct list steps; /* in the order in which they were sent */
  struct table by_token;
  size_t count, died_with;                /* of the steps; what it had when it ended */
  uint64_t heard_at, started_at, stop_at; /* loop time, ms */
};

struct workers_step {
  struct list ring;
  struct table_node by_token; /* while it is with a worker */
  struct backend *b;
  struct worker *worker; /* NULL: pending or doomed */
  void *owner;
  uint64_t token;
  struct wire_limits limits;
  struct buf frame; /* the STEP, as it is sent; a remote one's is given back then */
  enum step_go go;
  int cancel_class;  /* 0, or the class it shall end with */
  uint64_t began_at; /* loop time; 0: not begun (PROCESS: not the first) */
  uint64_t kill_at;  /* loop time; 0: never */
  bool begun;        /* FORK: a child was forked for it */
  bool asking;       /* its reference is on its way to the disk */
  bool log_cut;
  int64_t log_bytes; /* that came */
  struct allowance progress, facts, notes, previews;
  enum step_class doom; /* of a doomed one */
  char *doom_text;
  bool unproven;     /* counts in the backend's */
  bool open, inside; /* likewise: as in step_result */
};

/* ---- backend_list.c ---- */
void workers_touch(struct workers *w); /* something is to be done at the end of the turn */

/* ---- backend_end.c ---- */
/* Called whenever something that is waited for is gone. */
void workers_maybe_stopped(struct workers *w);
void backend_close(struct backend *b); /* its last worker is gone and it was removed */

/* ---- backend_options.c ---- */
void backend_copy_options(struct backend *b, const struct backend_options *o); /* -> b->o */
void backend_free_options(struct backend_options *o);

/* ---- backend_facts.c ---- */
#define BATCH_MAX 64 /* steps that are sent ahead */
int backend_depth(const struct backend *b);
bool backend_is_ready(const struct worker *k); /* takes steps */
int backend_ready_workers(const struct backend *b);
void backend_want_tick(struct backend *b, uint64_t at);

/* ---- client_text.c: what workers say, as it leaves the room ---- */
/* The text without the paths of this machine; NULL for NULL.  The caller frees it. */
char *client_text(const struct workers *w, const char *text);
/* Why the backend is not ready: the one place that sets b->message. */
void backend_say(struct backend *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- departed.c: backends that did something, and went ---- */
void departed_note(const struct backend *b); /* it was removed, or failed */
void departed_free(struct workers *w);

/* ---- identity.c ---- */
/* Changes when a file that an option names is another one, or is written anew. */
void backend_named_files(const struct backend_options *o, char key[SHA256_HEX_SIZE]);
/* Of a worker that is ready; `libraries`: the digest of its code. */
void backend_identify(struct backend *b, const char *libraries);

/* ---- backend.c ---- */
void backend_fill(struct backend *b); /* starts the workers that are missing */
void backend_worker_ready(struct worker *k, const char *libraries);
void backend_worker_gone(struct worker *k,
                         bool was_ready); /* it is out of the list; starts another, or not */
void backend_refused(struct backend *b, bool again, const char *text);
void backend_hello(struct backend *b, const struct wire_hello *m);
void backend_set_kinds(struct backend *b, const char **kinds, size_t count);

/* declared.c: the message KIND; a worker that is ready, whose READY was taken. */
int declared_take(struct worker *k, const struct wire_frame *f, struct err *err);
void offered_set(struct backend *b); /* its kinds are others, or one differs */
void declared_ready(struct backend *b);
void declared_tell(struct workers *w); /* at the end of a turn */
void backend_jailed(struct backend *b, enum wire_jail_state state, const char *lacks);
void backend_update(struct backend *b); /* state, metrics, `changed` */
void backend_retire(struct worker *k);

/* ---- allowance.c ---- */
/* Takes one of `burst`, of which one more is there each every_ms.  False: none is left. */
bool allowance_take(struct allowance *a, uint64_t now, int burst, uint64_t every_ms);

/* ---- backend_word.c: what a plugin says of its backend ---- */
void word_take(struct worker *k, const struct wire_backend *m);

/* ---- pause.c: what a service says of all jobs ---- */
void pause_told(struct backend *b, const struct wire_backend *m); /* BACKEND, see backend_word.c */
void pause_heard(struct worker *k, struct workers_step *s, const struct wire_done *m); /* its end */
void pause_begins(struct workers_step *s); /* it may be told to wait */
void pause_served(struct workers_step *s); /* it was not: submitted, or over */
void pause_over(struct workers_step *s);   /* nobody knows */
int pause_room(const struct backend *b, int room);
void pause_clear(struct backend *b); /* all is forgotten; a paused one goes on */
void pause_end(struct backend *b);   /* it goes on; its time has come, or it is well */

/* ---- health.c: asking the plugin ---- */
void health_arm(struct backend *b); /* after any change of its state: asks in time, or not */
void health_answered(const struct worker *k); /* or it is dead */

/* ---- frames.c: what workers say ---- */
/* Hears what is there, or as much of it as one turn has time for.  False: the other end is closed,
 * or broke the protocol. */
bool worker_read(struct worker *k);

/* ---- orphans.c ---- */
void orphans_adopt(struct workers *w); /* as the process begins */
/* Ends those children of this process that are not workers. */
void orphans_end(struct workers *w);

/* ---- worker.c: one process and its socket ---- */
/* What worker.c tells those above it; worker_hooks.c has the table. */
struct worker_hooks {
  void (*started)(struct worker *k);
  bool (*read)(struct worker *k); /* there is something on its socket; as worker_read() */
  void (*killed)(struct worker *k);
  void (*dead)(struct worker *k, int signal, int exit_code); /* its state is the last that it had */
  void (*gone)(struct worker *k, bool was_ready);            /* it is in no list any more */
};
extern const struct worker_hooks worker_hooks;
int worker_start(struct backend *b, struct err *err);
/* Marks its buffer as to be written. */
struct buf *worker_out(struct worker *k);
void worker_write(struct worker *k);
void worker_kill(struct worker *k, uint64_t token, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- worker_output.c: its stdout and stderr ---- */
void worker_output_begin(struct worker *k); /* watches log_fd */
void worker_output_ready(
    struct worker *k); /* before it gets its first step: the worker reads from now on */
void worker_output_last(struct worker *k); /* it is dead */

/* ---- blame.c: the worker is dead ---- */
/* What becomes of its steps.  signal, exit_code: how it ended. */
void steps_settle(struct worker *k, int signal, int exit_code);

/* ---- steps.c ---- */
/* It is over, and is told so at the end of the turn: callers are not called back at once. */
void steps_doom(struct workers_step *s, enum step_class class, const char *text);
/* True when somebody was told something, so that there may be more to do. */
bool steps_dispatch(struct backend *b);
void steps_tell_doomed(struct backend *b);
void steps_tick(struct backend *b);
/* Whole lines of a step, or of the backend when token is 0. */
void steps_log(struct worker *k, uint64_t token, const char *text, size_t len);
/* A line about bytes of its log that are left out, where there are such: also the dead get theirs.
 */
void steps_tell_lost(struct worker *k);
/* Its folder, where a step of this worker leaves it for the daemon; `path` has PATH_MAX bytes. */
void steps_folder(const struct worker *k, uint64_t token, char *path);
void steps_lose_pending(struct backend *b);
void steps_drop_all(struct backend *b); /* workers_free: nobody is told */
/* PROCESS: the first of its steps is running now. */
void steps_head(struct worker *k);

/* ---- step_frames.c: what workers say of steps; 0, or a negative code: the protocol was broken ---- */
int steps_take_done(struct worker *k, const struct wire_frame *f, struct err *err);
int steps_take_began(struct worker *k, const struct wire_frame *f, struct err *err);
int steps_take_progress(struct worker *k, const struct wire_frame *f, struct err *err);
int steps_take_fact(struct worker *k, const struct wire_frame *f, struct err *err);
int steps_take_preview(struct worker *k, const struct wire_frame *f, struct err *err);
int steps_take_log(struct worker *k, const struct wire_frame *f, struct err *err);
int steps_take_note(struct worker *k, const struct wire_frame *f, struct err *err);
int steps_take_checkpoint(struct worker *k, const struct wire_frame *f, struct err *err);
int steps_take_recalled(struct worker *k, const struct wire_frame *f, struct err *err);
/* Takes it out of its worker or of `pending`. */
void steps_unlink(struct workers_step *s);
/* The one place that says `done` for a step that is in no list any more. */
void steps_tell(struct workers_step *s, const struct step_result *r);

#endif
