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
 *   QUOTA: the same, but in submit: over, and so are all that are not submitted
 *   submit --RETRY_RATE--> over (retry): the daemon waits, and comes back by find
 *   cancelled, out of time: cancel --OK, or tries are used up--> over
 */
#ifndef WORKER_REMOTE_JOB_H
#define WORKER_REMOTE_JOB_H

#include "base/heap.h"
#include "base/table.h"
#include "wire/messages.h"

enum call { CALL_SUBMIT, CALL_FIND, CALL_POLL, CALL_FETCH, CALL_CANCEL, CALLS };
const char *call_word(enum call c);

struct remote_job {
  struct table_node by_token, by_ref;
  struct heap_node node; /* while it waits for its time */
  int64_t due_ms;        /* CLOCK_MONOTONIC, as the others */
  int64_t deadline_ms;   /* 0: none */
  int64_t began_us;
  enum call next;
  bool inside; /* a thread has it */
  bool woken;  /* wake(): its next poll comes at once */
  bool in_index;
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
  struct wire_fault *fault; /* of its last call that named one; NULL: none */
  char *why;                /* the plugin's word on why it stops; NULL: it has none */
  char *ref, *note;         /* bytes, or NULL */
  size_t ref_len, note_len;
  int64_t log_total; /* what the job has logged, and said of its progress */
  bool log_cut;
  uint64_t progress_mark;
  struct wire_step step; /* points into `payload` */
  char *payload;
};

/* Takes a copy of the frame, a STEP.  NULL with the reason when it is malformed or is not one of a
 * remote job. */
struct remote_job *remote_job_new(const struct wire_frame *f, struct err *err);
void remote_job_free(struct remote_job *j);
void remote_job_set_ref(struct remote_job *j, const void *ref, size_t len);
void remote_job_set_fault(struct remote_job *j, const struct wire_fault *fault); /* NULL: none */

struct remote_job_answer { /* what a call said */
  int32_t code;
  int64_t retry_after_ms;
  const char *message; /* "" for none */
};
struct remote_job_end {  /* how it is over */
  enum wire_class class; /* of a failure */
  int32_t code;
  int64_t retry_after_ms;
  bool open;                   /* what was submitted may still be there */
  enum wire_cancel_end cancel; /* what cancel() said */
  char message[1000];
  struct wire_fault fault;
};
/* After the call j->next.  True: over, and *end says how (a fetch that went well does not come
 * here).  False: j->next is to be called after *delay_ms.  `random`: any number, for the jitter. */
bool remote_job_advance(struct remote_job *j, const struct remote_job_answer *n, uint64_t random,
                        int64_t *delay_ms, struct remote_job_end *end);
/* Another one was denied with this end (LATHE_AUTH, LATHE_QUOTA), and that is all jobs' answer.  Not while a
 * thread has it.  True. */
bool remote_job_denied(const struct remote_job *j, const struct remote_job_end *why,
                       struct remote_job_end *end);
/* It shall end with this class; not while a thread has it.  As remote_job_advance. */
bool remote_job_stop(struct remote_job *j, enum wire_class class, struct remote_job_end *end);

#endif
