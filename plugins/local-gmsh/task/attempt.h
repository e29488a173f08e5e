/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TASK_ATTEMPT_H
#define TASK_ATTEMPT_H

#include "task/outcome.h"
#include "task/params.h"

#include <stdbool.h>
#include <stdint.h>

/* A strategy that was tried (a candidate of `exhaustive`, a strategy of `fast`), as result.json and
 * report.html list it.  Plain data: it crosses a pipe to the process that writes the files. */
struct attempt {
  char strategy[32];
  bool chosen;
  bool scored;          /* false: score, part and what is measured below are all 0 */
  int32_t reason;       /* REASON_NONE: a valid mesh */
  int worst_class;      /* of the worst element: 0 good enough, -1, -2, ... the worse the lower */
  char text[300];       /* of a failure: what, where */
  double seconds;       /* of this strategy, stages shared with others included */
  double phase[STAGES]; /* of that, by stage */
  double score, part[SCORE_PARTS]; /* 0 worst, 1 best; a part that does not count is -1 */
  uint64_t tetrahedra, nodes;
  double sicn_min, sicn_mean, sicn_p1, sicn_p5;
  double gamma_min, angle_min; /* degrees, dihedral */
  double volume_error;         /* of the mesh against the CAD, relative and signed; 0: not known */
};
#define ATTEMPTS_MAX 64

#endif
