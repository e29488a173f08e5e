/* SPDX-License-Identifier: MIT
 *
 * The messages between daemon and worker.
 *
 *   worker                         daemon
 *     HELLO  ----------------------->     what the plugin is; or REFUSED, and the worker ends
 *            <-----------------------  CONFIG
 *     JAIL   ----------------------->     how jobs are locked in
 *     KIND*  ----------------------->     a kind that it declares (also after READY) or withdraws
 *     READY  ----------------------->     create() is done, and which kinds it declared; or REFUSED
 *            <-----------------------  STEP*, CANCEL, RECALL
 *     BEGAN? (PROGRESS FACT PREVIEW LOG)* DONE     exactly one DONE per STEP that was not recalled
 *     NOTE* ------------------------>     of a remote step: beside the reference
 *     CHECKPOINT* ------------------>     of a remote step: the reference ...
 *            <-----------------------  CHECKPOINTED        ... is on disk, or is not
 *     RECALLED --------------------->     the tokens given back; they get no DONE
 *     HEARTBEAT -------------------->     only while a step is under way
 *     BACKEND? CAPACITY? ----------->     how the backend is; how much its service takes
 *            <-----------------------  HEALTH?             is it well?  A BACKEND is the answer
 *            <-----------------------  RESUMED?            a person says that it is well
 *            <-----------------------  STOP
 *     REFUSED ---------------------->     after READY: it ends, another shall take its place
 *
 * Decoded strings point into the frame: they live as long as it does.  Decoding checks each text
 * and number (check.h); no message of a worker holds the number of a process or the path of a
 * folder: what the daemon does with either, it does by its own knowledge.
 */
#ifndef WIRE_MESSAGES_H
#define WIRE_MESSAGES_H

#include "wire/check.h"
#include "wire/frame.h"

#define WIRE_VERSION 6

#define WIRE_TYPE_TABLE(X)                                                                         \
  X(WIRE_HELLO, 1, "HELLO")                                                                        \
  X(WIRE_CONFIG, 2, "CONFIG")                                                                      \
  X(WIRE_READY, 3, "READY")                                                                        \
  X(WIRE_REFUSED, 4, "REFUSED") /* text; class: may be tried again? */                             \
  X(WIRE_STEP, 5, "STEP")                                                                          \
  X(WIRE_CANCEL, 6, "CANCEL")     /* token; the class that DONE shall have */                      \
  X(WIRE_RECALL, 7, "RECALL")     /* all steps not begun */                                        \
  X(WIRE_RECALLED, 8, "RECALLED") /* their tokens */                                               \
  X(WIRE_BEGAN, 9, "BEGAN")       /* token; a child was forked for it */                           \
  X(WIRE_PROGRESS, 10, "PROGRESS")                                                                 \
  X(WIRE_LOG, 11, "LOG") /* token 0: of the backend, not of a step */                              \
  X(WIRE_DONE, 12, "DONE")                                                                         \
  X(WIRE_HEARTBEAT, 13, "HEARTBEAT")                                                               \
  X(WIRE_STOP, 14, "STOP")                                                                         \
  X(WIRE_CHECKPOINT, 15, "CHECKPOINT")     /* token; the reference as text (wire/ref.h) */         \
  X(WIRE_CHECKPOINTED, 16, "CHECKPOINTED") /* token; 0, or a code: it is not on disk */            \
  X(WIRE_JAIL, 17, "JAIL")                 /* enum wire_jail_state; what the kernel lacks */       \
  X(WIRE_PARKED, 18, "PARKED")             /* how much is parked in the zygote */                  \
  X(WIRE_PARK, 19, "PARK")                 /* child to zygote: the key */                          \
  X(WIRE_RESUME, 20, "RESUME") /* child to zygote: the key; with a step: how many are parked */    \
  X(WIRE_FACT, 21, "FACT")     /* of the attempt: wire/fact.h */                                   \
  X(WIRE_BACKEND, 22, "BACKEND")                                                                   \
  X(WIRE_HEALTH, 23, "HEALTH")     /* health() is to be asked */                                   \
  X(WIRE_CAPACITY, 24, "CAPACITY") /* jobs at a time; 0: not known */                              \
  X(WIRE_RESUMED, 25, "RESUMED")   /* limits of the rate are forgotten */                          \
  X(WIRE_KIND, 26, "KIND")         /* one that the plugin declares or withdraws */                 \
  X(WIRE_NOTE, 27, "NOTE")         /* token; what a remote step keeps, as text (wire/ref.h) */     \
  X(WIRE_PREVIEW, 30, "PREVIEW")   /* wire/preview.h */

