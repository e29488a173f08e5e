/* SPDX-License-Identifier: MIT
 *
 * The plugin under the real lathe-worker, driven by the daemon's own code.
 */
#ifndef CHECK_RIG_H
#define CHECK_RIG_H

#include "example.h"
#include "workers/workers.h"

struct outcome {
  bool done;
  enum step_class class;
  int32_t code;
  char message[1000];
  struct given_artifact *artifacts; /* copies */
  size_t artifact_count;
  int64_t took_ms;
};

struct rig;
/* Starts the backend and waits until it is ready.  NULL after fail(). */
struct rig *rig_open(struct tool *t, int slots);
/* One job; cancelled after so many milliseconds (below 0: not).  False after fail(): it did not
 * end. */
bool rig_run(struct rig *r, const struct example *e, int64_t cancel_after_ms, struct outcome *out);
/* Waits for the backend to be ready again.  False after fail(). */
bool rig_ready(struct rig *r);
/* note() of how jobs are locked in, for a plugin that says it can be. */
void rig_note_jail(struct rig *r);
int rig_restarts(const struct rig *r);
void rig_close(struct rig *r);

#endif
