/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * About how many elements a job's sizes take, before anything is meshed: what cannot be made in the
 * job's time and memory is refused at once, and not when these are used up.  All of it errs on the
 * side of few elements.
 */
#ifndef ESTIMATE_H
#define ESTIMATE_H

#include "task.h"

/* Tetrahedra in a volume of 1 where only a size of this decides. */
double estimate_density(double size);
/* False after task_fail: `what` takes so many elements, and they cannot be made. */
bool estimate_allows(struct task *t, double elements, const char *what);
struct bends;
/* The sizes of all parameters but elements_across_gap; takes no time where they are of usual
 * magnitude. `bends` where the job asks for max_deviation. */
bool estimate_check(struct task *t, const struct bends *bends);

#endif
