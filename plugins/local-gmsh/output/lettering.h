/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Plain words on a picture: letters, digits, '_' and '-'.
 */
#ifndef OUTPUT_LETTERING_H
#define OUTPUT_LETTERING_H

#include <stdint.h>

#define LETTER_WIDTH  12 /* pixels, with the gap to the next */
#define LETTER_HEIGHT 18

/* Draws as much of the text as fits into `room` pixels, with its upper left corner at x, y of a
 * picture of `width` pixels in RGB, which must be high enough. */
void lettering_draw(uint8_t *rgb, int width, int x, int y, int room, const char *text);

#endif
