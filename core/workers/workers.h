/* SPDX-License-Identifier: MIT
 *
 * Worker processes: spawn, warm, feed, watch, limit and kill.  Knows nothing of
 * the queue or the store; it is told to run steps and says what became of them.
 * Everything here is for the loop thread.
 *
 * The life of a backend:
 *
 *   starting --hello, ready--> ready --config changed / removed--> stopping -> gone
 *      |  ^                      |
 *      |  +----- back-off -------+  worker died
 *      |                         +--STEP_AUTH, STEP_QUOTA, the plugin's word--> paused
 *      |                              paused --its time, health(), a person--> ready, or starting
 *      +--> failed (refused: wrong ABI, bad configuration; not tried again before a reload,
 *                   or "restarting" with back-off after crashes)
 *
 * The life of a step (one attempt of one job):
 *
 *   workers_run -> [sent] -> progress*, log* -> done(result)       exactly one `done` per step
 *
 * A backend with isolation FORK has one worker (the zygote) and a child per step; PROCESS has up to
 * `slots` workers, each doing one step at a time (several short steps may be sent ahead in a
 * batch); SHARED has one worker for all.
 */
#ifndef WORKERS_WORKERS_H
#define WORKERS_WORKERS_H

#include "base/err.h"
#include "observe/metrics.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct workers;
struct backend;

/* Classes of a step's result; those of lathe/plugin.h, and what the host itself finds. */
enum step_class {
  STEP_OK,
  STEP_BAD_INPUT,
  STEP_CANCELLED,
  STEP_RETRY, /* also: rate limit, out of memory */
  STEP_PERMANENT,
  STEP_AUTH,    /* the credential is refused: the backend is paused */
  STEP_CRASHED, /* the process ended by a signal or exit */
  STEP_TIMEOUT, /* wall time */
  STEP_LIMIT,   /* CPU time, address space, output size */
  STEP_LOST,    /* never begun: the worker died before it reached this step.  Costs no attempt.
                   Of a remote step: its worker died, and the step goes on with another */
  STEP_QUOTA,   /* quota, credit or budget is used up: the backend is paused */
};

/* Codes of a STEP_RETRY, as LATHE_RETRY* of lathe/plugin.h: any, about the rate of requests, short
 * of memory, over without a result, a program crashed, the service was not reached. */
enum {
  STEP_CODE_RETRY = 3000,
  STEP_CODE_RATE = 3100,
  STEP_CODE_MEM = 3200,
  STEP_CODE_ANEW = 3300,
  STEP_CODE_CRASH = 3400,
  STEP_CODE_DOWN = 3500
};

/* Where a step begins: run(), or that call of a remote plugin (lathe/plugin.h's struct
 * lathe_remote). */
enum step_go { STEP_RUN, STEP_SUBMIT, STEP_FIND, STEP_POLL };

struct step_limits { /* 0: none */
  int64_t wall_ms, cpu_ms;
  int64_t memory, output_bytes, log_bytes; /* bytes */
};

struct step_input {
  const char *name; /* plain file name; appears as <workdir>/in/<name> */
  const char *path; /* absolute path of the blob */
};

struct step {  /* copied by workers_run, but for `owner` */
  void *owner; /* given back in the events */
  const char *job_id, *kind, *idem_key;
  const char *spec_json; /* {"params": {...}, "inputs": [{name, bytes, sha256}]} */
  int attempt;
  struct step_limits limits;
  const struct step_input *inputs;
  size_t input_count;
  enum step_go go;  /* not STEP_RUN for a remote backend */
  const char *ref;  /* of STEP_POLL, as text */
  const char *note; /* likewise; NULL: none */
  int threads;      /* set aside for the job; 0: as one */
  /* A process that this step leaves behind goes on only with a step of the same text; NULL: none is
   * left. */
  const char *park_scope;
};

struct step_artifact {
  const char *name, *media_type,
      *path; /* path: absolute, in the work folder; storage looks at it.  NULL: it is at the URL */
  const char *url, *sha256;  /* sha256: of a URL, as the plugin says; NULL: not known */
  int64_t bytes, expires_us; /* likewise; bytes -1: not known; expires_us 0: never */
};

struct step_result {
  enum step_class class;
  int32_t code;            /* the plugin's own result */
  const char *message;     /* for people: what, where, what to do; NULL when OK */
  int64_t retry_after_ms;  /* 0: not given */
  const char *result_json; /* content of the artifact result.json (at most 256 KiB), or NULL */
  const struct step_artifact *artifacts;
  size_t artifact_count;
  const char *workdir; /* absolute; storage may move artifacts out of it.  NULL: none was made */
  bool open;  /* of a remote step that failed or was lost: what it submitted may still be there */
  int cancel; /* of a remote step that was stopped: enum wire_cancel_end, what became of it there */
  bool inside; /* STEP_LOST: it was inside the plugin, so it may be what ended the worker */
  const char *error_code, *request_id; /* of a failure, for programs; NULL: not given */
};

