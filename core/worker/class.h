/* SPDX-License-Identifier: MIT
 *
 * What a plugin's failure means for the job.
 */
#ifndef WORKER_CLASS_H
#define WORKER_CLASS_H

#include "wire/messages.h"

#include <lathe/plugin.h>

/* Of a result that is neither LATHE_OK nor the end of a job that was cancelled. */
static inline enum wire_class class_of(int32_t code) {
  switch (code / 1000) {
  case LATHE_BAD_INPUT / 1000:
    return WIRE_BAD_INPUT;
  case LATHE_RETRY / 1000:
    return code / 100 == LATHE_RETRY_CRASH / 100 ? WIRE_CRASHED : WIRE_RETRY;
  }
  switch (code / 100) {
  case LATHE_AUTH / 100:
    return WIRE_AUTH;
  case LATHE_QUOTA / 100:
    return WIRE_QUOTA;
  case LATHE_TIMEOUT / 100:
    return WIRE_TIMEOUT;
  default:
    return WIRE_PERMANENT;
  }
}

/* The service limits the rate of requests. */
static inline bool is_rate(int32_t code) {
  return code / 100 == LATHE_RETRY_RATE / 100;
}

#endif
