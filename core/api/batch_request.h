/* SPDX-License-Identifier: MIT
 *
 * What a client asks for with POST /api/batches, from a form or from JSON: files times sets of
 * parameters, a job for each pair.
 */
#ifndef API_BATCH_REQUEST_H
#define API_BATCH_REQUEST_H

#include "api/submission.h"

struct batch_set {
  char *name;        /* "" where there is only one and it has none */
  struct buf params; /* checked, defaults filled in */
};

struct batch_request {
  struct submission s; /* what a batch has in common with a job; no inputs, no parameters */
  char *name;
  struct inputs *files; /* an entry's inputs are those of one job; one without any where the kind
                           needs none */
  size_t file_count, file_cap;
  struct batch_set *sets;
  size_t set_count;
  char *sets_json; /* [{"name": ..., "params": as given}] */
  size_t at;       /* the entry whose inputs are being stored */
  struct jobs_batch batch;
  struct record_input *inputs; /* of all entries, in order */
  char (*folders)[201];
};

/* Fills all but `batch`.  The body is a form or JSON. */
int batch_parse(struct batch_request *b, struct refusal *no);
/* The jobs of the batch, once every input is stored. */
void batch_make_jobs(struct batch_request *b);
void batch_request_free(struct batch_request *b, bool refused);

#endif
