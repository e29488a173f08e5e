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
  size_t at;       /* the entry that is being checked, or whose inputs are being stored */
  size_t weight;   /* bytes of the content */
  struct batch_reading *reading; /* until it is read */
  struct jobs_batch batch;
  struct record_input *inputs; /* of all entries, in order */
  char (*folders)[201];
};

/* The steps of reading one, in this order; each sets s.rc and, below 0, s.no.  The body is a form
 * or JSON.  Between them the client may leave.  All but `batch` is filled then. */
void batch_begin(struct batch_request *b);      /* headers and files; takes the content */
void batch_digest_keys(void *batch_request);    /* any thread */
void batch_keys_known(struct batch_request *b); /* which kind it is, and the backend */
void batch_digest_lists(void *batch_request);   /* sets and files of the JSON; any thread */
/* Some of the files against the blobs and the kind; true: there are more. */
bool batch_check_files(struct batch_request *b);
/* The jobs of the batch, once every input is stored.  Any thread. */
void batch_make_jobs(void *batch_request);
void batch_request_free(struct batch_request *b, bool refused);

#endif
