/* SPDX-License-Identifier: MIT
 *
 * Small files of well-known formats, for kinds whose declaration names the endings that they take.
 */
#include "sample.h"

#include <string.h>

/* A disk on a dark ground, 32 by 32. */
static const unsigned char png[] = {
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52,
    0x00, 0x00, 0x00, 0x20, 0x00, 0x00, 0x00, 0x20, 0x08, 0x00, 0x00, 0x00, 0x00, 0x56, 0x11, 0x25,
    0x28, 0x00, 0x00, 0x00, 0x43, 0x49, 0x44, 0x41, 0x54, 0x78, 0xda, 0x63, 0x50, 0x20, 0x00, 0x18,
    0x86, 0x9c, 0x82, 0xff, 0x30, 0x80, 0x5d, 0xc1, 0x7f, 0x64, 0x80, 0x45, 0xc1, 0xff, 0xff, 0x58,
    0x55, 0x30, 0xe0, 0x90, 0x87, 0xab, 0x60, 0xc0, 0x25, 0x0f, 0x53, 0x41, 0xac, 0x82, 0xff, 0xff,
    0x71, 0xa9, 0x18, 0x55, 0xf0, 0x9f, 0xba, 0x41, 0x4d, 0x38, 0x36, 0x09, 0xa7, 0x07, 0xc2, 0x29,
    0x8a, 0x70, 0x9a, 0x1c, 0xbc, 0x39, 0x0b, 0x00, 0xca, 0xa5, 0xc4, 0xfb, 0xaa, 0x96, 0x38, 0x9b,
    0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82};

static void put_picture(struct buf *out) {
  buf_put(out, png, sizeof png);
}

static void put_text(struct buf *out) {
  buf_puts(out, "An example of an input.\n");
}

static void put_object(struct buf *out) {
  buf_puts(out, "{}\n");
}

/* A cube of 10 mm, its sides as two triangles each, normals outwards. */
static void put_cube(struct buf *out) {
  static const unsigned char sides[6][4] = {{0, 2, 3, 1}, {4, 5, 7, 6}, {0, 1, 5, 4},
                                            {2, 6, 7, 3}, {0, 4, 6, 2}, {1, 3, 7, 5}};
  static const unsigned char halves[2][3] = {{0, 1, 2}, {0, 2, 3}};
  buf_puts(out, "solid cube\n");
  for (int side = 0; side < 6; side++)
    for (int half = 0; half < 2; half++) {
      buf_puts(out, "facet normal 0 0 0\nouter loop\n");
      for (int corner = 0; corner < 3; corner++) {
        int v = sides[side][halves[half][corner]];
        buf_printf(out, "vertex %d %d %d\n", v & 1 ? 10 : 0, v & 2 ? 10 : 0, v & 4 ? 10 : 0);
      }
      buf_puts(out, "endloop\nendfacet\n");
    }
  buf_puts(out, "endsolid cube\n");
}

bool sample_put(const char *ending, struct buf *out) {
  static const struct {
    const char *ending;
    void (*put)(struct buf *);
  } samples[] = {
      {"", put_text},        {".txt", put_text},    {".csv", put_text}, {".md", put_text},
      {".json", put_object}, {".png", put_picture}, {".stl", put_cube},
  };
  for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
    if (strcmp(samples[i].ending, ending) == 0) {
      samples[i].put(out);
      return true;
    }
  }
  return false;
}
