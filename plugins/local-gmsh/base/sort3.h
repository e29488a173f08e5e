/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The three nodes of a triangle in ascending order: equal triangles then have equal nodes.
 */
#ifndef BASE_SORT3_H
#define BASE_SORT3_H

#include <stdint.h>

static inline void sort3(uint32_t n[3]) {
  for (int k = 0; k < 3; k++)
    if (n[k % 2] > n[k % 2 + 1]) {
      uint32_t swap = n[k % 2];
      n[k % 2] = n[k % 2 + 1];
      n[k % 2 + 1] = swap;
    }
}

#endif
