/* SPDX-License-Identifier: MIT */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

int64_t clock_wall_us(void); /* microseconds since the epoch, UTC */
int64_t clock_mono_us(void); /* CLOCK_MONOTONIC; for durations and deadlines */
int64_t clock_mono_ms(void);

#endif
