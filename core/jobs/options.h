/* SPDX-License-Identifier: MIT */
#ifndef JOBS_OPTIONS_H
#define JOBS_OPTIONS_H

#include "jobs/types.h"

void options_copy(struct jobs *j, const struct jobs_options *o);
void options_free(struct jobs *j);

#endif
