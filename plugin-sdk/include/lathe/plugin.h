/* SPDX-License-Identifier: MIT
 *
 * lathe/plugin.h: the ABI between a worker host (lathe-worker) and a plugin.
 * It compiles as C11 and C++17.
 *
 * A plugin links to nothing of ours: it exports one function and reaches the
 * host through a table.  Structures grow at the end only; read a field newer
 * than 1.0 with LATHE_HAS.  Enums cross as int32_t.  Strings are UTF-8, owned by
 * whoever made them, and outlive the call.  Nobody allocates, or copies by its
 * own sizeof, a structure of the other side; nobody frees the other's memory.
 */
#ifndef LATHE_PLUGIN_H
#define LATHE_PLUGIN_H
#include <stddef.h>
#include <stdint.h>

/* columns are set by hand */
/* clang-format off */
#define LATHE_MAGIC     0x4c544831u /* "LTH1" */
#define LATHE_ABI_MAJOR 1           /* is in the entry symbol's name */
#define LATHE_ABI_MINOR 0           /* one more for each batch of appended fields */
/* Does the other side know field f of *p?  It may still be 0 or NULL: LATHE_CAN is for what is called. */
#define LATHE_HAS(p, f) ((p)->struct_size >= offsetof(__typeof__(*(p)), f) + sizeof((p)->f))
#define LATHE_CAN(p, f) (LATHE_HAS(p, f) && (p)->f)

/* Results.  The thousand is the class, and is all a host must know; an
 * unknown class counts as permanent, so that no paid job is sent twice.
 * Scope: those marked [B] are about the backend, not about the job.  The job keeps its attempt and its
 * reference, no attempt is counted, and the backend is slowed or paused: until the time of retry_after(),
 * and where none was given until the host finds that it is well again, or a person says so. */
#define LATHE_OK             0
#define LATHE_PENDING        1      /* poll: still running there; ready, health: not yet */
#define LATHE_NOT_FOUND      2      /* find: nothing was begun under this key; secret: there is none */
#define LATHE_TOO_LATE       3      /* cancel: the work had ended there before */
#define LATHE_CHARGED        4      /* cancel: it stops, or will end unused; it is paid for all the same */
#define LATHE_BAD_INPUT   1000      /* the job is wrong; say where */
#define LATHE_CANCELLED   2000
#define LATHE_RETRY       3000      /* same job, later */
#define LATHE_RETRY_RATE  3100      /* [B] 429, or 503 with a time: slows the backend */
#define LATHE_RETRY_MEM   3200      /* out of host or device memory: retry alone */
#define LATHE_RETRY_ANEW  3300      /* remote: what was submitted is over or gone there without a
                                       result; the job may be submitted again, under a new key */
#define LATHE_RETRY_CRASH 3400      /* a program that did the job for the plugin crashed */
#define LATHE_RETRY_DOWN  3500      /* the service was not reached, or failed by its own fault (5xx) */
#define LATHE_PERMANENT   4000
#define LATHE_AUTH        4100      /* [B] the credential is refused: pauses the backend */
#define LATHE_TIMEOUT     4200      /* no time is left: deadline_ms nears, or a time that the job set is over */
#define LATHE_QUOTA       4300      /* [B] quota, credit or budget is used up: pauses the backend */

/* Flags of a plugin.  Bits 0 to 15 may be ignored by a host that does not know them. */
#define LATHE_REPEATABLE   0x2u     /* the same inputs, parameters and plugin version give a result as good:
                                       the host may answer a repeat from an earlier result */
#define LATHE_SAME_KINDS   0x8u     /* it gets jobs of a kind that it declares only where the kind is declared alike
                                       here, words for people apart: parameters are checked by both */

/* Rights: what a job needs besides its work folder, system files (libraries, fonts, time zones) and the
 * paths of the plugin's LATHE_PATH options.  What is not asked for is locked, as far as the kernel can.
 * Bits 16 to 31: the plugin is refused by a host that does not know them. */