enum backend_state {
  BACKEND_STARTING,
  BACKEND_READY,
  BACKEND_RESTARTING,
  BACKEND_FAILED,
  BACKEND_PAUSED, /* takes no new jobs, see backend_reason; a time, health() or a person ends it */
  BACKEND_STOPPING
};
const char *backend_state_word(enum backend_state s);

struct workers_events {
  /* The state, kinds or free slots of a backend changed: the queue may look again. */
  void (*changed)(void *ctx, struct backend *b);
  void (*progress)(void *ctx, void *owner, int permille, const char *what, int64_t current,
                   int64_t total);
  void (*log)(void *ctx, void *owner, const char *text,
              size_t len); /* whole lines, UTF-8 made valid */
  /* A fact of the attempt; `value` is JSON.  weak: found by the host, so it does not replace one
   * that there is. */
  void (*fact)(void *ctx, void *owner, const char *key, const char *value, bool weak);
  /* A provisional artifact: `len` bytes at `data`, or NULL and a URL.  It has no path. */
  void (*preview)(void *ctx, void *owner, const struct step_artifact *a, const char *data,
                  size_t len);
  /* A remote step's reference: to be answered by workers_checkpointed() once it is on disk. */
  void (*checkpoint)(void *ctx, void *owner, const char *ref);
  /* What it keeps beside that; lazily: it comes so often that it need not go to the disk. */
  void (*note)(void *ctx, void *owner, const char *note, bool lazily);
  /* The step is over.  The work folder may be used until workers_release_workdir(). */
  void (*done)(void *ctx, void *owner, const struct step_result *result);
  void *ctx;
};

struct workers_options {
  const char *worker_program; /* absolute path of lathe-worker */
  const char *work_root;      /* absolute; storage_work_root() */
  const char *const *env;     /* as `more` of env_for_others() */
  struct workers_events events;
  struct metrics *metrics;
  int64_t return_ms; /* how long one that went may be on its way back; 0: a minute */
  /* What backends declare (backend_declares) is another now; before `changed` of the same turn,
   * but after a pause where it takes long.  Or NULL. */
  void (*declared)(void *ctx);
  void *declared_ctx;
};
struct workers *workers_new(uv_loop_t *loop, const struct workers_options *options);
/* Kills what is left and frees; calls `stopped` when the last process was reaped.  No event comes
 * from here on, also not for steps that were under way. */
void workers_free(struct workers *w, void (*stopped)(void *arg), void *arg);

struct backend_option {
  const char *key, *value;
  const char *where; /* "lathe.ini:12", for messages */
};
/* Whose jobs may go on in a process that a job left parked. */
enum backend_park_share { BACKEND_PARK_CLIENT, BACKEND_PARK_ALL };
enum backend_jail { BACKEND_JAIL_AUTO, BACKEND_JAIL_REQUIRED, BACKEND_JAIL_OFF };
struct backend_options { /* copied */
  const char *name;
  const char *plugin_path; /* absolute path of the .so; as the admin named it when there is none */
  const char *missing;     /* why there is none: the backend is `failed` with it.  NULL: there is */
  int slots;               /* steps at a time */
  int nice;
  enum backend_jail jail;
  const char *limit_group;      /* of backends that share a limit of the rate; NULL or "": alone */
  int64_t park_memory, park_ms; /* of processes that wait for another job on their input */
  enum backend_park_share park_share;
  int job_processes; /* and threads of a jailed job; 0: no limit */
  int64_t ready_timeout_ms, heartbeat_timeout_ms;
  int64_t cancel_grace_ms; /* PROCESS: the most that a step may take that is to end, before its
                              process is killed; 0: as the plugin says */
  int64_t restart_backoff_ms, restart_backoff_max_ms;
  int64_t health_ms; /* how often the plugin's health() is asked while all is well; 0: not then */
  const struct backend_option *options; /* the plugin's own */
  size_t option_count;
};

/* Starts warming at once. */
struct backend *workers_add(struct workers *w, const struct backend_options *o);
/* Applies new options, and lets one that is paused go on: slots at once; anything that a running
 * process cannot take by starting new workers and letting the old ones finish their steps. */
void workers_change(struct backend *b, const struct backend_options *o);
/* New workers for all backends, as after a change; the old ones finish their steps.  For folders
 * under work_root that are gone: a worker keeps some for its whole life. */
void workers_renew(struct workers *w);
/* Finishes running steps, takes no more, then the backend is gone: workers_find and workers_next
 * skip it from now on, and the pointer is good until its last `done`. */
void workers_remove(struct backend *b);

/* ---- what a backend is ---- */
const char *backend_name(const struct backend *b);
enum backend_state backend_state(const struct backend *b);
/* Why it is not ready; NULL when it is.  Like all texts of a worker that leave this room, it holds
 * no path of this machine. */
