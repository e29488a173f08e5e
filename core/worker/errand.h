/* SPDX-License-Identifier: MIT
 *
 * One remote job, and what its next call is: the rules of lathe/plugin.h's struct lathe_remote
 * without threads, sockets and clocks of its own.
 *
 *            submit --OK--> poll --PENDING, RETRY*--> poll ...
 *              ^  \RETRY*     ^ \--OK--> fetch --OK--> over (completed)
 *   NOT_FOUND  |   \          |            \--RETRY*--> fetch ...
 *              |    v         |
 *              +-- find --OK--+      after a submit that failed: NOT_FOUND --> over (retry)
 *
 *   anywhere --a class of failure, RETRY_ANEW--> over
 *   anywhere --AUTH--> over, and so are all others: the daemon pauses the backend and keeps them
 *   submit --RETRY_RATE--> over (retry): the daemon waits, and comes back by find
 *   cancelled, out of time: cancel --OK, or tries are used up--> over
 */
#ifndef WORKER_ERRAND_H
#define WORKER_ERRAND_H

#include "base/heap.h"
#include "base/table.h"
#include "wire/messages.h"

enum call { CALL_SUBMIT, CALL_FIND, CALL_POLL, CALL_FETCH, CALL_CANCEL, CALLS };
const char *call_word(enum call c);

struct errand {
  struct table_node by_token;
  struct heap_node node; /* while it waits for its time */
  int64_t due_ms;        /* CLOCK_MONOTONIC, as the others */
  int64_t deadline_ms;   /* 0: none */
  int64_t began_us;
  enum call next;
  bool inside;  /* a thread has it */
  bool called;  /* something of it may be there */
  int stopped;  /* 0, or the class it is to end with: cancelled, out of time */
  int pendings; /* polls that found it running, in a row */
  int failures; /* calls that asked to be tried again, in a row */
  int limits;   /* cancels that were told to wait */
  struct {      /* a submit that failed, while find looks what came of it */
    int32_t code;
    int64_t retry_after_ms;
    char *message;
  } failed;
  char *why; /* the plugin's word on why it stops; NULL: it has none */
  char *ref; /* bytes, or NULL */
  size_t ref_len;
  int64_t log_total; /* what the job has logged, and said of its progress */
  bool log_cut;
  uint64_t progress_mark;
  struct wire_step step; /* points into `payload` */
  char *payload;
};

/* Takes a copy of the frame, a STEP.  NULL with the reason when it is malformed or is not one of a
 * remote job. */
struct errand *errand_new(const struct wire_frame *f, struct err *err);
void errand_free(struct errand *e);
void errand_set_ref(struct errand *e, const void *ref, size_t len);

struct errand_news { /* what a call said */
  int32_t code;
  int64_t retry_after_ms;
  const char *message; /* "" for none */
};
struct errand_end {      /* how it is over */
  enum wire_class class; /* of a failure */
  int32_t code;
  int64_t retry_after_ms;
  bool open; /* what was submitted may still be there */
  char message[1000];
};
/* After the call e->next.  True: over, and *end says how (a fetch that went well does not come
 * here).  False: e->next is to be called after *delay_ms.  `random`: any number, for the jitter. */
bool errand_advance(struct errand *e, const struct errand_news *n, uint64_t random,
                    int64_t *delay_ms, struct errand_end *end);
/* Another one was denied with this end (LATHE_AUTH), and that is all errands' answer.  Not while a
 * thread has it.  True. */
bool errand_denied(const struct errand *e, const struct errand_end *why, struct errand_end *end);
/* It shall end with this class; not while a thread has it.  As errand_advance. */
bool errand_stop(struct errand *e, enum wire_class class, struct errand_end *end);

#endif
