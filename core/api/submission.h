/* SPDX-License-Identifier: MIT
 *
 * What a client asks for with POST /api/jobs/{kind}, from a form or from JSON.
 */
#ifndef API_SUBMISSION_H
#define API_SUBMISSION_H

#include "api/finding.h"
#include "api/storing.h"
#include "api/upload.h"

struct submission {
  struct call call;
  struct http_content *content; /* the body, or the fields of the form */
  char *media_type;             /* of the body, or NULL */
  bool is_form;
  int rc;            /* of what was done with it, with why in `no` */
  struct refusal no; /* what is wrong with it */
  const struct kind *kind;
  struct inputs inputs;
  struct buf params; /* checked, defaults filled in */
  char *backend, *client, *idem_key;
  char *via; /* as in struct jobs_request */
  int priority;
  int64_t timeout_ms;
  int wait_s;
  bool anew; /* an earlier result will not do */
  struct finding finding;
  struct storing storing;
  char fingerprint[SHA256_HEX_SIZE];
};

/* The parts of it that a batch has too: a common key (1: it is none), the headers, who asks, and is
 * the backend one that does the kind? */
int submission_set(struct submission *s, const char *key, const json_t *v, bool from_text,
                   struct refusal *no);
int submission_headers(struct submission *s, struct refusal *no);
void submission_client(struct submission *s);
int submission_check_backend(struct submission *s, struct refusal *no);
/* Appends the full object of parameters; or *no has all that is wrong with them. */
int submission_check_params(const struct kind *kind, const json_t *params, bool from_text,
                            struct buf *out, struct refusal *no);
void fingerprint_text(struct sha256 *h, const char *text);
void fingerprint_common(struct sha256 *h, const struct submission *s);
void fingerprint_inputs(struct sha256 *h, const struct inputs *in);

/* The steps of reading one; each sets rc and, below 0, `no`.  Between them the client may leave. */
void submission_begin(struct submission *s);  /* headers and files; takes the content */
void submission_digest(void *submission);     /* the content; any thread */
void submission_finish(struct submission *s); /* against backends, and blobs once they were found */
/* What begins a batch too: headers, and the content's taking. */
int submission_take(struct submission *s, int (*file)(void *arg, struct api_file *file), void *arg);
/* Digest of all that makes this request this request; for the Idempotency-Key. */
void submission_fingerprint(struct submission *s);
void submission_free(struct submission *s, bool refused);

#endif