const char *backend_message(const struct backend *b);
const char *backend_limited(const struct backend *b); /* what limits it though ready, or NULL */
/* Why it is paused or limited, as a word: "credential", "quota", "plugin", "health", "rate"; NULL: it
 * is not. */
const char *backend_reason(const struct backend *b);
/* May jobs that it has already be asked about?  It is ready, or paused for new jobs alone. */
bool backend_goes_on(const struct backend *b);
/* A person says that it is well again: what was paused or slowed goes on.  False: nothing was. */
bool workers_resume(struct backend *b);
/* A person wants its workers now: what waits to be started again starts at once, and one that has
 * failed is tried once more.  One that is paused stays so. */
void workers_warm(struct backend *b);
/* When it goes on by itself (wall clock, us): one that is paused, or one whose service limits the
 * rate; 0: it does now, or never. */
int64_t backend_resumes_us(const struct backend *b);
const char *backend_plugin(const struct backend *b);         /* path */
const char *backend_plugin_version(const struct backend *b); /* NULL before hello */
const char *backend_device(const struct backend *b);
/* The same inputs and parameters give a result as good (lathe/plugin.h's LATHE_REPEATABLE). */
bool backend_is_repeatable(const struct backend *b);
/* Digest of what its results depend on besides the job; NULL before one is ready, and where a
 * repeat may give another result.  Of the worker that was ready last: ask when a step is handed
 * over. */
const char *backend_identity(const struct backend *b);
/* May its jobs leave processes for later ones?  *share: for whose. */
bool backend_parks(const struct backend *b, enum backend_park_share *share);
/* It works by submit, find, poll, fetch and cancel, elsewhere. */
bool backend_is_remote(const struct backend *b);
const char *backend_isolation(const struct backend *b); /* "fork", "process", "shared" */
/* What its jobs need, and so are not locked out of. */
enum { BACKEND_NEEDS_NETWORK = 1, BACKEND_NEEDS_FILES = 2, BACKEND_NEEDS_DEVICES = 4 };
uint32_t backend_rights(const struct backend *b);
/* How many threads one of its jobs keeps busy, as the plugin says; 0: it does not. */
int backend_threads(const struct backend *b);
/* "whole": files and network are locked; "partial": one of them is open, because the plugin needs
 * it or the kernel lacks something (see the next); "none"; NULL: not known. */
const char *backend_jail(const struct backend *b);
const char *backend_jail_lacks(const struct backend *b);   /* a sentence; NULL: nothing */
const char *const *backend_kinds(const struct backend *b); /* NULL-terminated; empty: not known */
/* The whole text of a kind that it does, as its plugin declared it, not looked at; NULL: it is the
 * admin's to declare. */
const char *backend_declares(const struct backend *b, const char *kind);
/* What counts here as this kind is not what its plugin declares.  One that says LATHE_SAME_KINDS gets no
 * jobs of it then. */
void backend_kind_differs(struct backend *b, const char *kind, bool differs);
/* Those of its kinds that it gets jobs of; NULL-terminated; empty: not known. */
const char *const *backend_offers(const struct backend *b);
/* Has its plugin declared more than is kept, so that a kind may lack its text? */
bool backend_kinds_full(const struct backend *b);
bool backend_does(const struct backend *b, const char *kind);
int backend_slots(const struct backend *b);
int backend_running(const struct backend *b);
/* Steps that may be handed over now.  For PROCESS workers whose steps are short this is more than
 * the idle slots, so that a batch travels in one write. */
int backend_room(const struct backend *b);
int backend_restarts(const struct backend *b);
struct backend *workers_find(const struct workers *w, const char *name);
struct backend *workers_next(const struct workers *w,
                             const struct backend *previous); /* NULL: first */
/* Names of backends that went a moment ago (return_ms), with the kinds that they did
 * (NULL-terminated): they were removed, or failed.  An admin who reloads may be about to bring them
 * back.  *pos is 0 before the first; NULL: no more. */
const char *workers_next_gone(const struct workers *w, size_t *pos, const char *const **kinds);

/* ---- steps ---- */
/* Hands a step over; sent with others at the end of the loop's turn.  Never fails at once: what
 * goes wrong comes as `done`.  The caller keeps backend_room() in mind. */
struct workers_step *workers_run(struct backend *b, const struct step *step);
/* Asks once.  A forked child is killed (SIGKILL) at once, with all that it started; a resident
 * process is told, and killed if the step still runs after the grace that its plugin proposes; a shared worker is told
 * and killed past a grace of 2 s.  A remote step's worker tells the remote first, and is not
 * killed: it has other jobs, and limits its calls itself.  `done` comes with STEP_CANCELLED, unless
 * it had just ended; never from inside this call. */
void workers_cancel(struct workers_step *s);
/* The reference that events.checkpoint told is on disk (0), or is not. */
void workers_checkpointed(struct workers_step *s, int code);
/* After `done`: the work folder may go (its path is removed on the thread pool, or reused). */
void workers_release_workdir(struct workers *w, const char *workdir);

#endif
