/* SPDX-License-Identifier: MIT
 *
 * Inputs that came inside the JSON become blobs, one after the other.
 */
#ifndef API_STORING_H
#define API_STORING_H

#include "api/inputs.h"

struct storing {
  struct call *call;
  struct inputs *inputs;
  /* code 0, or what kept the input `at` from being stored.  Also when the client went away: look at
   * call->r.  May run before storing_start returns. */
  void (*done)(void *arg, int code, const struct err *err);
  void *arg;
  size_t at;
  struct storage_upload *upload;
};

/* The fields up to `arg` are set; returns at once. */
void storing_start(struct storing *s);
/* For the owner's end: what is under way is dropped, and done() does not come any more. */
void storing_abort(struct storing *s);

#endif
