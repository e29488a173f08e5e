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
#define LATHE_HAS(p, f) ((p)->struct_size >= offsetof(__typeof__(*(p)), f) + \
                      sizeof((p)->f) && (p)->f)

/* Results.  The thousand is the class, and is all a host must know; an
 * unknown class counts as permanent, so that no paid job is sent twice. */
#define LATHE_OK             0
#define LATHE_PENDING        1      /* poll only: still running there */
#define LATHE_NOT_FOUND      2      /* find only: nothing was begun under this key */
#define LATHE_BAD_INPUT   1000      /* the job is wrong; say where */
#define LATHE_CANCELLED   2000
#define LATHE_RETRY       3000      /* same job, later */
#define LATHE_RETRY_RATE  3100      /* 429; delay given by retry_after */
#define LATHE_RETRY_MEM   3200      /* out of host or device memory: retry alone */
#define LATHE_RETRY_ANEW  3300      /* remote: what was submitted is over or gone there without a
                                       result; the job may be submitted again, under a new key */
#define LATHE_PERMANENT   4000
#define LATHE_AUTH        4100      /* a person must mend a credential; of a remote call: pauses the backend */
#define LATHE_TIMEOUT     4200      /* no time is left: deadline_ms nears, or a time that the job set is over */

/* Flags of a plugin.  Bits 0 to 15 may be ignored by a host that does not know them. */
#define LATHE_NO_NETWORK   0x1u     /* run() needs no socket and no file but its work folder, system files
                                       and the paths of its LATHE_PATH options: the host jails it */
#define LATHE_REPEATABLE   0x2u     /* the same inputs, parameters and plugin version give a result as good:
                                       the host may answer a repeat from an earlier result */

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
/* spec: {"params": {...}, "inputs": [{"name": ..., "bytes": ..., "sha256": ...}]}, every declared parameter
 * filled in, and "traceparent": ... where the client's request had one (W3C Trace Context).  Inputs are at workdir/in/<name>: read them, never write them (they are hard links to the
 * daemon's own copies).  What is left in workdir when run() returns is removed, but for artifacts. */
struct lathe_request {              /* read-only, valid until the call returns */
  uint32_t struct_size;
  uint32_t attempt;              /* 1, 2, ... */
  const char *id, *kind;
  const char *idem_key;          /* names one submission: the same on every attempt that may repeat
                                    it; send it to the remote.  0-9 A-Z and '-', at most 38 */
  const char *spec;              /* JSON, already checked against the kind */
  const char *workdir;           /* private, absolute; inputs lie in workdir/in.  Remote: NULL in
                                    find, poll and cancel */
  int64_t deadline_ms;           /* CLOCK_MONOTONIC, 0 for none */
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
 *              one counts.  In create() and ready(): job NULL.
 * retry_after  with a LATHE_RETRY* result: not before so many milliseconds.
 * progress     0 to 1000, and the stage that runs now; "faces 12/300" gives the stage "faces" and its
 *              counts; NULL: none.  A flood is thinned to one in 20 ms after the first 256; the last is never lost.
 * cancelled    not 0: return LATHE_CANCELLED soon.  With FORK it is never seen: the child is killed at
 *              once.  With PROCESS the process is killed after the backend's cancel_grace (1 s, if the
 *              admin does not say otherwise; at least 3 ms), with SHARED 2 s later (not for
 *              remote steps: cancel() follows).  A job that runs out of its time is treated the same.
 * checkpoint   for submit and find; elsewhere it returns LATHE_PERMANENT.  Makes the remote reference (any
 *              bytes, 1 to 4096) durable: it waits for the daemon's disk, and when it returns LATHE_OK the
 *              reference outlives a crash of worker, daemon and machine.  The last one counts.
 * artifact     gives the finished file workdir/relpath to the host, as `name` (a plain file name, once
 *              each).  No symbolic link, no way out of workdir.  Returns LATHE_OK, or LATHE_PERMANENT
 *              with error() set.  The file is read when the call has returned LATHE_OK, so leave it
 *              be; in/<name> may be given back.  One named "result.json" must hold one JSON object of at
 *              most 256 KiB and becomes the job's result.
 * secret       writes the value and a NUL into buf; *len: in the room, out the length.  LATHE_OK,
 *              LATHE_NOT_FOUND, or LATHE_PERMANENT when it does not fit.  The admin gives secrets as
 *              LATHE_SECRET_<name> in the environment or as systemd credentials.
 * extension    a table that grew outside of this header, or NULL: there is none of that name. */
