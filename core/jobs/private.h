/* SPDX-License-Identifier: MIT
 *
 * What the files of this room share: a live job, the queue's structures, and the
 * calls between the files.  The rest of the house sees jobs.h and kinds.h alone.
 */
#ifndef JOBS_PRIVATE_H
#define JOBS_PRIVATE_H

#include "base/buf.h"
#include "base/id.h"
#include "base/list.h"
#include "base/map.h"
#include "jobs/jobs.h"
#include "sched/sched.h"

/* Where a live job is; the table of phases and events is on top of jobs.c. */
enum phase {
  PHASE_SUBMIT, /* its first commit is under way; nobody knows it yet */
  PHASE_WAIT,   /* queued, in the queue */
  PHASE_DELAY,  /* queued, not before a time */
  PHASE_START,  /* the commit of its attempt is under way; its slot is reserved */
  PHASE_RUN,    /* a worker has it */
  PHASE_AWAY,   /* running elsewhere, and no worker here looks after it: remote.c */
  PHASE_ADOPT,  /* its outputs move into storage, or our disk is looked at */
  PHASE_END,    /* the commit of its end is under way */
  PHASE_BACK,   /* the commit that queues it again is under way */
  PHASE_CLEAN,  /* outputs of an earlier attempt are being removed */
};

struct backend_usage { /* a backend's name, for ever, and what this room keeps for it */
  const char *name;    /* the facts' */
  const struct backend_facts *facts;
  const struct jobs_backend_budget *budget; /* NULL: none */
  struct list away;                         /* jobs that it has, though it is not there now */
  bool said_away;
  struct meter *meters;
  struct version *versions; /* of its plugin, the latest first */
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
  struct list link; /* in j->dirty, j->unsaved, j->cleaning or usage->away */
  struct lane *lane;
  struct client *client;
  char id[ID_SIZE];
  uint8_t phase;  /* enum phase */
  uint8_t state;  /* enum job_state: as on disk (but in PHASE_SUBMIT) */
  bool cancel;    /* a client asked for it */
  bool give_back; /* drain: queue it again */
  bool remote;    /* the attempt under way is remote */
  bool resumed;   /* that attempt may have submitted already: find it before */
  bool early;     /* a worker has it while its first commit is under way; nobody knows it yet */
  bool abandoned; /* that commit failed: what the worker makes of it is dropped */
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
  uint32_t steps;    /* handed over so far: tells a step from an earlier one */
  uint8_t go;        /* enum step_go of the last one */
  int64_t away_mono; /* since when it is in PHASE_AWAY */
  struct outcome *out;
  struct output *output;
  jobs_answered *answered; /* of the submit or retry; NULL once answered */
  void *arg;
  struct waiter *waiters;
  char *identity;           /* of the backend that has it, if its result may answer later jobs */
  const char *peer, *trace; /* or NULL; in the same allocation */
  const char *params_json;  /* in the same allocation, as are the inputs */
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
  struct jobs_options o; /* budgets owned */
  struct id_maker ids;
  uint64_t random;

  struct map live;    /* id -> struct job */
  struct map batches; /* id -> struct batch */
  struct map clients; /* name -> struct client */
  struct lane *lanes;
  struct backend_usage *usages;
  struct meter *without_backend; /* metrics of jobs that never had a backend */
  struct sched *sched;
  struct list dirty, unsaved, cleaning;
  int64_t queued, running; /* by state */
  int64_t busy;            /* jobs in a phase other than WAIT and DELAY */

  bool dispatching, again;
  bool paused; /* a start could not be written: until the retry timer */
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
      away_timer, hope_timer;
  int open_handles;
  int64_t requests; /* that wait for the store or storage: control.c, look.c */
  struct metric *queued_gauge, *running_gauge;

  struct buf scratch, scratch2;
  struct record_job view;
  struct record_attempt *view_attempts;
  size_t view_cap;
  struct buf view_progress;
};

/* ---- record.c: a job in memory, its record and its events ---- */
struct job *job_new(struct jobs *j, const struct record_job *r, const struct kind *kind);
void job_free(struct job *job);
const struct record_job *job_view(struct job *job);
/* The same with its outcome: how the store has it once its end is written. */
const struct record_job *job_view_ended(struct job *job);
struct attempt *job_last(const struct job *job); /* NULL: none */
struct attempt *job_add_attempt(struct job *job, struct backend_usage *usage, int64_t now_us);
void job_drop_attempt(struct job *job); /* the last one: it never was */
struct record_attempt job_attempt_record(const struct attempt *a);
void outcome_free(struct outcome *out);
const char *event_queued(struct job *job, struct buf *b);
const char *event_started(struct job *job, const struct attempt *a, struct buf *b);
const char *event_ended(struct job *job, const struct outcome *out, struct buf *b);
const char *event_requeued(struct job *job, const struct outcome *out, struct buf *b);
const char *progress_done(const struct job *job, struct buf *b); /* that of a completed job */
void progress_put(const struct output *o, struct buf *b);        /* the fields, without braces */

