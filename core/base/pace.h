/* SPDX-License-Identifier: MIT
 *
 * How fast a service is asked that says "not so fast" (HTTP's 429): one clock for all who ask it.
 *
 *   free --limited--> closed until a time --time--> one at a time --fine--> two ... --> free
 *                        ^                              |
 *                        +--------limited: half---------+  each in a row closes it for longer
 *
 * Knows no clock and no dice of its own; all times are of one clock of the caller's, in ms.
 */
#ifndef BASE_PACE_H
#define BASE_PACE_H

#include <stdbool.h>
#include <stdint.h>

enum {
  PACE_FIRST_MS = 1000,   /* without a time from the service: so long, and then twice as long ... */
  PACE_LAST_MS = 300000,  /* but not longer */
  PACE_ASKED_MS = 3600000 /* and what the service asks for is believed up to here */
};

struct pace {       /* zeroed: free */
  int64_t until_ms; /* closed before */
  int limits;       /* in a row, nobody being served between them */
  int room;         /* who may ask at a time; 0: no limit of this sort */
};

/* One who began at `began_ms` was told to wait, `asked_ms` long (0: not said).  Many who asked at
 * the same time are told so at the same time, and that is one limit.  `random`: any number. */
void pace_limited(struct pace *p, int64_t now_ms, int64_t began_ms, int64_t asked_ms,
                  uint64_t random);
/* One was served.  `most`: room that counts as no limit. */
void pace_fine(struct pace *p, int64_t began_ms, int most);
/* Others were told to wait by whoever limits the rate of all of them: closed until then at least. */
void pace_close(struct pace *p, int64_t until_ms);
/* May one more ask, while `active` do? */
bool pace_open(const struct pace *p, int64_t now_ms, int active);

#endif
