/* SPDX-License-Identifier: MIT
 *
 * The structures that the files of this room share.  Each file has a header of its own for what it
 * does with them; other rooms see jobs.h alone.
 */
#ifndef JOBS_TYPES_H
#define JOBS_TYPES_H

#include "base/buf.h"
#include "base/id.h"
#include "base/list.h"
#include "base/map.h"
#include "jobs/jobs.h"
#include "sched/sched.h"

struct spending {         /* of a backend with a budget for a month, as far as this life knows */
  int64_t from_us, to_us; /* the month; 0: not looked at yet */
  int64_t spent;          /* what the ledger said last; MONEY_UNKNOWN: nothing yet */
  int64_t pending;        /* reserved for attempts whose start is on its way to the disk */
  struct metric *spent_gauge, *budget_gauge;
};

struct backend_usage { /* a backend's name, for ever, and what this room keeps for it */
  const char *name;    /* the facts' */
  const struct backend_facts *facts;
  const struct jobs_backend_budget *budget; /* NULL: none */
  struct list at_work;                      /* jobs with an attempt there */
  struct list away;                         /* jobs that it has, though it is not there now */
  bool said_away;
  struct meter *meters;
  struct cost_meter *costs; /* of its kinds that cost something, or may */
  struct spending spending;
  struct version *versions; /* of its plugin, the latest first */
  char *identity;           /* of its configuration; NULL: not known */
  int64_t died_mono;        /* when a worker of it died last */
  int64_t openings;         /* of its breaker, that were counted */
  /* NULL: it is not configured */
  struct metric *breaker_state, *breaker_openings, *breaker_failures;
  struct backend_usage *next;
};

struct version { /* of a plugin, for ever: attempts point at the text */
  struct version *next;
  char text[];
};

struct meter {      /* metrics of one kind on one backend (usage NULL: on none) */
  const char *kind; /* the lane's */
  struct metric *finished[5];
  struct metric *run_seconds;
  struct meter *next;
};

struct client {
  struct sched_client sched;
  char *name;
  int64_t queued, live; /* jobs; forgotten with the last */
};

struct lane { /* jobs that the same backends may take: (kind, pin) */
  struct sched_lane sched;
  char *kind_name, *pin;   /* pin may be NULL */
  const struct kind *kind; /* NULL: no longer declared */
  int64_t queued;
  struct backend_facts *awaited; /* the pin's row, or NULL */
  struct metric *queue_seconds, *accepted, *cache_hits, *cache_misses;
  struct lane *next;
};

struct attempt {
  const struct backend_usage *usage;
  int64_t started_us, ended_us;
  int64_t begun_mono;     /* started_us on the monotonic clock; us, as are all *_mono */
  char *ref;              /* owned; of a remote attempt: "" until there is one.  NULL: not remote */
  char *error_json;       /* owned, or NULL */
  struct reported *facts; /* owned; NULL: it has reported none */
  int number;
  enum job_state state;
  enum attempt_fault fault;
  bool open; /* it is over, but what it submitted may not be */
  enum attempt_cancel cancel;
  bool begun;                 /* a worker has it, or had */
  bool recalled;              /* of an earlier life */
  int64_t pending;            /* of its cost, in usage->spending.pending */
  struct record_cost *cost;   /* owned; NULL: nobody knows of any */
  const char *plugin_version; /* the usage's, or NULL */
  char *decision_json;        /* owned; NULL: there was no choice */
  char *note;                 /* owned: what it keeps beside its reference, as text; or NULL */
};

struct outcome {                /* how an attempt or a job ended, kept until it is on disk */
  enum job_state state;         /* of the job; JOB_QUEUED: it goes back */
  enum job_state attempt_state; /* JOB_QUEUED: the attempt does not count */
  bool with_attempt;
  enum attempt_fault fault; /* of the attempt */
  int64_t ended_us, not_before_us;
  int64_t due_mono; /* as not_before_us; 0: at once */
  char *result_json, *error_json, *workdir;
  char *source, *backend; /* of a cached one: the job that computed it, and where */
  int64_t source_num;
  struct record_artifact *artifacts; /* strings owned */
  size_t artifact_count;
};

struct output { /* progress and log of a running job that wait for their turn */
  int permille;
  char stage[64];
  int64_t current, total;
  uint64_t sent_ms;
  bool dirty; /* progress not sent yet */
  struct buf log;
};

struct waiter { /* somebody who wants to know how a cancellation went */
  struct waiter *next;
  jobs_answered *answered;
  void *arg;
};

struct batch { /* one with jobs that are queued or running */
  char id[ID_SIZE];
  struct list jobs;
  int64_t open;
};

