/* SPDX-License-Identifier: MIT */
#ifndef JOBS_CACHE_H
#define JOBS_CACHE_H

#include "base/sha256.h"
#include "jobs/types.h"

/* Looks for the result of an earlier job that did the same.  `looked` runs later, once: then
 * job->out is that result (state JOB_COMPLETED, with a source), or NULL.  False: there is nothing
 * to look for, and it will not run. */
bool cache_look(struct job *job, void (*looked)(void *arg), void *arg);
void cache_handed_over(struct job *job, const struct backend *b);
/* Under which its result may answer later jobs; NULL: it may not.  `key` holds it. */
const char *cache_key(const struct job *job, char key[SHA256_HEX_SIZE]);

#endif
