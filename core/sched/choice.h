/* SPDX-License-Identifier: MIT
 *
 * One job's choice: its backends as it finds them, and what is decided of that.  Nothing is reserved
 * and no queue is looked at.
 *
 *   choice_view -> each candidate, as far as the policy needs to know -> routing/decide.h
 */
#ifndef SCHED_CHOICE_H
#define SCHED_CHOICE_H

#include "sched/budget.h"
#include "sched/sched.h"

struct chooser {
  struct routing *routing;
  struct budgets *budgets;
  int64_t look_us;                    /* when time alone makes another choice; INT64_MAX: never */
  struct candidate *considered;       /* of the last choice */
  struct breaker_candidate *breakers; /* of those */
  size_t cap;
  double *given; /* by the backend's index */
  size_t given_cap;
};
void choice_begin_round(struct chooser *x);
void choice_look_at(struct chooser *x, int64_t at_us); /* not later than that */
void choice_free(struct chooser *x);

/* A route's candidates, and the only one of them that the job may go to; NULL: it may go to each. */
struct view {
  struct candidates c;
  const struct backend_facts *only;
};
struct view choice_view(struct chooser *x, const struct sched_job *job);
bool view_is_ready_where_untried(const struct sched_job *job, const struct view *v);
bool job_was_refused(const struct sched_job *job); /* for good, by any backend */

enum hope {
  HOPE_THERE,  /* a backend is there that may do it now or later */
  HOPE_RETURN, /* none is; one that did its kind went a moment ago, and may be on its way back */
  HOPE_NONE,
};
enum hope choice_hope(struct chooser *x, const struct sched_job *job, const struct view *v);

/* Sets all of *choice but `job`. */
struct view choice_make(struct chooser *x, const struct sched_job *job, int64_t now_us,
                        struct sched_choice *choice);
/* The job of that choice will take its time there, before those that come in this round. */
void choice_give(struct chooser *x, const struct candidate *c);

#endif