struct job {
  struct jobs *j;
  struct sched_job sched; /* its needs, and its place in the queue */
  struct batch *batch;    /* or NULL */
  struct list batch_link;
  struct list link;        /* in j->dirty, j->unsaved, j->cleaning or usage->away */
  struct list work_link;   /* in usage->at_work */
  struct list effect_link; /* in j->effects, while `effect` is not EFFECT_NONE */
  struct lane *lane;
  struct client *client;
  char id[ID_SIZE];
  uint8_t phase;  /* enum phase: life.h */
  uint8_t effect; /* enum effect: what is done for it at the end of the loop's turn */
  uint8_t state;  /* enum job_state: as on disk (but in PHASE_SUBMIT) */
  bool cancel;    /* a client asked for it */
  bool give_back; /* drain: queue it again */
  bool remote;    /* the attempt under way is remote */
  bool resumed;   /* that attempt may have submitted already: find it before */
  bool early;     /* a worker has it while its first commit is under way; nobody knows it yet */
  bool abandoned; /* that commit failed: what the worker makes of it is dropped */
  bool last_due;  /* the room closes, and only its first commit is still due */
  bool recovered; /* from an earlier life; its exclusions may be too strict */
  uint8_t lost;   /* steps in a row that never began */
  int64_t num;
  int64_t created_us, started_us, not_before_us,
      timeout_ms;     /* told and kept, never reckoned with */
  int64_t output_max; /* bytes of artifacts that its last step may leave; 0: no limit */
  int32_t attempt_count, attempt_base; /* attempts before the base do not count */
  struct attempt *attempts;
  struct sched_tried *tried;   /* backends where attempts failed since the base; or NULL */
  struct backend_usage *usage; /* where what it needs is reserved, or NULL */
  struct workers_step *step;
  struct breaker_permit permit; /* of the attempt under way */
  double expected_s;            /* of that; 0: nobody knew */
  uint32_t steps;               /* handed over so far: tells a step from an earlier one */
  uint8_t go;                   /* enum step_go of the last one */
  int64_t away_mono;            /* since when it is in PHASE_AWAY */
  struct outcome *out;
  struct previews *previews; /* NULL: none */
  struct output *output;
  jobs_answered *answered; /* of the submit or retry; NULL once answered */
  void *arg;
  struct waiter *waiters;
  char *identity; /* of the backend that has it, if its result may answer later jobs */
  const char *peer, *trace, *via; /* or NULL; in the same allocation */
  bool anew;                      /* its client wants no earlier result, of nobody */
  const char *params_json;        /* in the same allocation, as are the inputs */
  struct record_input *inputs;
  int32_t input_count;
};

struct jobs {
  uv_loop_t *loop;
  struct store *store;
  struct storage *storage;
  const struct kinds *kinds;
  struct routing *routing;
  struct workers *workers;
  struct metrics *metrics;
  void (*ended)(void *ctx, const struct record_job *job); /* may be NULL */
  void *ended_ctx;
  void (*batch_ended)(void *ctx, const char *id); /* may be NULL */
  void *batch_ended_ctx;
  struct jobs_options o; /* budgets owned; time_zone is that of `zone` */
  struct zone *zone;
  bool has_budgets; /* or had, since the start: of money */
  struct id_maker ids;
  uint64_t random;

  struct map live;     /* id -> struct job */
  struct map batches;  /* id -> struct batch */
  struct map clients;  /* name -> struct client */
  struct map switches; /* setting -> what was switched by hand: switches.c */
  struct lane *lanes;
  struct backend_usage *usages;
  struct meter *without_backend; /* metrics of jobs that never had a backend */
  struct sched *sched;
  struct list dirty, unsaved, cleaning;
  int64_t preview_bytes;   /* in memory, of all jobs */
  int64_t queued, running; /* by state */
  int64_t busy;            /* jobs that are not at rest: life.h */

  struct list effects; /* jobs for which something is to be done at the end of the turn */
  bool wake;           /* the queue is to be looked at, at the end of the turn */
  bool paused;         /* a start could not be written: until the retry timer */
  int store_code;
  int64_t retry_ms;

  bool draining, closing, recovering;
  void (*drained)(void *arg);
  void *drained_arg;

  int64_t starts; /* in this window, for Retry-After */
  uint64_t window_ms;
  double rate; /* starts a second in the last windows */

  int64_t work_made_us, renewed_us; /* monotonic: of which work/ the workers know; since when */

  bool purging, sweeping; /* retention: of jobs, of blobs; a callback is due */
  size_t purged;          /* jobs, in this round */
  int64_t sweep_before_us;
  bool sweep_blobs_more;

  bool sweep_pass, sweep_due, sweep_more; /* of outputs: under way; a callback is due */
  int64_t orphans;                        /* found in this pass */
  struct metric *swept, *swept_blobs;
  void (*set_aside)(void *ctx); /* the pass moves what it finds instead of removing it; NULL: not */
  void *set_aside_ctx;

  uv_timer_t sweep_timer, delay_timer, flush_timer, retry_timer, retention_timer, drain_timer,
      away_timer, hope_timer, month_timer;
  uv_prepare_t turn_end; /* loop_turn.c */
  uv_idle_t turn_due;    /* active while something is to be done there */
  int open_handles;
  int64_t requests; /* that wait for the store or storage: control.c, disk_check.c */
  struct metric *queued_gauge, *running_gauge;

  struct buf scratch, scratch2;
  struct record_job view;
  struct record_attempt *view_attempts;
  size_t view_cap;
  struct buf view_progress;
};

#endif
