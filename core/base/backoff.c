/* SPDX-License-Identifier: MIT */
#include "base/backoff.h"

int64_t backoff_delay(int failures, int64_t first, int64_t last) {
  int64_t delay = first;
  for (int i = 1; i < failures && delay < last; i++)
    delay = delay > last / 2 ? last : delay * 2; /* so that nothing overflows */
  return delay < last ? delay : last;
}

uint64_t random_next(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

int64_t random_up_to(uint64_t random, int64_t most) {
  return (int64_t)(random % ((uint64_t)most + 1));
}
