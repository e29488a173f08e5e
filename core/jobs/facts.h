/* SPDX-License-Identifier: MIT */
#ifndef JOBS_FACTS_H
#define JOBS_FACTS_H

#include "jobs/types.h"

void reported_take(struct job *job, const char *key, const char *value, bool weak);
const char *reported_value(const struct reported *f, const char *key); /* JSON; NULL: none */
const char *reported_json(struct reported *f);       /* valid until the next fact; NULL: none */
struct reported *reported_of_json(const char *json); /* NULL for NULL */
void reported_flush(struct job *job);                /* those of a remote attempt, to the store */
void reported_free(struct reported *f);

#endif
