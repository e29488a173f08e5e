/* SPDX-License-Identifier: MIT */
#include "workers/internal.h"

bool allowance_take(struct allowance *a, uint64_t now, int burst, uint64_t every_ms) {
  uint64_t more = (now - a->at) / every_ms;
  if (more > 0) {
    a->left = more < (uint64_t)(burst - a->left) ? a->left + (int)more : burst;
    a->at = now;
  }
  if (a->left == 0)
    return false;
  a->left--;
  return true;
}
