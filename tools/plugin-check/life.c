/* SPDX-License-Identifier: MIT */
#include "life.h"

#include <string.h>

enum { POLL_MS = 50, POLL_MOST_MS = 2000 };

bool life_poll(struct tool *t, const struct example *e, struct record *r) {
  int64_t limit = t->limit_ms / 4 * 3, until = now_ms() + limit;
  for (;;) {
    sim_step(t, TO_POLL, e, NULL, r);
    bool again = r->result == LATHE_PENDING ||
                 (r->result / 1000 == LATHE_RETRY / 1000 && r->result != LATHE_RETRY_ANEW);
    if (!again)
      return true;
    int64_t wait = r->retry_after_ms > 0 ? r->retry_after_ms : POLL_MS;
    nap_ms(wait < POLL_MOST_MS ? wait : POLL_MOST_MS);
    if (now_ms() > until) {
      fail(t, "%s: poll() still gives %d after %lld s", e->kind, r->result,
           (long long)(limit / 1000));
      return false;
    }
  }
}

bool life_whole(struct tool *t, const struct example *e, struct record *r) {
  if (!sim_plugin()->remote) {
    sim_run(t, e, r);
    return r->returned && r->result == LATHE_OK;
  }
  memset(r, 0, sizeof *r);
  sim_step(t, TO_SUBMIT, e, NULL, r);
  if (r->result != LATHE_OK)
    return false;
  if (r->finished_checkpoints == 0) {
    fail(t,
         "%s: submit() gave LATHE_OK without a checkpoint(): after a crash nobody would find the "
         "job",
         e->kind);
    return false;
  }
  if (!life_poll(t, e, r) || r->result != LATHE_OK)
    return false;
  sim_step(t, TO_FETCH, e, NULL, r);
  return r->result == LATHE_OK;
}

bool life_must(struct tool *t, const struct example *e, struct record *r) {
  if (life_whole(t, e, r))
    return true;
  if (r->returned)
    fail(t, "the example job of %s did not complete: result %d: %s", e->kind, r->result,
         r->error[0] ? r->error : "no message (host->error())");
  return false;
}

void life_judge(struct tool *t, const struct example *e, const struct record *r) {
  struct given_artifact given[ARTIFACTS_SEEN];
  for (int i = 0; i < r->artifact_count; i++)
    given[i] = (struct given_artifact){r->artifacts[i].name, r->artifacts[i].media_type};
  if (r->breach[0])
    fail(t, "%s: %s", e->kind, r->breach);
  example_check_artifacts(t, e, given, (size_t)r->artifact_count);
}
