/* SPDX-License-Identifier: MIT
 *
 * What the files of the library share.
 *
 *   callers (threads of the host)   submit.c find.c poll.c fetch.c cancel.c --request--> far daemon
 *   listener (listen.c)             one stream of all events there --> host->wake() of the job
 *   keeper (keeper.c)               how full it is there, which kinds it has; now and then
 *
 * A job's reference is its id there, its note the id of the last event that was read.
 */
#ifndef FAR_PRIVATE_H
#define FAR_PRIVATE_H

#include "far.h"

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  FAR_ID = 26,           /* characters of a job's id */
  FAR_PATH = 1024,       /* of a request */
  FAR_JOB_MAX = 8 << 20, /* bytes of a job's JSON, a list of statuses, backends */
  FAR_KINDS_MAX = 16 << 20,
  FAR_EVENT_MAX = 1 << 20,
  FAR_SEEN = 4096, /* jobs of which the stream has told lately: a place for each hash */
};

/* What the stream has told of a job there.  Another job may have taken its place: then nothing is known,
 * and it is asked for in the usual rhythm. */
struct seen {
  char id[FAR_ID + 1];
  bool ended;
  bool begun, completed; /* the stream told of its beginning; of its end, which was good */
  bool news;             /* a log line or progress that no poll has read */
  uint64_t stream;       /* the number of the connection that told */
  int64_t woken_ms, read_ms;
};

struct live { /* a job of ours that is there */
  struct live *next;
  char id[FAR_ID + 1];
  int lies;
};
enum { LIVE_PLACES = 1024 };

struct far {
  const struct lathe_host *host;
  struct far_transport t;
  char *where;
  const struct lathe_kinds *declaring;
  const char *wanted; /* of the option kinds */
  int64_t request_ms;

  json_t *kinds; /* name -> text, as declared; of create(), then of the keeper */
  char instance[65];

  pthread_t listener, keeper;
  bool has_listener, has_keeper;

  pthread_mutex_t lock; /* of what follows */
  pthread_cond_t changed;
  int32_t closing;
  bool look_now;   /* the keeper is to look at the kinds */
  uint64_t stream; /* the connection that tells; 0: none does now */
  uint64_t streams;
  struct seen seen[FAR_SEEN];
  struct live *live[LIVE_PLACES];
  int64_t live_count, active_ms;
};

/* ---- call.c: requests ---- */

/* One of small answers; sets what every request has.  Returns answer->result. */
int32_t far_call(struct far *, struct lathe_net_request *, struct lathe_net_answer *);
/* Around a sister of lathe_net_call(): LATHE_OK, or the answer says why not. */
int32_t far_ready(struct far *, struct lathe_net_answer *);
bool far_failed(struct far *, struct lathe_net_answer *); /* true: the way was cut */
void far_doubt(
    struct lathe_net_answer *); /* what refuses may be no lathed: then it is tried again */
/* GET; the answer as JSON, or NULL with the answer's result and why. */
json_t *far_get(struct far *, struct lathe_job *, const struct lathe_request *, const char *path,
                int64_t most, struct lathe_net_answer *);
/* Tells the host; returns the result. */
int32_t far_tell(struct far *, struct lathe_job *, const struct lathe_net_answer *);
/* Sets result and a sentence that begins with the far daemon. */
__attribute__((format(printf, 4, 5))) int32_t far_say(const struct far *, struct lathe_net_answer *,
                                                      int32_t result, const char *format, ...);
/* The answer is a problem of a lathed with this word ("unknown-job"), and no page of a proxy. */
bool far_is_problem(const struct lathe_net_answer *, const char *word);
/* Text of an object, or "". */
const char *far_text(const json_t *object, const char *name);

/* ---- jobs.c: which jobs are there, and what the stream told of them; any thread ---- */

bool far_is_id(const void *text, size_t len);
/* The reference as a text; false: it is none of ours. */
bool far_id_of(const void *ref, size_t len, char id[FAR_ID + 1]);
void far_jobs_add(struct far *, const char *id);  /* it is there */
void far_jobs_drop(struct far *, const char *id); /* it has ended, or is of no matter any more */
int64_t far_jobs_count(struct far *);
void far_jobs_free(struct far *);
/* What the far daemon says of it cannot be: true where that is so again and again. */
bool far_jobs_lied(struct far *, const char *id);
enum far_news { FAR_NEWS_LIFE, FAR_NEWS_BEGIN, FAR_NEWS_OUTPUT, FAR_NEWS_END, FAR_NEWS_DONE };
/* The stream told of a job: true where its poll is worth while now. */
bool far_jobs_told(struct far *, const char *id, enum far_news);
/* Has it ended, as the stream says? */
bool far_jobs_ended(struct far *, const char *id);
/* Has the stream told all of it, from its beginning to a good end, and no log?  Then nothing is left to ask. */
bool far_jobs_done(struct far *, const char *id);
/* There is more output than was read. */
void far_jobs_more(struct far *, const char *id);
/* Would the stream that is there now tell of its end? */
bool far_jobs_heard(struct far *, const char *id);
/* Is its log worth a look in a poll of many? */
bool far_jobs_look(struct far *, const char *id);
void far_jobs_looked(struct far *, const char *id);
/* The stream broke: all jobs are worth a poll. */
void far_jobs_wake_all(struct far *);

/* ---- the steps ---- */

lathe_step far_submit, far_find, far_poll, far_fetch, far_cancel;
int32_t far_poll_many(void *far, struct lathe_poll *const *polls, size_t count);
/* Looks the job of the key up: its id, else "".  LATHE_OK, LATHE_NOT_FOUND, or the answer says why. */
int32_t far_look_up(struct far *, struct lathe_job *, const struct lathe_request *,
                    char id[FAR_ID + 1], struct lathe_net_answer *);
/* The job is ours and there: makes the reference durable. */
int32_t far_adopt(struct far *, struct lathe_job *, const char *id);

/* ---- inputs.c: what a job brings ---- */

struct far_spec {
  json_t *rest;       /* inputs, via, traceparent */
  const char *params; /* as the host wrote them */
  size_t params_len;
};
/* False: it is not what a host writes. */
bool far_spec_read(const char *spec, struct far_spec *);
void far_spec_free(struct far_spec *);
/* The body of a submit, for free(); NULL with the answer's result and why. */
char *far_body(struct far *, const struct lathe_request *, const struct far_spec *, size_t *len,
               struct lathe_net_answer *);
/* Sends those inputs that the far daemon does not have. */
int32_t far_upload(struct far *, struct lathe_job *, const struct lathe_request *,
                   const struct far_spec *, struct lathe_net_answer *);

/* ---- kinds.c, keeper.c, listen.c ---- */

/* Who answers there?  LATHE_OK: a lathed that is new enough. */
int32_t far_hello(struct far *, struct lathe_net_answer *);
/* Declares what is there now, and withdraws what is not. */
int32_t far_kinds(struct far *, struct lathe_net_answer *);
/* Tells the host how many jobs it takes. */
int32_t far_room(struct far *, struct lathe_net_answer *);
void *far_keeper(void *far);
void *far_listener(void *far);
/* Until `changed`, or so long; true: it closes. */
bool far_rest(struct far *, int64_t ms);

#endif
