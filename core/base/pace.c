/* SPDX-License-Identifier: MIT */
#include "base/pace.h"

#include "base/backoff.h"

enum { BELIEVED = 5 }; /* limits in a row that name a time */

static int64_t doubled(int limits) {
  return backoff_delay(limits, PACE_FIRST_MS, PACE_LAST_MS);
}

/* Never earlier than was asked for, and up to a quarter later, so that several that ask the same
 * service do not come back together. */
static int64_t with_jitter(int64_t delay, uint64_t random) {
  return delay + random_up_to(random, delay / 4);
}

void pace_limited(struct pace *p, int64_t now_ms, int64_t began_ms, int64_t asked_ms,
                  uint64_t random) {
  bool news = p->room == 0 || began_ms >= p->until_ms;
  if (news && p->limits < 64)
    p->limits++;
  if (asked_ms > PACE_ASKED_MS)
    asked_ms = PACE_ASKED_MS;
  /* What the service says is better than a guess; one that says it again and again is asked less
   * often all the same. */
  int64_t guess = asked_ms <= 0          ? doubled(p->limits)
                  : p->limits > BELIEVED ? doubled(p->limits - BELIEVED)
                                         : 0;
  int64_t until = now_ms + with_jitter(asked_ms > guess ? asked_ms : guess, random);
  if (news || (asked_ms > 0 && until > p->until_ms))
    p->until_ms = until;
  if (news)
    p->room = p->room > 1 ? p->room / 2 : 1;
}

void pace_fine(struct pace *p, int64_t began_ms, int most) {
  if (p->room == 0 || began_ms < p->until_ms)
    return;
  p->limits = 0;
  if (++p->room >= most)
    *p = (struct pace){0};
}

void pace_close(struct pace *p, int64_t until_ms) {
  if (until_ms > p->until_ms)
    p->until_ms = until_ms;
  if (p->room == 0)
    p->room = 1;
}

bool pace_open(const struct pace *p, int64_t now_ms, int active) {
  return now_ms >= p->until_ms && (p->room == 0 || active < p->room);
}