enum wire_type {
#define X(name, value, word) name = (value),
  WIRE_TYPE_TABLE(X)
#undef X
};
const char *wire_type_word(unsigned type);

/* The classes of a step's result; the same values as enum step_class of workers/workers.h. */
enum wire_class {
  WIRE_OK,
  WIRE_BAD_INPUT,
  WIRE_CANCELLED,
  WIRE_RETRY,
  WIRE_PERMANENT,
  WIRE_AUTH,
  WIRE_CRASHED,
  WIRE_TIMEOUT,
  WIRE_LIMIT,
  WIRE_LOST,
  WIRE_QUOTA,
  WIRE_CLASSES
};

/* lathe/plugin.h's isolation, as it travels. */
enum { WIRE_FORK = 100, WIRE_PROCESS = 200, WIRE_SHARED = 300 };
/* Its flags, and what its jobs need. */
enum { WIRE_REPEATABLE = 2, WIRE_HAS_HEALTH = 4, WIRE_SAME_KINDS = 8 };
enum { WIRE_NEEDS_NETWORK = 1, WIRE_NEEDS_FILES = 2, WIRE_NEEDS_DEVICES = 4 };

#define WIRE_INSIDE_MAX 64 /* calls of remote steps at a time */

/* The jail that a backend's configuration asks for, and the one that its jobs get. */
enum wire_jail_mode { WIRE_JAIL_AUTO, WIRE_JAIL_REQUIRED, WIRE_JAIL_OFF };
enum wire_jail_state { WIRE_JAIL_NONE, WIRE_JAIL_PARTIAL, WIRE_JAIL_WHOLE };

/* The limits that the kernel does not keep, so that a job is watched for them. */
enum wire_over {
  WIRE_OVER_NONE,
  WIRE_OVER_PROCESSES,
  WIRE_OVER_MEMORY,
  WIRE_OVER_OUTPUT,
  WIRE_OVER_CPU,
};

/* A page that daemon and worker share, so that the daemon knows what a dead worker was at, though
 * its last messages died with it.  The worker writes, the daemon reads; but for the last. */
struct wire_board {
  _Atomic uint64_t running; /* token of the step that is inside the plugin; 0: none */
  /* A remote plugin's worker: the steps that are inside a call, one a thread, and the one whose
   * thread ended the process (0: not known, as after SIGKILL). */
  _Atomic uint64_t inside[WIRE_INSIDE_MAX];
  _Atomic uint64_t crash_owner;
  _Atomic uint32_t over; /* enum wire_over: why its job was killed */
  _Atomic int64_t found; /* what was over the limit */
  /* By the daemon: CPU time of processes of the worker's group that became children of the daemon
   * and have ended. */
  _Atomic int64_t left_us;
};

struct wire_hello {
  uint32_t wire_version;
  const char *plugin, *version, *device;
  int32_t isolation;
  uint32_t max_concurrency;
  uint32_t flags, rights;   /* WIRE_REPEATABLE; WIRE_NEEDS_... */
  uint32_t threads;         /* that one job keeps busy; 0: it does not say */
  uint32_t cancel_grace_ms; /* PROCESS: that it proposes; 0: it does not say */
  const char **kinds;       /* array is the caller's to free; decoding only */
  size_t kind_count;
  bool remote; /* works by submit, find, poll, fetch, cancel */
};
void wire_put_hello(struct buf *out, const struct wire_hello *m);
int wire_get_hello(const struct wire_frame *f, struct wire_hello *m, struct err *err);
/* READY.  `libraries`: a digest of the code that it has loaded.  Kinds, where there are some, take
 * the place of HELLO's; *kinds is the caller's to free. */
