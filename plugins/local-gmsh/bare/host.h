/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The smallest host that can run a plugin's jobs: a fork per job, a folder per job, no daemon.
 */
#ifndef BARE_HOST_H
#define BARE_HOST_H

#include <stddef.h>

struct bare_job {
  const char *plugin, *kind, *input;
  char *const *params; /* "key=value" */
  size_t param_count;
  const char *out; /* folder for the artifacts; NULL: thrown away */
  int repeat, attempt;
  int quiet; /* drop what the job prints */
  int here;  /* in this process, not in a fork: for jobs that go well, input by its whole path */
};

/* Prints one JSON object a job; returns the last job's code, or -1. */
int host_run(const struct bare_job *job);

#endif
