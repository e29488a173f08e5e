/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * About how many elements a job's sizes take, before anything is meshed: what cannot be made in the
 * job's time and memory is refused at once, and not when these are used up.  All of it errs on the
 * side of few elements.
 */
#ifndef SIZES_ESTIMATE_H
#define SIZES_ESTIMATE_H

#include <stdbool.h>

struct task;

/* Tetrahedra in a volume of 1 where only a size of this decides. */
double estimate_density(double size);
/* Whether that are more than can be made. */
bool estimate_refuses(const struct task *t, double elements);
#define INSTEAD 100 /* bytes of a text that says what to ask for instead */
/* False after task_fail: `what` takes so many elements, and they cannot be made; `instead` is what
 * to ask for.  The largest of these numbers is t->expected afterwards. */
bool estimate_allows(struct task *t, double elements, const char *what, const char *instead);
/* How many elements a size takes. */
typedef double estimate_elements(struct task *t, void *context, double size);
/* The least size above this one, by large steps, whose elements can be made by this machine;
 * 0: none up to `largest`. */
double estimate_fitting(struct task *t, double size, double largest, estimate_elements *elements,
                        void *context);
struct curvature;
/* The sizes of all parameters but elements_across_gap; takes no time where they are of usual
 * magnitude. `curvature` where the job asks for max_deviation. */
bool estimate_check(struct task *t, struct curvature *curvature);

#endif
