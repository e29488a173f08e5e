/* SPDX-License-Identifier: MIT */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

int64_t clock_wall_us(void); /* microseconds since the epoch, UTC */
int64_t clock_mono_us(void); /* CLOCK_MONOTONIC; for durations and deadlines */
/* On the monotonic clock, the moment of a wall time of an earlier life; one that lies ahead counts
 * as now, for the clock was set back since. */
int64_t clock_mono_of_us(int64_t wall_us);
/* By which what is kept grows old.  The wall clock, but never ahead of the time that has passed
 * since the program began: one that is set forward makes nothing old, one that is set back makes
 * nothing older. */
int64_t clock_age_us(void);
/* For times of files that tell which was used later.  Later than each stamp before in this process,
 * and never behind the time that has passed, whatever was done to the wall clock meanwhile: what
 * was stamped less than an age ago is younger than clock_age_us() less that age.  Any thread. */
int64_t clock_stamp_us(void);
int64_t clock_mono_ms(void);
/* CPU time of this thread: what something cost, however busy the machine is. */
int64_t clock_thread_us(void);

#endif