/* ---- lanes.c: lanes and clients ---- */
struct lane *lane_find(struct jobs *j, const char *kind_name, const char *pin,
                       const struct kind *kind);              /* made if new */
struct client *client_find(struct jobs *j, const char *name); /* made if new */
void client_put(struct jobs *j, struct client *c);            /* one live job less */
void lanes_free(struct jobs *j);

/* ---- backends.c: what is told of the backends ---- */
/* Tells routing how the backends are now: before each question to it or to the scheduler. */
void backends_tell(struct jobs *j);
void backends_limit(struct jobs *j);                                /* the budgets of the options */
struct backend_usage *usage_find(struct jobs *j, const char *name); /* made if new */
/* The same text, as long as the usage lives; NULL for NULL. */
const char *usage_version(struct backend_usage *p, const char *text);
void usages_free(struct jobs *j);

/* ---- waiting.c: into the queue and out of it ---- */
void waiting_configure(struct jobs *j);
void waiting_push(struct job *job);   /* -> PHASE_WAIT or PHASE_DELAY */
void waiting_remove(struct job *job); /* out of either */
void waiting_arm(struct jobs *j);     /* the timers, after a round */
/* May a backend do it, now or later?  sched_has_hope() */
bool waiting_has_hope(struct job *job);
/* Is a backend ready (busy or not) where it has not failed? */
bool waiting_is_ready_elsewhere(struct job *job);

/* ---- run.c: from the queue to a worker ---- */
/* A new attempt where the scheduler chose: the job has its backend's usage from here on. */
struct attempt *run_begin(struct job *job, const struct sched_choice *choice, int64_t now_us);
void run_release(struct job *job);
void run_dispatch(struct jobs *j);
void run_launch(struct job *job); /* the attempt is on disk */
void run_stop(struct job *job);   /* asks the worker to stop it, once */
/* The attempt goes on where it is: PHASE_AWAY until its backend is there. */
void run_hand_over(struct job *job, struct backend *b);
struct step_limits run_limits(const struct job *job);
void run_pause(struct jobs *j); /* the disk failed: no start before the retry timer */

/* ---- look.c: our disk, looked at beside the loop ---- */
/* The job is in PHASE_ADOPT meanwhile, then judge_seen() and end_judged() are called. */
void look_at_failure(struct job *job, const struct step_result *r, int code);
/* `seen` is called later, unless the room closes before: the code of storage_check. */
void look_at_folder(struct jobs *j, void (*seen)(struct jobs *j, int code));

/* ---- judge.c: what follows from a result; each sets job->out ---- */
/* Of an attempt that failed, with nothing to be asked of our disk. */
void judge_result(struct job *job, const struct step_result *r);
/* Is it to be asked first?  look_at_failure() does, and calls judge_seen(). */
bool judge_asks_disk(const struct job *job, const struct step_result *r);
struct disk_seen {  /* of our disk, when an attempt had failed */
  int folder;       /* code of the data folder; 0: it is as it should be */
  const char *text; /* why not, for people */
  int input;        /* code of the first input that is not there for sure; 0: all are */
  size_t which;     /* that input */
};
/* As judge_result.  Where the folders of the server went while the attempt ran, or are not as they
 * should be, it is made again and not counted, once they are.  `code`: of a failure to keep its
 * outputs, 0 for none; a full disk may be the job's own doing, so that is not excused for ever. */
void judge_seen(struct job *job, const struct step_result *r, int code,
                const struct disk_seen *seen);
struct outcome *judge_outcome(struct job *job, enum job_state state); /* with nothing but that */
/* Makes work/ anew where it is gone, with no attempt that would tell: a worker could not start. */
void judge_look(struct jobs *j);
void judge_cancelled(struct job *job);
void judge_give_back(struct job *job, const char *detail); /* the attempt does not count */
void judge_unsaved(struct job *job, const char *text);     /* the store does not take its result */
void judge_no_backend(struct job *job);

/* ---- end.c: results ---- */
void end_result(struct job *job, const struct step_result *r);
/* Its outcome is known; takes the path of the work folder. */
void end_judged(struct job *job, char *workdir);
void end_cancelled(struct job *job);                     /* of one that no worker has */
void end_give_back(struct job *job, const char *detail); /* the attempt does not count */
void end_no_backend(struct job *job); /* every backend refused it for good, or none came */
void end_save(struct job *job);       /* again, after the disk failed */
void end_abandoned(struct job *job);  /* its first commit failed: stops the worker, then forgets */
void end_gone(struct job *job, enum job_state state); /* answers, forgets and frees */
void end_rest(struct job *job); /* queued on disk: into the queue, unless it was cancelled */

/* ---- remote.c: jobs whose work is elsewhere ---- */
/* `a` is the job's new and last attempt: which submission is it about? */
void remote_attempt(struct job *job, struct attempt *a);
/* Where its step begins. */
enum step_go remote_go(const struct job *job);
/* The name of the submission; valid until the next call. */
const char *remote_key(const struct job *job);
/* The last attempt left a submission of which nobody knows what became: only there may it go on. */
const struct attempt *remote_open(const struct job *job);
void remote_away(struct job *job);
void remote_recovered(struct job *job);
/* Its worker is gone: true when the attempt goes on elsewhere in time, with what it has. */
bool remote_survives(struct job *job, const struct step_result *r);
/* Its credential or its quota was refused: true when there may be something of it there, and the attempt waits
 * for its backend. */
