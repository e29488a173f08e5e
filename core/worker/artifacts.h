/* SPDX-License-Identifier: MIT
 *
 * What a plugin gives of its outputs: files, bytes, URLs, and provisional ones.
 */
#ifndef WORKER_ARTIFACTS_H
#define WORKER_ARTIFACTS_H

#include <lathe/plugin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct job_artifact {
  char *name, *media_type;
  char *relpath; /* NULL: it is at the URL */
  char *url, *sha256;
  int64_t bytes, expires_s;
};

struct previews; /* those that were given; worker/previews.c */

/* artifact() and put() of the host's table. */
int32_t artifacts_give(struct lathe_job *job, const char *name, const char *relpath,
                       const char *media_type);
int32_t artifacts_put(struct lathe_job *job, const struct lathe_artifact *given);
void artifacts_free(struct lathe_job *job);

/* A provisional one, with `len` bytes or a URL; its name, type and URL are checked. */
int32_t previews_put(struct lathe_job *job, const struct lathe_artifact *a, const char *data,
                     size_t len);
/* Sends what was held back: all of it, or what is due.  Under the job's lock. */
void previews_send(struct lathe_job *job, bool all);
void previews_free(struct previews *p);

#endif
