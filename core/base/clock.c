/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include <stdatomic.h>
#include <time.h>

static int64_t clock_read_ns(clockid_t id) {
  struct timespec t;
  clock_gettime(id, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t clock_wall_us(void) {
  return clock_read_ns(CLOCK_REALTIME) / 1000;
}

int64_t clock_mono_us(void) {
  return clock_read_ns(CLOCK_MONOTONIC) / 1000;
}

int64_t clock_mono_of_us(int64_t wall_us) {
  int64_t past = clock_wall_us() - wall_us;
  return clock_mono_us() - (past > 0 ? past : 0);
}

static int64_t clock_began_us; /* wall time, less the monotonic one, as the program began */

__attribute__((constructor)) static void clock_begin(void) {
  clock_began_us = clock_wall_us() - clock_mono_us();
}

int64_t clock_age_us(void) {
  int64_t wall = clock_wall_us(), passed = clock_began_us + clock_mono_us();
  return wall < passed ? wall : passed;
}

int64_t clock_stamp_us(void) {
  static atomic_int_least64_t latest;
  int64_t wall = clock_wall_us(), passed = clock_began_us + clock_mono_us();
  int64_t before = atomic_load(&latest), stamp;
  do {
    stamp = wall > passed ? wall : passed;
    stamp = stamp > before ? stamp : before + 1;
  } while (!atomic_compare_exchange_weak(&latest, &before, stamp));
  return stamp;
}

int64_t clock_thread_us(void) {
  return clock_read_ns(CLOCK_THREAD_CPUTIME_ID) / 1000;
}

int64_t clock_mono_ms(void) {
  return clock_read_ns(CLOCK_MONOTONIC) / 1000000;
}