#define LATHE_NEEDS_NETWORK 0x1u    /* sockets of every sort */
#define LATHE_NEEDS_FILES   0x2u    /* all that the service's user may read and write */
#define LATHE_NEEDS_DEVICES 0x4u    /* device nodes: a GPU */

/* States that a plugin tells of its backend, with backend_state(). */
#define LATHE_BACKEND_WELL   0
#define LATHE_BACKEND_SLOWED 1      /* it takes less: a limit of the rate */
#define LATHE_BACKEND_PAUSED 2      /* it takes nothing: credential, quota, maintenance */

/* Flags of an artifact. */
#define LATHE_PROVISIONAL  0x1u     /* shown while the job runs; a later one of this name takes its place */

/* How jobs are kept apart.  Gaps leave room. */
#define LATHE_FORK         100      /* each job in a child forked after create(): no
                                       threads and no device contexts before the fork */
#define LATHE_PROCESS      200      /* a resident process, one job at a time */
#define LATHE_SHARED       300      /* one resident process, calls on any thread */

#define LATHE_INT 1
#define LATHE_REAL 2
#define LATHE_BOOL 3
#define LATHE_STRING 4
#define LATHE_ENUM 5                /* choices in "range": "fast|fine" */
#define LATHE_BYTES 6               /* "64M" */
#define LATHE_MILLIS 7              /* "30s" */
#define LATHE_SECRET 8              /* the name of a secret, never its value */
#define LATHE_PATH 9                /* an absolute file or folder; readable from the jail */

/* An option is one key of the backend's [backend NAME] section.  The host checks what the admin wrote
 * against type and range before create(), and refuses unknown and missing keys.  config() then gives
 * the plain form: LATHE_BYTES in bytes and LATHE_MILLIS in milliseconds as decimal numbers, LATHE_BOOL
 * as "1" or "0", the rest as written.  A range is "1..64" (either end may be left out), and is in
 * plain units too.  An empty fallback means "not set" and is not checked. */
struct lathe_option {               /* reached by pointer, so arrays have no stride */
  uint32_t struct_size;
  int32_t type;
  const char *key, *fallback;    /* fallback NULL: the key is required */
  const char *range, *help;      /* range: "1..64", or NULL */
};

struct lathe_job;                   /* the host's; pass it back, look not inside */
/* spec: {"params": {...}, "inputs": [{"name": ..., "role": ..., "bytes": ..., "sha256": ...}]}, every declared parameter
 * filled in, and "traceparent": ... where the client's request had one (W3C Trace Context).  In a remote step also
 * "via": [...], the ids of the daemons that the job has passed, this one last: a plugin that hands the job to another
 * lathed sends them as its header Lathe-Via ("id, id"); and "no_cache": true where the client wants no
 * earlier result, also none that the far side keeps (to another lathed: Cache-Control: no-cache).
 * More members may come.  Inputs are at
 * workdir/in/<name>: read them, never write them (they are hard links to the daemon's own copies).
 * What is left in workdir when run() returns is removed, but for artifacts. */
struct lathe_request {              /* read-only, valid until the call returns */
  uint32_t struct_size;
  uint32_t attempt;              /* 1, 2, ... */
  const char *id, *kind;
  const char *idem_key;          /* names one submission: the same on every attempt that may repeat
                                    it; send it to the remote.  0-9 A-Z and '-', at most 38 */
  const char *spec;              /* JSON, already checked against the kind */
  const char *workdir;           /* private, absolute; inputs lie in workdir/in.  Remote: NULL in
                                    find, poll and cancel */
  int64_t deadline_ms;           /* CLOCK_MONOTONIC, 0 for none; in cancel(): that of the cancel */
  const void *note;              /* remote: what note() kept last; NULL: nothing */
  size_t note_len;
  uint32_t threads, zero;        /* that the host has set aside for this job, at least 1 */
  int64_t memory_bytes;          /* likewise; 0: no limit */
};

