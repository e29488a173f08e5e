/* SPDX-License-Identifier: MIT */
#ifndef JOBS_PREVIEWS_H
#define JOBS_PREVIEWS_H

#include "jobs/types.h"

/* What a running attempt shows: from a worker, within bounds. */
void previews_take(struct job *job, const struct step_artifact *a, const char *data, size_t len);
const struct record_artifact *previews_view(struct job *job,
                                            size_t *count); /* until the next one */
void previews_drop(struct job *job);                        /* the attempt is over */

#endif