void wire_put_ready(struct buf *out, const char *libraries, const char *const *kinds, size_t count);
int wire_get_ready(const struct wire_frame *f, const char **libraries, const char ***kinds,
                   size_t *count, struct err *err);

/* KIND: of one worker, in create() (before READY, whose list says which of them count) or later. */
struct wire_kind {
  const char *name;
  bool withdrawn;
  const char *json; /* the whole declaration; NULL: the admin has it, or it is withdrawn */
};
/* ERR_LIMIT or ERR_INVAL: it is not sent, for wire_get_kind() would not take it. */
int wire_put_kind(struct buf *out, const struct wire_kind *m, struct err *err);
int wire_get_kind(const struct wire_frame *f, struct wire_kind *m, struct err *err);

struct wire_setting {
  const char *key, *value, *where;
};
struct wire_config {
  const char *backend, *work_root;
  uint64_t cell; /* number of the folder that the worker may use, <work_root>/<backend>-<cell> */
  uint32_t slots, heartbeat_ms;
  int32_t nice;
  uint32_t jail;                 /* enum wire_jail_mode */
  uint32_t processes;            /* and threads, that a job may have at a time; 0: no limit */
  int64_t park_memory, park_ms;  /* 0: nothing is parked */
  struct wire_setting *settings; /* as hello.kinds */
  size_t setting_count;
  struct wire_setting *secrets; /* likewise; what a worker's options do not name it forgets */
  size_t secret_count;
};
int wire_put_config(struct buf *out, const struct wire_config *m, struct err *err);
int wire_get_config(const struct wire_frame *f, struct wire_config *m, struct err *err);

struct wire_limits { /* 0: none */
  int64_t wall_ms, cpu_ms, memory, output_bytes, log_bytes;
};
struct wire_input_file {
  const char *name, *path;
};
/* What became of the work elsewhere when it was cancelled, as lathe/plugin.h's cancel says. */
enum wire_cancel_end {
  WIRE_CANCEL_END_NONE, /* it was not, or there was nothing to cancel */
  WIRE_CANCEL_END_STOPPED,
  WIRE_CANCEL_END_TOO_LATE,
  WIRE_CANCEL_END_CHARGED,
  WIRE_CANCEL_END_UNKNOWN,
  WIRE_CANCEL_ENDS
};
/* Where a step begins: run(), or that call of a remote plugin. */
enum wire_go { WIRE_RUN, WIRE_SUBMIT, WIRE_FIND, WIRE_POLL, WIRE_GOES };
struct wire_step {
  const char *job_id, *kind, *idem_key, *spec_json; /* idem_key may be NULL */
  int32_t attempt;
  struct wire_limits limits;
  struct wire_input_file *inputs; /* as hello.kinds; NULL when there is none */
  size_t input_count;
  int32_t go;       /* enum wire_go */
  const char *ref;  /* of WIRE_POLL, as text (wire/ref.h); else NULL */
  const char *note; /* that it keeps beside it, likewise; NULL: none */
  uint32_t threads; /* set aside for the job, at least 1 */
  /* What a process may be parked for, and resumed by: the same client on the same inputs.  NULL: it
   * is not parked. */
  const char *park_scope;
};
/* ERR_LIMIT when it does not fit into a frame. */
int wire_put_step(struct buf *out, uint64_t token, const struct wire_step *m, struct err *err);
int wire_get_step(const struct wire_frame *f, struct wire_step *m, struct err *err);

struct wire_progress {
  int32_t permille;
  const char *what;
  int64_t current, total;
};
void wire_put_progress(struct buf *out, uint64_t token, const struct wire_progress *m);
int wire_get_progress(const struct wire_frame *f, struct wire_progress *m, struct err *err);