/* An output.  Exactly one of relpath, data and url is set. */
struct lathe_artifact {             /* the plugin's; read during the call */
  uint32_t struct_size;
  uint32_t flags;                /* LATHE_PROVISIONAL, or 0 */
  const char *name, *media_type; /* a plain file name */
  const char *relpath;           /* a finished file in workdir */
  const void *data;              /* bytes, copied: at most 64 MiB */
  size_t len;
  const char *url;               /* http(s): it stays there, and clients are sent to it */
  int64_t bytes;                 /* url: its size; -1: not known */
  int64_t expires_s;             /* url: seconds since the epoch; 0: never */
  const char *sha256;            /* url: 64 hexadecimal digits, or NULL */
};

/* What the host does for a plugin.  The table and its strings live as long as the process; a job
 * lives until the call that it was given to returns, and no thread may use it after that.  Texts
 * that are passed to these functions are copied before they return.
 *
 * config       the value of an option of the plugin's table, in its plain form; NULL for any other key.
 * log          a line (or lines) for people.  With a job: the job's log.  job NULL: the backend's log.
 *              level: 0 debug, 1 information, 2 warning, 3 error.  stdout and stderr are logged too,
 *              for the running job (FORK, PROCESS) or the backend (SHARED); bytes that are not UTF-8
 *              are replaced, and a job's log is cut at the admin's limit.
 * error        why the call is about to fail: what, where, what to do.  Copied (up to 999 bytes), the last
 *              one counts.  In create(), ready() and health(): job NULL.
 * error_code   beside error(): a word for programs (a-z 0-9 . _ -, at most 64; the service's own where it has
 *              one) and the service's id of the request (at most 128 printable bytes); each may be NULL.
 * retry_after  with a LATHE_RETRY* result or one about the backend: not before so many milliseconds.
 * progress     0 to 1000, and the stage that runs now; "faces 12/300" gives the stage "faces" and its
 *              counts; NULL: none.  A flood is thinned to one in 20 ms after the first 256; the last is never lost.
 * cancelled    not 0: return LATHE_CANCELLED soon.  With FORK it is never seen: the child is killed at
 *              once.  With PROCESS the process is killed after cancel_grace_ms, with SHARED 2 s later (not
 *              for remote steps: cancel() follows).  A job that runs out of its time is treated the same.
 * checkpoint   for submit and find; elsewhere it returns LATHE_PERMANENT.  Makes the remote reference (any
 *              bytes, 1 to 4096) durable: it waits for the daemon's disk, and when it returns LATHE_OK the
 *              reference outlives a crash of worker, daemon and machine.  The last one counts.
 * note         in a remote step, after checkpoint(): keeps up to 1024 bytes beside the reference (a cursor of a
 *              log, an offset), which later steps find in their request.  The last one counts.  It does not wait
 *              for the disk: after a crash an older note may come back.  LATHE_OK, or LATHE_PERMANENT: too long.
 * report       a fact of this attempt, kept with it also when it fails and shown in the API.  value is JSON: a number, a
 *              text, true, false, or an object of at most 4096 bytes.  The last value of a key counts; at most 64
 *              keys of a-z 0-9 . _ (1 to 64 characters).  Known ones: cost.estimated, cost.actual (numbers)
 *              and cost.currency ("EUR"; ISO 4217), device, model, seed, memory.peak_bytes, quality.* (numbers),
 *              time.queued_s, time.cold_start_s, time.run_s (at the service).  A flood is thinned as that of
 *              progress().  LATHE_OK, or LATHE_PERMANENT with error() set: not a key, or not a value.
 * artifact     gives the finished file workdir/relpath to the host, as `name` (a plain file name, once
 *              each).  No symbolic link, no way out of workdir.  Returns LATHE_OK, or LATHE_PERMANENT
 *              with error() set.  The file is read when the call has returned LATHE_OK, so leave it
 *              be; in/<name> may be given back.  One named "result.json" must hold one JSON object of at
 *              most 256 KiB and becomes the job's result.
 * put          the same for an output that is not simply a file: bytes, a URL, a provisional one (a preview while
 *              the job runs; its file is taken when the call returns).  Provisional ones do not outlive the attempt;
 *              a job has at most 8 of them, each of at most 2 MiB, and may give them in poll() too.  A flood is
 *              thinned to one in 200 ms after the first 16; one held back goes with a later call of the host.
 * secret       writes the value and a NUL into buf; *len: in the room, out the length.  LATHE_OK,
 *              LATHE_NOT_FOUND, or LATHE_PERMANENT when it does not fit.  The admin gives secrets as
 *              LATHE_SECRET_<name> in the environment or as systemd credentials.  The value is that of the time of
 *              the call: ask for each request, so that a renewed one is taken up without a restart.
 * backend_state  how the backend is, whatever job told it: LATHE_BACKEND_*, for so many milliseconds (0: until the
 *              plugin says otherwise, health() says LATHE_OK, or a person resumes it), and why, for the admin.
 *              Jobs and references stay.
 * capacity     how many jobs the service takes from us at a time; the admin's `workers` is the most.  0: not known.
 * wake         the job with this reference is worth a poll now: a webhook or a socket said so.  Unknown
 *              references are ignored.
 * extension    a table that grew outside of this header, or NULL: there is none of that name. */
