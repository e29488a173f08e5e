/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OUTPUT_PNG_H
#define OUTPUT_PNG_H

#include <stdbool.h>
#include <stdint.h>

struct out;

/* RGB, 8 bits, `rows` of 3 * width bytes one after the other.  False: libpng refused. */
bool png_build(struct out *o, const uint8_t *rgb, int width, int height);

#endif