struct wire_artifact {
  const char *name, *media_type;
  const char *path; /* below the step's work folder; NULL: it lies at the URL */
  const char *url;
  int64_t bytes, expires_s; /* of a URL; bytes -1: not known; expires_s 0: never */
  const char *sha256;       /* of a URL; NULL: not known */
};
void wire_put_artifact(struct buf *out, const struct wire_artifact *a); /* inside of a message */
void wire_get_artifact(struct wire_reader *r, struct wire_artifact *a);

/* What a program may read of a failure, beside the text for people.  "": not given. */
struct wire_fault {
  char code[WIRE_CODE_MAX + 1], request_id[WIRE_REQUEST_ID_MAX + 1];
};
/* Makes them fit; either may be NULL. */
void wire_fault_set(struct wire_fault *f, const char *code, const char *request_id);

struct wire_done {
  int32_t class; /* enum wire_class */
  int32_t code;  /* the plugin's own */
  int64_t retry_after_ms, run_us;
  const char *message, *result_json; /* NULL: none */
  bool folder;                       /* the step's work folder lies where the daemon looks for it */
  struct wire_artifact *artifacts;   /* as hello.kinds */
  size_t artifact_count;
  bool open;      /* remote, and not OK: what was submitted may still be there */
  int32_t cancel; /* enum wire_cancel_end */
  const char *error_code, *request_id; /* of a failure; NULL: not given */
};
int wire_put_done(struct buf *out, uint64_t token, const struct wire_done *m, struct err *err);
int wire_get_done(const struct wire_frame *f, struct wire_done *m, struct err *err);

/* What a worker says of its backend, whatever job told it: the states of lathe/plugin.h, and by whom.
 * WIRE_BY_START: create() or ready() would not go on, and REFUSED follows. */
enum wire_backend_state { WIRE_WELL, WIRE_SLOWED, WIRE_PAUSED };
enum wire_backend_cause { WIRE_BY_PLUGIN, WIRE_BY_HEALTH, WIRE_BY_START, WIRE_CAUSES };
struct wire_backend {
  int32_t state, cause;
  int32_t class;  /* WIRE_AUTH, WIRE_QUOTA: why it is paused; else WIRE_OK */
  int64_t for_ms; /* 0: until something says otherwise */
  const char *why;
};
void wire_put_backend(struct buf *out, const struct wire_backend *m);
int wire_get_backend(const struct wire_frame *f, struct wire_backend *m, struct err *err);

/* Messages of one value or text. */
void wire_put_bare(struct buf *out, uint16_t type, uint64_t token);
void wire_put_value(struct buf *out, uint16_t type, uint64_t token, int64_t value);
int wire_get_value(const struct wire_frame *f, int64_t *value, struct err *err);
void wire_put_refused(struct buf *out, bool again, const char *text);
int wire_get_refused(const struct wire_frame *f, bool *again, const char **text, struct err *err);
void wire_put_jail(struct buf *out, enum wire_jail_state state, const char *lacks);
int wire_get_jail(const struct wire_frame *f, enum wire_jail_state *state, const char **lacks,
                  struct err *err);
/* Processes that wait, with an input read, for another job on it. */
struct wire_parked {
  int64_t count, bytes, hits;
};
void wire_put_parked(struct buf *out, const struct wire_parked *m);
int wire_get_parked(const struct wire_frame *f, struct wire_parked *m, struct err *err);
void wire_put_log(struct buf *out, uint64_t token, int32_t level, const char *text, size_t len);
int wire_get_log(const struct wire_frame *f, int32_t *level, const char **text, size_t *len,
                 struct err *err);
void wire_put_note(struct buf *out, uint64_t token, const char *note);
int wire_get_note(const struct wire_frame *f, const char **note, struct err *err);
void wire_put_checkpoint(struct buf *out, uint64_t token, const char *ref);
int wire_get_checkpoint(const struct wire_frame *f, const char **ref, struct err *err);
void wire_put_recalled(struct buf *out, const uint64_t *tokens, size_t count);
/* *tokens is the caller's to free. */
int wire_get_recalled(const struct wire_frame *f, uint64_t **tokens, size_t *count,
                      struct err *err);

#endif