bool remote_keeps(struct job *job, const struct step_result *r);
void remote_resume(struct jobs *j); /* those whose backend is there again */
/* What a remote attempt keeps beside its reference.  On disk with a later commit; `lazily`: not now. */
void remote_note(struct job *job, const char *note, bool lazily);
void remote_on_checkpoint(void *ctx, void *owner, const char *ref);

/* ---- reported.c: what an attempt reports of itself ---- */
void reported_take(struct job *job, const char *key, const char *value, bool weak);
const char *reported_json(struct reported *f);       /* valid until the next fact; NULL: none */
struct reported *reported_of_json(const char *json); /* NULL for NULL */
void reported_flush(struct job *job);                /* those of a remote attempt, to the store */
void reported_free(struct reported *f);

/* ---- output.c: progress and log ---- */
void output_progress(struct job *job, int permille, const char *what, int64_t current,
                     int64_t total);
void output_log(struct job *job, const char *text, size_t len);
void output_later(struct job *job); /* output_flush() comes soon */
void output_flush(struct job *job);
void output_drop(struct job *job);
void output_on_timer(uv_timer_t *t);

/* ---- decision.c: why on this backend ---- */
/* Of the choice, for the attempt; NULL: there was one candidate.  The caller frees it. */
char *decision_json(const struct sched_choice *choice);

/* ---- transition.c: the log of a job's life ---- */
enum transition {
  TRANSITION_ACCEPTED,
  TRANSITION_STARTED,
  TRANSITION_REQUEUED,
  TRANSITION_COMPLETED,
  TRANSITION_FAILED,
  TRANSITION_CANCELLED,
};
void job_transition(const struct job *job, enum transition what);
void job_transition_end(const struct job *job); /* as its outcome says */

/* ---- jobs.c ---- */
void job_set_phase(struct job *job, enum phase phase);
bool job_at_rest(const struct job *job); /* the disk has all that is to be known of it */
void job_set_state(struct job *job, enum job_state state);
void job_count(struct job *job, int by); /* in the numbers of its state */
/* jobs_free was called: frees the job, and true.  For callbacks that come late. */
bool job_orphaned(struct job *job);
void jobs_release(struct jobs *j); /* frees once jobs_free was called and nothing is due */
void jobs_retry_now(struct jobs *j);
struct meter *jobs_meter(struct jobs *j, struct backend_usage *usage, const struct lane *lane);
void jobs_count_start(struct jobs *j); /* for jobs_retry_after */
int jobs_retry_after(struct jobs *j);  /* seconds, 1..60 */
void jobs_later(struct jobs *j);       /* arms the retry timer */
void jobs_check_drained(struct jobs *j);
bool jobs_is_disk_failure(int code);

/* ---- cache.c: results of earlier jobs ---- */
/* Looks for the result of an earlier job that did the same.  `looked` runs later, once: then
 * job->out is that result (state JOB_COMPLETED, with a source), or NULL.  False: there is nothing
 * to look for, and it will not run. */
bool cache_look(struct job *job, void (*looked)(void *arg), void *arg);
void cache_handed_over(struct job *job, const struct backend *b);
/* Under which its result may answer later jobs; NULL: it may not.  `key` holds it. */
const char *cache_key(const struct job *job, char key[SHA256_HEX_SIZE]);

/* ---- batch.c ---- */
void batch_join(struct job *job, const char *id);
void batch_quit(struct job *job);

/* ---- drain.c, retention.c ---- */
void drain_on_timer(uv_timer_t *t);
void retention_on_timer(uv_timer_t *t);
void retention_arm(struct jobs *j);

/* ---- sweep.c ---- */
void sweep_init(struct jobs *j);
void sweep_start(struct jobs *j); /* a pass over output/, unless one is under way */

/* ---- submit.c, control.c ---- */
/* Why no more jobs are taken; 0: they are. */
int submit_refusal(struct jobs *j, const struct client *c, int64_t more, const char **slug,
                   const char **text, int *retry_after_s);
/* Could it ever run? */
int submit_check(struct jobs *j, const struct jobs_request *r, const char **slug, struct err *err);
/* A job of the request, in PHASE_SUBMIT and without a number. */
struct job *submit_job(struct jobs *j, const struct jobs_request *request, const char *batch,
                       int64_t created_us);
/* For clients: the log says more, with the paths of this machine. */
const char *disk_text(int code);
/* Of a commit that failed. */
void answer_failure(jobs_answered *answered, void *arg, int code, const char *text);
void submit_forget(struct job *job, int code); /* it never was */
void answer_refusal(jobs_answered *answered, void *arg, int code, const char *slug,
                    int retry_after_s, const char *text);
void answer_state(jobs_answered *answered, void *arg, const char *id, enum job_state state);
void answer_waiters(struct job *job, int code, enum job_state state);

#endif