struct lathe_host {                 /* [T] any thread; [C] the calling thread only */
  uint32_t struct_size;
  uint16_t abi_major, abi_minor;
  const char *(*config)(const struct lathe_host *, const char *key);          /* [T] */
  void (*log)(const struct lathe_host *, struct lathe_job *, int32_t level,
              const char *msg);                        /* [T] job may be NULL */
  void (*error)(struct lathe_job *, const char *msg);     /* [C] before failing */
  void (*retry_after)(struct lathe_job *, int64_t ms);    /* [C] also after PENDING */
  void (*progress)(struct lathe_job *, int32_t permille, const char *what);   /* [T] */
  int32_t (*cancelled)(struct lathe_job *);               /* [T] cheap; ask often */
  int32_t (*checkpoint)(struct lathe_job *, const void *ref, size_t len); /* [C]
              durable in the daemon's journal when it returns LATHE_OK */
  int32_t (*artifact)(struct lathe_job *, const char *name, const char *relpath,
                      const char *media_type);         /* [C] host takes the file */
  int32_t (*secret)(const struct lathe_host *, const char *name,
                    char *buf, size_t *len);           /* [T] */
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
 * cancel    stops the work there; LATHE_OK also where it is over or unknown.  Called with the reference when
 *           the job is cancelled or out of its time, at most a few times; what it returns changes nothing.
 * LATHE_RETRY* from poll and fetch repeats that step with the same reference, until the job's time is
 * over. */
typedef int32_t lathe_step(void *self, struct lathe_job *, const struct lathe_request *,
                        const void *ref, size_t len);
struct lathe_remote {
  uint32_t struct_size;
  lathe_step *submit;               /* ref NULL; must checkpoint before LATHE_OK */
  lathe_step *find;                 /* ref NULL; after a crash: look up idem_key */
  lathe_step *poll, *fetch, *cancel;/* each may be repeated without harm */
};

/* create    once per process, on its main thread, before anything else: load, warm up, check.  What it
 *           returns decides: LATHE_OK; LATHE_RETRY*: started again later; any other: the backend is out of
 *           use until its configuration changes.  *self is the plugin's own: every later call gets it.
 *           With FORK: start no thread here that run() needs.
 * ready     after create, on its thread, repeatedly until it returns LATHE_OK (LATHE_PENDING or
 *           LATHE_RETRY*: not yet).
 * run       one job.  FORK: in a child, on its only thread; it may exit as it likes, leak and crash.
 *           PROCESS: on the thread of create.  SHARED: on any thread, up to max_concurrency at a time.
 *           Results: LATHE_OK, LATHE_BAD_INPUT.., LATHE_CANCELLED, LATHE_RETRY.., LATHE_PERMANENT...
 * destroy   when the backend is stopped in order, on the thread of create, when no other call is under way.
 *           Never after a crash or a create() that failed, and not in a FORK child. */
struct lathe_plugin {               /* static data: reading it starts nothing */
  uint32_t magic, struct_size;
  uint16_t abi_major, abi_minor; /* of the header it was built with */
  uint16_t needs_minor, zero;    /* the oldest host that will do */
  uint32_t flags;                /* LATHE_NO_NETWORK, ...; bits 16-31: refuse if not understood */
  const char *name, *version, *summary, *license;
  const char *const *kinds;      /* NULL-terminated: "mesh", ...; NULL: create() declares them */
  const struct lathe_option *const *options;              /* NULL-terminated */
  const char *device;            /* "cpu", "cuda", "net" */
  int32_t isolation;
  uint32_t max_concurrency;      /* calls in one process; 0: no limit of ours */
  int32_t (*create)(const struct lathe_host *, void **self); /* warm-up goes here */
  void (*destroy)(void *self);
  int32_t (*ready)(void *self);  /* may be NULL */
  int32_t (*run)(void *self, struct lathe_job *, const struct lathe_request *);
  const struct lathe_remote *remote;/* exactly one of run and remote is set */
};

/* ---- extensions: host->extension(host, ID) gives the table, or NULL on a host without it ---- */

/* For a plugin that learns its kinds only when it starts. */
#define LATHE_KINDS_1 "lathe.kinds/1"
struct lathe_kinds {
  uint32_t struct_size;
  /* In create() only, once for each kind.  LATHE_OK, or LATHE_PERMANENT when the name is none. */
  int32_t (*declare)(const struct lathe_host *, const char *kind);
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
