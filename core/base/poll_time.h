/* SPDX-License-Identifier: MIT
 *
 * How long a thread polls before it sleeps.  To be woken costs as much as a short wait itself: a
 * system call of the waker, a processor that leaves its idle state.  So a thread whose waits are
 * short looks again and again for a while; one whose waits are long sleeps at once.
 *
 * The rule is that of KVM's halt polling (Linux, Documentation/virt/kvm/halt-polling.rst): a wait
 * that was shorter than the longest poll doubles the budget, a longer one takes all of it away.
 * Whoever has nothing to do pays at most one poll for it.
 */
#ifndef BASE_POLL_TIME_H
#define BASE_POLL_TIME_H

#include <stdint.h>

struct poll_time {
  int64_t max_us;    /* the longest poll; 0: never polls */
  int64_t budget_us; /* of the next wait */
};

/* With one processor to run on, polling would only keep the other side from its work: then the
 * longest poll is 0. */
struct poll_time poll_time_new(int64_t max_us);
/* A wait took so long, polled or slept. */
void poll_time_learn(struct poll_time *p, int64_t waited_us);
/* Inside of a polling loop: leaves the core to its other hardware thread for a moment. */
static inline void poll_time_relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

#endif
