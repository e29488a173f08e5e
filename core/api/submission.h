/* SPDX-License-Identifier: MIT
 *
 * What a client asks for with POST /api/jobs/{kind}, from a form or from JSON.
 */
#ifndef API_SUBMISSION_H
#define API_SUBMISSION_H

#include "api/inputs.h"

struct submission {
  struct call call;
  const struct kind *kind;
  struct inputs inputs;
  struct buf params; /* checked, defaults filled in */
  char *backend, *client, *idem_key;
  int priority;
  int64_t timeout_ms;
  int wait_s;
  bool anew;      /* an earlier result will not do */
  size_t storing; /* index of the input that is being stored */
  struct storage_upload *upload;
  char fingerprint[SHA256_HEX_SIZE];
};

int submission_parse(struct submission *s, struct refusal *no);
/* Digest of all that makes this request this request; for the Idempotency-Key. */
void submission_fingerprint(struct submission *s);
void submission_free(struct submission *s, bool refused);

#endif
