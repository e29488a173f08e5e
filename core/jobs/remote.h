/* SPDX-License-Identifier: MIT */
#ifndef JOBS_REMOTE_H
#define JOBS_REMOTE_H

#include "jobs/types.h"

/* `a` is the job's new and last attempt: which submission is it about? */
void remote_attempt(struct job *job, struct attempt *a);
/* Where its step begins. */
enum step_go remote_go(const struct job *job);
/* The name of the submission; valid until the next call. */
const char *remote_key(const struct job *job);
/* The last attempt left a submission of which nobody knows what became: only there may it go on. */
const struct attempt *remote_open(const struct job *job);
/* The attempt goes on where it is: PHASE_AWAY until its backend is there. */
void remote_away(struct job *job);
void remote_recovered(struct job *job);
/* Its worker is gone: true when the attempt goes on elsewhere in time, with what it has. */
bool remote_survives(struct job *job, const struct step_result *r);
/* Its credential was refused: true when there may be something of it there, and the attempt waits
 * for its backend. */
bool remote_keeps(struct job *job, const struct step_result *r);
/* What a remote attempt keeps beside its reference.  On disk with a later commit; `lazily`: not now.
 */
void remote_note(struct job *job, const char *note, bool lazily);
void remote_on_checkpoint(void *ctx, void *owner, const char *ref);

#endif