struct lathe_host {                 /* [T] any thread; [C] the calling thread only */
  uint32_t struct_size;
  uint16_t abi_major, abi_minor;
  const char *(*config)(const struct lathe_host *, const char *key);          /* [T] */
  void (*log)(const struct lathe_host *, struct lathe_job *, int32_t level,
              const char *msg);                        /* [T] job may be NULL */
  void (*error)(struct lathe_job *, const char *msg);     /* [C] before failing */
  void (*error_code)(struct lathe_job *, const char *code, const char *request_id);      /* [C] */
  void (*retry_after)(struct lathe_job *, int64_t ms);    /* [C] also after PENDING */
  void (*progress)(struct lathe_job *, int32_t permille, const char *what);   /* [T] */
  int32_t (*cancelled)(struct lathe_job *);               /* [T] cheap; ask often */
  int32_t (*checkpoint)(struct lathe_job *, const void *ref, size_t len); /* [C]
              durable in the daemon's journal when it returns LATHE_OK */
  int32_t (*note)(struct lathe_job *, const void *data, size_t len);          /* [C] */
  int32_t (*report)(struct lathe_job *, const char *key, const char *value);  /* [T] */
  int32_t (*artifact)(struct lathe_job *, const char *name, const char *relpath,
                      const char *media_type);         /* [C] host takes the file */
  int32_t (*put)(struct lathe_job *, const struct lathe_artifact *);          /* [C] */
  int32_t (*secret)(const struct lathe_host *, const char *name,
                    char *buf, size_t *len);           /* [T] */
  void (*backend_state)(const struct lathe_host *, int32_t state, int64_t for_ms,
                        const char *why);              /* [T] */
  void (*capacity)(const struct lathe_host *, uint32_t jobs);                 /* [T] */
  void (*wake)(const struct lathe_host *, const void *ref, size_t len);       /* [T] */
  const void *(*extension)(const struct lathe_host *, const char *id);
                                 /* [T] LATHE_KINDS_1, ... below, or NULL */
};

