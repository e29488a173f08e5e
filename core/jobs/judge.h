/* SPDX-License-Identifier: MIT
 *
 * What follows from a result; each sets job->out.
 */
#ifndef JOBS_JUDGE_H
#define JOBS_JUDGE_H

#include "jobs/types.h"

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
/* How many attempts a job of the kind has; kind NULL: no longer declared. */
int judge_attempts(const struct jobs *j, const char *name, const struct kind *kind);
void judge_cancelled(struct job *job);
void judge_give_back(struct job *job, const char *detail); /* the attempt does not count */
/* The same where the attempt had begun: where only one may be made, that was it. */
void judge_interrupted(struct job *job, const char *detail);
void judge_unsaved(struct job *job, const char *text); /* the store does not take its result */
void judge_no_backend(struct job *job, const struct sched_choice *choice);

#endif
