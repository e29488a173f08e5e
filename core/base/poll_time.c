/* SPDX-License-Identifier: MIT */
#include "base/poll_time.h"

#include <sched.h>

enum { FIRST_US = 10 };

static int processors(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

struct poll_time poll_time_new(int64_t max_us) {
  return (struct poll_time){.max_us = processors() > 1 ? max_us : 0};
}

void poll_time_learn(struct poll_time *p, int64_t waited_us) {
  if (waited_us > p->max_us) {
    p->budget_us = 0;
    return;
  }
  int64_t more = p->budget_us > 0 ? p->budget_us * 2 : FIRST_US;
  p->budget_us = more < p->max_us ? more : p->max_us;
}