/* One step of a remote job.  All state is in ref, so any process may go on.  A plugin with `remote` is
 * LATHE_SHARED; steps of different jobs run on several threads at a time (max_concurrency), those of
 * one job one after another.  A step should last as long as one request; waiting is the host's.  The
 * len bytes at ref are the host's, and go when the call returns.
 *
 *   submit --OK--> poll --PENDING--> poll ... --OK--> fetch --OK--> completed
 *     ^              +--- after a crash, or after a step failed with LATHE_RETRY*: again, with ref
 *     +--NOT_FOUND-- find      after a crash before checkpoint() had returned
 *
 * submit    begins the work under request->idem_key and calls checkpoint().  LATHE_RETRY*: nothing was begun,
 *           or it is not known: find follows before the next submit.
 * find      was something begun under idem_key?  checkpoint() and LATHE_OK, or LATHE_NOT_FOUND.
 * poll      LATHE_PENDING (retry_after() sets the time to the next; else the host backs off from 0.25 s to
 *           15 s), LATHE_OK: ready to fetch; LATHE_RETRY_ANEW: over without a result, worth another attempt.
 *           A class of failure ends the job's attempt.  progress() and log() work as in run().
 * fetch     downloads into workdir and gives artifact()s.
 * cancel    stops the work there.  Called with the reference when the job is cancelled or out of its time, at
 *           most a few times, on a thread that is kept free for it and with a deadline of its own.  What it
 *           returns is kept with the attempt: LATHE_OK stopped (also where it is unknown there), LATHE_TOO_LATE,
 *           LATHE_CHARGED; a class of failure: not known.
 * poll_many may be NULL.  Many polls in one request: it sets result of each, as poll would return it; retry_after(),
 *           progress(), report() and error() work for each job.  What it returns itself is LATHE_OK, or the
 *           result of all.  At most poll_many_max jobs a call (0: 100).
 * LATHE_RETRY* from poll and fetch repeats that step with the same reference, until the job's time is
 * over. */
typedef int32_t lathe_step(void *self, struct lathe_job *, const struct lathe_request *,
                        const void *ref, size_t len);
struct lathe_poll {                 /* the host's, but for `result` */
  uint32_t struct_size;
  int32_t result;
  struct lathe_job *job;
  const struct lathe_request *request;
  const void *ref;
  size_t len;
};
struct lathe_remote {
  uint32_t struct_size;
  uint32_t poll_many_max;
  lathe_step *submit;               /* ref NULL; must checkpoint before LATHE_OK */
  lathe_step *find;                 /* ref NULL; after a crash: look up idem_key */
  lathe_step *poll, *fetch, *cancel;/* each may be repeated without harm */
  int32_t (*poll_many)(void *self, struct lathe_poll *const *polls, size_t count);
};

/* create    once per process, on its main thread, before anything else: load, warm up, check.  What it
 *           returns decides: LATHE_OK; LATHE_RETRY*: started again later; any other: the backend is out of
 *           use until its configuration changes.  *self is the plugin's own: every later call gets it.
 *           With FORK: start no thread here that run() needs.  A thread that is begun here is locked in as the
 *           jobs are; where the host can't do that, it says so, and with jail = required refuses the backend.
 * ready     after create, on its thread, repeatedly until it returns LATHE_OK (LATHE_PENDING or
 *           LATHE_RETRY*: not yet).
 * run       one job.  FORK: in a child, on its only thread; it may exit as it likes, leak and crash.
 *           PROCESS: on the thread of create.  SHARED: on any thread, up to max_concurrency at a time.
 *           Results: LATHE_OK, LATHE_BAD_INPUT.., LATHE_CANCELLED, LATHE_RETRY.., LATHE_PERMANENT...
 * health    may be NULL.  Is the backend well?  A cheap question to the service or the device, at most every few
 *           seconds, when no job tells it: LATHE_OK ends a pause; LATHE_PENDING, LATHE_RETRY*: not well now, with
 *           error(NULL, why); LATHE_AUTH, LATHE_QUOTA: paused.  FORK: in a child; PROCESS: on the thread of create,
 *           between jobs; SHARED: on any thread.  It gets ten seconds.
 * destroy   when the backend is stopped in order, on the thread of create, when no other call is under way.
 *           Never after a crash or a create() that failed, and not in a FORK child. */
