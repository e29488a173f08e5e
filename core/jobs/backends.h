/* SPDX-License-Identifier: MIT */
#ifndef JOBS_BACKENDS_H
#define JOBS_BACKENDS_H

#include "jobs/types.h"

/* Tells routing how the backends are now: before each question to it or to the scheduler. */
void backends_tell(struct jobs *j);
void backends_limit(struct jobs *j);                                /* the budgets of the options */
struct backend_usage *usage_find(struct jobs *j, const char *name); /* made if new */
/* The same text, as long as the usage lives; NULL for NULL. */
const char *usage_version(struct backend_usage *p, const char *text);
void usages_free(struct jobs *j);

#endif
