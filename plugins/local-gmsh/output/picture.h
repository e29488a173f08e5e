/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A shaded picture of a surface, drawn by the processor: no display, no GPU.
 */
#ifndef OUTPUT_PICTURE_H
#define OUTPUT_PICTURE_H

#include "base/out.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct drawing;
struct names;
struct mesh_arrays;

#define PICTURE_WIDTH_MIN 64
#define PICTURE_WIDTH_MAX 2048
#define PICTURE_WIDTH     400

extern const uint8_t PICTURE_BACKGROUND[3];

struct picture_look {
  int width;          /* pixels; the height is 3/4 of it */
  int threads;        /* bands of the picture drawn at a time */
  bool wires;         /* the edges of all triangles, on paler faces */
  const bool *marked; /* per face of the arrays: in a strong colour, and the others pale and to be
                         seen through; NULL: all in their own colours */
};

/* Rows of 3 bytes a pixel, for the caller to free. */
uint8_t *picture_draw(const struct mesh_arrays *s, const struct drawing *d,
                      const struct names *names, const struct picture_look *look);
/* The same as a PNG. */
void picture_build(struct out *o, const struct mesh_arrays *s, const struct drawing *d,
                   const struct names *names, const struct picture_look *look);

/* The same in a thread of its own, while the caller writes other files.  Everything given lives
 * until picture_finish(), which leaves the PNG in `out`.  look.width 0: no picture. */
struct picture_job {
  struct out out;
  const struct mesh_arrays *s;
  const struct drawing *d;
  const struct names *names;
  struct picture_look look;
  bool started;
  pthread_t thread;
};
void picture_start(struct picture_job *job);
void picture_finish(struct picture_job *job);

#endif
