/* SPDX-License-Identifier: MIT
 *
 * Inputs that a request names as blobs are looked for on the disk, beside the loop, and held: from
 * here on retention and other requests leave them alone until the job names them.
 */
#ifndef API_FINDING_H
#define API_FINDING_H

#include "api/inputs.h"

struct finding {
  struct call *call;
  struct inputs *lists; /* each with its inputs; `bytes` and `lost` are set */
  size_t count;
  /* Also when the client went away: look at call->r.  May run before finding_start returns. */
  void (*done)(void *arg);
  void *arg;
  struct input **sought;
};

/* The fields up to `arg` are set.  What was begun cannot be stopped: it lives until done(). */
void finding_start(struct finding *f);

#endif
