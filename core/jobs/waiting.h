/* SPDX-License-Identifier: MIT */
#ifndef JOBS_WAITING_H
#define JOBS_WAITING_H

#include "jobs/types.h"

void waiting_configure(struct jobs *j);
void waiting_push(struct job *job);   /* LIFE_WAITS or LIFE_DELAYED */
void waiting_remove(struct job *job); /* out of either */
void waiting_arm(struct jobs *j);     /* the timers, after a round */
/* May a backend do it, now or later?  sched_has_hope() */
bool waiting_has_hope(struct job *job);
/* Is a backend ready (busy or not) where it has not failed? */
bool waiting_is_ready_elsewhere(struct job *job);

#endif
