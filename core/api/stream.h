/* SPDX-License-Identifier: MIT */
#ifndef API_STREAM_H
#define API_STREAM_H

#include "api/internal.h"

struct stream_request {
  const char *job_id;   /* NULL: over all jobs */
  const char *batch_id; /* or the jobs of this batch */
  int64_t after; /* begin behind this seq; -1: a job's whole history, or, over all, from now */
  int types;     /* 1 << enum event_type of what the client sees; 0: all */
  bool as_log;   /* the text of log events instead of SSE */
  bool once;     /* end where the store ends instead of following */
};
/* Takes the request. */
void stream_open(struct api *a, struct http_request *r, const struct stream_request *q);

#endif
