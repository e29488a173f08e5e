/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "task/outcome.h"

#include <lathe/plugin.h>
#include <stdio.h>
#include <string.h>

const char *const STAGE_NAMES[] = {"import", "edges", "faces", "volume", "optimise", "write"};
const char *const REASON_NAMES[] = {
    "none", "errors",      "empty", "inverted", "volume_off", "crashed",      "slow", "solids_lost",
    "part", "not_written", "same",  "overlap",  "not_closed", "not_periodic", "hangs"};

void warnings_append(char *list, size_t size, const char *fmt, va_list args) {
  size_t len = strlen(list);
  if (len && len + 3 < size) {
    memcpy(list + len, "; ", 3);
    len += 2;
  }
  vsnprintf(list + len, size - len, fmt, args);
}

void outcome_warn(struct outcome *o, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  warnings_append(o->warnings, sizeof o->warnings, fmt, args);
  va_end(args);
}

bool outcome_fail(struct outcome *o, enum reason reason, const char *fmt, ...) {
  if (o->code != LATHE_OK)
    return false;
  va_list args;
  va_start(args, fmt);
  vsnprintf(o->text, sizeof o->text, fmt, args);
  va_end(args);
  o->code = reason == REASON_WRITE ? LATHE_RETRY : LATHE_BAD_INPUT;
  o->reason = reason;
  return false;
}