struct lathe_plugin {               /* static data: reading it starts nothing */
  uint32_t magic, struct_size;
  uint16_t abi_major, abi_minor; /* of the header it was built with */
  uint16_t needs_minor, zero;    /* the oldest host that will do */
  uint32_t flags;                /* LATHE_REPEATABLE; bits 16-31: refuse if not understood */
  uint32_t rights;               /* LATHE_NEEDS_*; 0: a job is locked in */
  const char *name, *version, *summary, *license;
  const char *const *kinds;      /* NULL-terminated: "mesh", ...; NULL: create() declares them */
  const struct lathe_option *const *options;              /* NULL-terminated */
  const char *device;            /* "cpu", "cuda", "net" */
  int32_t isolation;
  uint32_t max_concurrency;      /* calls in one process; 0: no limit of ours */
  uint32_t threads;              /* that one job keeps busy; 0: one.  The admin's `threads` goes before it */
  uint32_t cancel_grace_ms;      /* PROCESS: that a cancelled job gets to return; the admin's cancel_grace
                                    is the most, else 10000.  0: as the admin says, else 1000 */
  int32_t (*create)(const struct lathe_host *, void **self); /* warm-up goes here */
  void (*destroy)(void *self);
  int32_t (*ready)(void *self);  /* may be NULL */
  int32_t (*health)(void *self); /* may be NULL */
  int32_t (*run)(void *self, struct lathe_job *, const struct lathe_request *);
  const struct lathe_remote *remote;/* exactly one of run and remote is set */
};

/* ---- extensions: host->extension(host, ID) gives the table, or NULL on a host without it ---- */

/* For a plugin that learns its kinds only when it starts, or later. */
#define LATHE_KINDS_1 "lathe.kinds/1"
struct lathe_kinds {
  uint32_t struct_size;
  /* [T] In create() or at any later time.  `json`: the whole kind, as a file of the kinds folder has it, copied; NULL: a kind
   * that the admin has a file of.  Again for a name: the kind has changed.  LATHE_OK, or LATHE_PERMANENT with
   * error(NULL, ...) set: the name is not one of a kind, or the text is not one JSON object of at most
   * 256 KiB; what else is wrong with it `lathe backends` tells.  Not from a job of a LATHE_FORK
   * plugin: that is a process of its own. */
  int32_t (*declare)(const struct lathe_host *, const char *kind, const char *json);
  /* [T] No new job of this kind, please.  LATHE_OK, or LATHE_NOT_FOUND. */
  int32_t (*withdraw)(const struct lathe_host *, const char *kind);
};

/* For a LATHE_PROCESS plugin whose process may become unfit for another job: a device context that is
 * broken, a helper process that died. */
#define LATHE_RENEW_1 "lathe.renew/1"
struct lathe_renew {
  uint32_t struct_size;
  /* [T] After the job that runs now and its result, at once when none runs: the process and all that it
   * started are ended, without destroy(), and another takes its place.  `why` is for the admin. */
  void (*renew)(const struct lathe_host *, const char *why);
};

/* For a LATHE_FORK plugin whose first part is worth keeping: the reading of an input. */
#define LATHE_PARK_1 "lathe.park/1"
struct lathe_park {
  uint32_t struct_size;
  /* In run(), on its only thread, without a parallel region before it.  `key` names what the process holds
   * now ("sha256 of the input, options of the import").  The process stays behind as it is, for a while
   * and within the admin's memory budget; the job goes on in a child, where the call returns.  A later
   * job that parks with the same key may be begun right here: then the call returns in a new child with
   * that job's request, and *job is its job.  So: read no parameter before this that the key does not
   * hold, and take everything from the request that is returned.  Never NULL; where parking is off it returns
   * the request that it was given. */
  const struct lathe_request *(*park)(struct lathe_job **job, const struct lathe_request *,
                                      const char *key);
  /* First in run(): the key that park() will be given.  Where a parked process has it, this does
   * not return: the job goes on there. */
  void (*resume)(struct lathe_job *, const struct lathe_request *, const char *key);
};

#define LATHE_PLUGIN_INIT LATHE_MAGIC, sizeof(struct lathe_plugin), LATHE_ABI_MAJOR, LATHE_ABI_MINOR
/* The one exported symbol.  The same pointer each time; often it is all that a process asks for. */
#ifdef __cplusplus
extern "C"
#endif
__attribute__((visibility("default")))
const struct lathe_plugin *lathe_plugin_v1(void);
/* clang-format on */
#endif
