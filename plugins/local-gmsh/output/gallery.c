/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "output/gallery.h"

#include "arrays/mesh_arrays.h"
#include "base/out.h"
#include "model/groups.h"
#include "model/names.h"
#include "output/drawing.h"
#include "output/lettering.h"
#include "output/picture.h"
#include "output/png.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TILE_WIDTH  320
#define TILE_HEIGHT (TILE_WIDTH * 3 / 4)
#define CAPTION     (LETTER_HEIGHT + 6)
#define CELL_HEIGHT (TILE_HEIGHT + CAPTION)
#define EDGE        8

/* Which faces of the arrays are in the group. */
static bool *marked_of(const struct mesh_arrays *s, const struct group *g) {
  bool *marked = out_alloc(s->face_count, sizeof *marked);
  int last = 0;
  for (size_t k = 0; k < g->count; k++)
    last = g->tags[k] > last ? g->tags[k] : last;
  bool *in = out_alloc((size_t)last + 1, sizeof *in);
  for (size_t k = 0; k < g->count; k++)
    if (g->tags[k] > 0)
      in[g->tags[k]] = true;
  for (size_t f = 0; f < s->face_count; f++)
    marked[f] = s->faces[f].tag > 0 && s->faces[f].tag <= last && in[s->faces[f].tag];
  free(in);
  return marked;
}

struct page {
  uint8_t *rgb;
  int width, columns;
};

static void put_tile(const struct page *p, size_t index, const uint8_t *tile, const char *word) {
  int x = (int)(index % (size_t)p->columns) * TILE_WIDTH;
  int y = (int)(index / (size_t)p->columns) * CELL_HEIGHT;
  for (int row = 0; row < TILE_HEIGHT; row++)
    memcpy(p->rgb + 3 * ((size_t)(y + row) * (size_t)p->width + (size_t)x),
           tile + (size_t)(3 * TILE_WIDTH * row), (size_t)3 * TILE_WIDTH);
  lettering_draw(p->rgb, p->width, x + EDGE, y + TILE_HEIGHT, TILE_WIDTH - 2 * EDGE, word);
}

static size_t count_groups(const struct groups *g) {
  size_t n = 0;
  for (size_t i = 0; i < g->count; i++)
    n += g->of[i].kind == GROUP_USER && g->of[i].dim == 2;
  return n;
}

void gallery_build(struct out *o, const struct mesh_arrays *s, const struct drawing *d,
                   const struct names *names, int threads) {
  const struct groups *g = &names->groups;
  size_t count = count_groups(g), index = 0;
  if (count == 0)
    return;
  int columns = (int)ceil(sqrt((double)count)), rows = ((int)count + columns - 1) / columns;
  struct page p = {.width = columns * TILE_WIDTH, .columns = columns};
  size_t bytes = (size_t)3 * (size_t)p.width * (size_t)(rows * CELL_HEIGHT);
  char **words = groups_words(g, "inp");
  p.rgb = out_alloc(bytes, 1);
  for (size_t i = 0; i < bytes; i++)
    p.rgb[i] = PICTURE_BACKGROUND[i % 3];
  for (size_t i = 0; i < g->count; i++) {
    if (g->of[i].kind != GROUP_USER || g->of[i].dim != 2)
      continue;
    bool *marked = marked_of(s, &g->of[i]);
    uint8_t *tile = picture_draw(
        s, d, names,
        &(struct picture_look){.width = TILE_WIDTH, .threads = threads, .marked = marked});
    put_tile(&p, index++, tile, words[i]);
    free(tile);
    free(marked);
  }
  png_build(o, p.rgb, p.width, rows * CELL_HEIGHT);
  free(words);
  free(p.rgb);
}
