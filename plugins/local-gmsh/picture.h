/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A shaded picture of a surface, drawn by the processor: no display, no GPU.
 */
#ifndef PICTURE_H
#define PICTURE_H

#include "drawing.h"
#include "names.h"
#include "out.h"

#include <pthread.h>

#define PICTURE_WIDTH_MIN 64
#define PICTURE_WIDTH_MAX 2048
#define PICTURE_WIDTH     400

/* A PNG of width x 3/4 width.  threads: bands of the picture drawn at a time. */
void picture_build(struct out *o, const struct soup *s, const struct drawing *d,
                   const struct names *names, int width, int threads, bool wires);

/* The same in a thread of its own, while the caller writes other files.  Everything given lives
 * until picture_finish(), which leaves the PNG in `out`.  width 0: no picture. */
struct picture_job {
  struct out out;
  const struct soup *s;
  const struct drawing *d;
  const struct names *names;
  int width, threads;
  bool wires; /* the edges of all triangles */
  bool started;
  pthread_t thread;
};
void picture_start(struct picture_job *job);
void picture_finish(struct picture_job *job);

/* png.c: RGB, 8 bits, `rows` of 3 * width bytes one after the other.  False: libpng refused. */
bool png_build(struct out *o, const uint8_t *rgb, int width, int height);

#endif
