/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An isometric view without perspective, drawn in bands that fit the processor's cache:
 *
 *   vertices -> screen, brightness by two lights
 *        -> per band: triangles into a depth buffer of 2 x 2 samples a pixel
 *                     -> lines where faces meet -> samples averaged to pixels
 *
 * A sample is one word: which colour, how bright.
 */
#include "output/picture.h"

#include "arrays/mesh_arrays.h"
#include "base/out.h"
#include "model/names.h"
#include "output/drawing.h"
#include "output/png.h"

#include <malloc.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SS         2  /* samples a pixel, each way */
#define BAND       24 /* rows of pixels */
#define MARGIN     0.06F
#define EMPTY      0u
#define INK        1u /* lines */
#define WIRE       2u /* lines between the elements of a face */
#define FIRST      3u /* then the colours of the faces */
#define BRIGHT     1023u
#define THREADS    8
#define PALE_FACE  38 /* percent that a face to be seen through covers */
#define PALE_LINE  55
#define WIRE_FULL  24.0 /* samples: lines that long are as dark as they get */
#define WIRE_LEAST 0.3
#define LINE_NEAR  4.0F /* a line lies so many samples before its faces */

const uint8_t PICTURE_BACKGROUND[3] = {244, 245, 247};
static const uint8_t LINES[3] = {38, 44, 56}, WIRES[3] = {32, 40, 56};
static const uint8_t LIGHT_WIRES[3] = {120, 146, 184};
static const uint8_t STRONG[3] = {232, 92, 20}, PALE[3] = {176, 186, 200};

struct seen { /* a vertex on the screen; x and y in samples, z grows towards the viewer */
  float x, y, z, front, back; /* brightness of its two sides, 0..1 */
};

struct line {
  struct seen a, b;
  uint32_t word; /* INK or WIRE */
  bool pale;     /* of two faces that are not marked */
};

struct picture {
  int width, height; /* in pixels */
  const struct mesh_arrays *s;
  const struct drawing *d;
  struct seen *seen;
  uint32_t *colour_of; /* per triangle: FIRST + its face */
  uint8_t (*colours)[3];
  struct line *lines;
  size_t line_count;
  const struct picture_look *look;
  uint8_t wire[3]; /* the colour of WIRE */
  uint8_t *rgb;
  int next_band; /* taken with an atomic add */
};

struct band {
  const struct picture *p;
  int top, rows; /* in samples */
  int width;
  float *depth;
  uint32_t *word;
  float *pale_depth; /* where some faces are marked: of the others */
  uint32_t *pale_word;
};

/* Those of the C library mind NaN, and are calls. */
static inline float least(float a, float b) {
  return a < b ? a : b;
}

static inline float most(float a, float b) {
  return a > b ? a : b;
}

static inline int round_up(float x) { /* x >= 0 */
  int n = (int)x;
  return n + ((float)n < x);
}

/* ---- vertices ---- */

struct view {
  float right[3], up[3], towards[3];
};

static float dot(const float a[3], const float b[3]) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static void unit(float v[3]) {
  float len = sqrtf(dot(v, v));
  for (int i = 0; i < 3; i++)
    v[i] /= len;
}

static void cross(float r[3], const float a[3], const float b[3]) {
  r[0] = a[1] * b[2] - a[2] * b[1];
  r[1] = a[2] * b[0] - a[0] * b[2];
  r[2] = a[0] * b[1] - a[1] * b[0];
}

/* From the front right, a little from above: Z is up. */
static struct view make_view(void) {
  struct view v = {.towards = {0.75F, -1.0F, 0.7F}};
  const float z[3] = {0, 0, 1};
  unit(v.towards);
  cross(v.right, z, v.towards);
  unit(v.right);
  cross(v.up, v.towards, v.right);
  return v;
}

/* Lines are seen on a face that is not too dark. */
static float lit(const struct picture *p, float light) {
  return p->look->wires || p->look->marked ? 0.5F + light / 2 : light;
}

static float brightness(const struct view *v, const float n[3], float side) {
  static const float KEY[3] = {-0.45F, 0.68F, 0.58F}, FILL[3] = {0.85F, 0.15F, 0.5F};
  float r = side * dot(n, v->right), u = side * dot(n, v->up), t = side * dot(n, v->towards);
  float key = r * KEY[0] + u * KEY[1] + t * KEY[2], fill = r * FILL[0] + u * FILL[1] + t * FILL[2];
  return least(1, 0.42F + 0.5F * most(0, key) + 0.24F * most(0, fill));
}

static void project(struct picture *p) {
  const struct drawing *d = p->d;
  struct view v = make_view();
  float low[3] = {INFINITY, INFINITY, INFINITY}, high[3] = {-INFINITY, -INFINITY, -INFINITY};
  p->seen = out_alloc(d->vertex_count, sizeof *p->seen);
  for (size_t i = 0; i < d->vertex_count; i++) {
    float at[3] = {dot(d->position[i], v.right), dot(d->position[i], v.up),
                   dot(d->position[i], v.towards)};
    p->seen[i] = (struct seen){at[0], at[1], at[2], lit(p, brightness(&v, d->normal[i], 1)),
                               lit(p, brightness(&v, d->normal[i], -1))};
    if (!isfinite(at[0] + at[1] + at[2]))
      continue; /* what has such a corner is not drawn */
    for (int k = 0; k < 3; k++) {
      low[k] = least(low[k], at[k]);
      high[k] = most(high[k], at[k]);
    }
  }
  float w = (float)(p->width * SS), h = (float)(p->height * SS);
  float spread = most((high[0] - low[0]) / w, (high[1] - low[1]) / h);
  float scale = spread > 0 ? (1 - 2 * MARGIN) / spread : 1;
  for (size_t i = 0; i < d->vertex_count; i++) {
    struct seen *s = &p->seen[i];
    s->x = (s->x - (low[0] + high[0]) / 2) * scale + w / 2;
    s->y = h / 2 - (s->y - (low[1] + high[1]) / 2) * scale;
    s->z = (s->z - low[2]) * scale + 1; /* 0 is behind everything */
  }
}

/* ---- lines ---- */

struct side {                   /* of an edge, in an open hash table */
  uint32_t low, high, triangle; /* triangle: + 1 of the first with this edge; 0: an empty slot */
  uint8_t corner, used, drawn;
};

/* A face of a CAD file is smooth, however few its triangles; where two meet at an angle a line is
 * drawn.  The facets of an STL have creases. */
static bool meets_smoothly(const struct picture *p, size_t a, size_t b) {
  float m[3], n[3];
  bool same = p->colour_of[a] == p->colour_of[b];
  if (same && !p->d->creases)
    return true;
  drawing_triangle_normal(p->s, p->s->triangles + 3 * a, m);
  drawing_triangle_normal(p->s, p->s->triangles + 3 * b, n);
  float mn = dot(m, n), limit = same ? DRAWING_CREASE : 0.985F;
  return mn >= limit * sqrtf(dot(m, m) * dot(n, n));
}

static bool is_marked(const struct picture *p, size_t triangle) {
  return p->look->marked && p->look->marked[p->colour_of[triangle] - FIRST];
}

/* Of a triangle and the one across, which may be the same. */
static void add_line(struct picture *p, size_t triangle, size_t across, int corner, uint32_t word,
                     size_t *cap) {
  const uint32_t *v = p->d->index + 3 * triangle;
  if (p->line_count == *cap) {
    struct out grow = {(char *)p->lines, p->line_count * sizeof *p->lines,
                       p->line_count * sizeof *p->lines};
    out_room(&grow, (p->line_count + 256) * sizeof *p->lines);
    p->lines = (struct line *)(void *)grow.data;
    *cap = grow.cap / sizeof *p->lines;
  }
  p->lines[p->line_count++] = (struct line){p->seen[v[corner]], p->seen[v[(corner + 1) % 3]], word,
                                            !is_marked(p, triangle) && !is_marked(p, across)};
}

static struct side *slot_of(struct side *table, size_t mask, uint32_t a, uint32_t b) {
  uint32_t low = a < b ? a : b, high = a < b ? b : a;
  size_t at = (((uint64_t)low << 32 | high) * 0x9e3779b97f4a7c15u) >> 20 & mask;
  while (table[at].triangle && (table[at].low != low || table[at].high != high))
    at = (at + 1) & mask;
  table[at].low = low;
  table[at].high = high;
  return &table[at];
}

static void find_lines(struct picture *p) {
  const struct mesh_arrays *s = p->s;
  size_t size = 64, cap = 0;
  while (size < 3 * s->triangle_count)
    size *= 2;
  struct side *table = out_alloc(size, sizeof *table);
  for (size_t t = 0; t < s->triangle_count; t++) {
    const uint32_t *n = s->triangles + 3 * t;
    if (n[0] == n[1] || n[1] == n[2] || n[2] == n[0])
      continue;
    for (int k = 0; k < 3; k++) {
      struct side *e = slot_of(table, size - 1, n[k], n[(k + 1) % 3]);
      if (e->used++ == 0) {
        e->triangle = (uint32_t)t + 1;
        e->corner = (uint8_t)k;
      } else if (!e->drawn && !meets_smoothly(p, t, e->triangle - 1)) {
        e->drawn = 1;
        add_line(p, t, e->triangle - 1, k, INK, &cap);
      } else if (!e->drawn && p->look->wires && !(s->halves && s->halves[t] && e->triangle == t)) {
        add_line(p, t, t, k, WIRE, &cap);
      }
      if (e->used == 255)
        e->used = 2; /* more would count as one again */
    }
  }
  for (size_t i = 0; i < size; i++) /* the edges of open surfaces */
    if (table[i].used == 1)
      add_line(p, table[i].triangle - 1, table[i].triangle - 1, table[i].corner, INK, &cap);
  free(table);
}

/* ---- samples ---- */

/* Where a row of the triangle begins and ends: three half planes, a x + b y + c >= 0. */
struct half {
  float a, c; /* of the row at hand */
  float b, start;
};

static bool span_of(const struct half h[3], float *from, float *to) {
  for (int i = 0; i < 3; i++) {
    float at = -h[i].c / h[i].a;
    if (h[i].a > 0)
      *from = most(*from, at);
    else if (h[i].a < 0)
      *to = least(*to, at);
    else if (h[i].c < 0)
      return false;
  }
  return *from <= *to;
}

static void draw_triangle(const struct band *b, const struct seen *const v[3], uint32_t colour) {
  float area = (v[1]->x - v[0]->x) * (v[2]->y - v[0]->y) -
               (v[2]->x - v[0]->x) * (v[1]->y - v[0]->y);
  if (!(fabsf(area) > 1e-6F))
    return;
  float sign = area > 0 ? 1 : -1, top = least(v[0]->y, least(v[1]->y, v[2]->y)),
        bottom = most(v[0]->y, most(v[1]->y, v[2]->y));
  int y0 = round_up(most(top, (float)b->top)),
      y1 = (int)least(bottom, (float)(b->top + b->rows - 1));
  float lit[3], z[3], inverse = sign / area;
  struct half h[3];
  for (int i = 0; i < 3; i++) {
    const struct seen *p = v[i], *q = v[(i + 1) % 3];
    h[i].a = sign * (p->y - q->y);
    h[i].b = sign * (q->x - p->x);
    h[i].start = -h[i].a * p->x - h[i].b * p->y;
    lit[i] = area < 0 ? v[i]->front : v[i]->back; /* y grows downwards: the front turns left */
    z[i] = v[i]->z;
  }
  /* Corner i weighs as the half plane of the edge across from it. */
  float dz = (h[1].a * z[0] + h[2].a * z[1] + h[0].a * z[2]) * inverse;
  float dl = (h[1].a * lit[0] + h[2].a * lit[1] + h[0].a * lit[2]) * inverse * (float)BRIGHT;
  for (int y = y0; y <= y1; y++) {
    float from = 0, to = (float)(b->width - 1);
    for (int i = 0; i < 3; i++)
      h[i].c = h[i].b * (float)y + h[i].start;
    if (!span_of(h, &from, &to))
      continue;
    int x0 = round_up(from), x1 = (int)to;
    float cz = (h[1].c * z[0] + h[2].c * z[1] + h[0].c * z[2]) * inverse;
    float cl = (h[1].c * lit[0] + h[2].c * lit[1] + h[0].c * lit[2]) * inverse * (float)BRIGHT;
    float *depth = b->depth + (size_t)(y - b->top) * (size_t)b->width;
    uint32_t *word = b->word + (size_t)(y - b->top) * (size_t)b->width;
    for (int x = x0; x <= x1; x++) {
      float at = cz + dz * (float)x;
      if (at <= depth[x])
        continue;
      depth[x] = at;
      float l = cl + dl * (float)x;
      word[x] = colour << 10 | (uint32_t)(l < 0 ? 0 : l > (float)BRIGHT ? (float)BRIGHT : l);
    }
  }
}

static void draw_sample(const struct band *b, int x, int y, float z, uint32_t word) {
  y -= b->top;
  if (x < 0 || x >= b->width || y < 0 || y >= b->rows)
    return;
  size_t at = (size_t)y * (size_t)b->width + (size_t)x;
  if (z + LINE_NEAR > b->depth[at] && b->word[at] >> 10 != INK)
    b->word[at] = word << 10;
}

/* A pixel wide: SS samples, across the direction in which it moves less. */
static void draw_line(const struct band *b, const struct line *l) {
  float dx = l->b.x - l->a.x, dy = l->b.y - l->a.y;
  int steps = round_up(most(1, most(fabsf(dx), fabsf(dy))));
  bool flat = fabsf(dx) >= fabsf(dy);
  if (most(l->a.y, l->b.y) < (float)(b->top - SS) ||
      least(l->a.y, l->b.y) > (float)(b->top + b->rows + SS))
    return;
  for (int i = 0; i <= steps; i++) {
    float t = (float)i / (float)steps, x = l->a.x + t * dx, y = l->a.y + t * dy;
    float z = l->a.z + t * (l->b.z - l->a.z);
    for (int k = 0; k < (l->word == WIRE ? 1 : SS); k++) {
      float shift = (float)k - (SS - 1) / 2.0F;
      draw_sample(b, (int)((flat ? x : x + shift) + 0.5F), (int)((flat ? y + shift : y) + 0.5F), z,
                  l->word);
    }
  }
}

/* The colour of a sample, times BRIGHT + 1. */
static void add_sample(const struct picture *p, uint32_t word, uint32_t sum[3]) {
  uint32_t colour = word >> 10;
  const uint8_t *c = colour == EMPTY  ? PICTURE_BACKGROUND
                     : colour == INK  ? LINES
                     : colour == WIRE ? p->wire
                                      : p->colours[colour - FIRST];
  uint32_t bright = colour < FIRST ? BRIGHT + 1 : (word & BRIGHT) + 1;
  for (int i = 0; i < 3; i++)
    sum[i] += c[i] * bright;
}

/* The same with a pale face over it, where that is nearer or there is nothing else. */
static void add_both(const struct band *b, size_t at, uint32_t sum[3]) {
  uint32_t strong[3] = {0}, pale[3] = {0};
  bool over = b->pale_word[at] && (!b->word[at] || b->pale_depth[at] > b->depth[at]);
  uint32_t share = !over ? 0 : b->pale_word[at] >> 10 == INK ? PALE_LINE : PALE_FACE;
  add_sample(b->p, b->word[at], strong);
  add_sample(b->p, b->pale_word[at], pale);
  for (int i = 0; i < 3; i++)
    sum[i] += (strong[i] * (100 - share) + pale[i] * share) / 100;
}

static void average(const struct band *b) {
  const struct picture *p = b->p;
  for (int y = 0; y < b->rows / SS; y++) {
    uint8_t *rgb = p->rgb + 3 * (size_t)(b->top / SS + y) * (size_t)p->width;
    for (int x = 0; x < p->width; x++, rgb += 3) {
      size_t at = (size_t)(y * SS) * (size_t)b->width + (size_t)(x * SS), w = (size_t)b->width;
      uint32_t sum[3] = {0};
      if (!b->pale_word &&
          !(b->word[at] | b->word[at + 1] | b->word[at + w] | b->word[at + w + 1])) {
        memcpy(rgb, PICTURE_BACKGROUND, 3);
        continue;
      }
      for (size_t k = 0; k < SS * SS; k++) {
        size_t sample = at + k / SS * w + k % SS;
        if (b->pale_word)
          add_both(b, sample, sum);
        else
          add_sample(p, b->word[sample], sum);
      }
      for (int i = 0; i < 3; i++)
        rgb[i] = (uint8_t)(sum[i] / (SS * SS * (BRIGHT + 1)));
    }
  }
}

/* A band that draws on what lies pale over it, where there is such. */
static struct band pale_of(const struct band *b) {
  struct band pale = *b;
  if (b->pale_depth && b->pale_word) {
    pale.depth = b->pale_depth;
    pale.word = b->pale_word;
  }
  return pale;
}

static void clear(const struct band *b) {
  memset(b->depth, 0, (size_t)b->width * (size_t)b->rows * sizeof *b->depth);
  memset(b->word, 0, (size_t)b->width * (size_t)b->rows * sizeof *b->word);
}

static void draw_band(const struct band *b) {
  const struct picture *p = b->p;
  const struct band pale = pale_of(b);
  clear(b);
  if (p->look->marked)
    clear(&pale);
  float top = (float)b->top, bottom = (float)(b->top + b->rows);
  for (size_t t = 0; t < p->s->triangle_count; t++) {
    const uint32_t *i = p->d->index + 3 * t;
    const struct seen *v[3] = {&p->seen[i[0]], &p->seen[i[1]], &p->seen[i[2]]};
    if ((v[0]->y < top && v[1]->y < top && v[2]->y < top) ||
        (v[0]->y > bottom && v[1]->y > bottom && v[2]->y > bottom))
      continue;
    draw_triangle(p->look->marked && !is_marked(p, t) ? &pale : b, v, p->colour_of[t]);
  }
  for (size_t i = 0; i < p->line_count; i++)
    draw_line(p->look->marked && p->lines[i].pale ? &pale : b, &p->lines[i]);
  average(b);
}

static void *draw_bands(void *self) {
  struct picture *p = self;
  size_t samples = (size_t)p->width * SS * BAND * SS;
  struct band b = {.p = p,
                   .width = p->width * SS,
                   .depth = out_alloc(samples, sizeof *b.depth),
                   .word = out_alloc(samples, sizeof *b.word)};
  if (p->look->marked) {
    b.pale_depth = out_alloc(samples, sizeof *b.pale_depth);
    b.pale_word = out_alloc(samples, sizeof *b.pale_word);
  }
  for (;;) {
    b.top = __atomic_fetch_add(&p->next_band, 1, __ATOMIC_RELAXED) * BAND * SS;
    b.rows = p->height * SS - b.top < BAND * SS ? p->height * SS - b.top : BAND * SS;
    if (b.rows <= 0)
      break;
    draw_band(&b);
  }
  free(b.depth);
  free(b.word);
  free(b.pale_depth);
  free(b.pale_word);
  return NULL;
}

static void draw(struct picture *p, int threads) {
  pthread_t helpers[THREADS];
  int n = 0;
  while (n + 1 < threads && n < THREADS && pthread_create(&helpers[n], NULL, draw_bands, p) == 0)
    n++;
  draw_bands(p);
  while (n > 0)
    pthread_join(helpers[--n], NULL);
}

static void choose_colours(struct picture *p, const struct names *names) {
  const struct mesh_arrays *s = p->s;
  for (size_t f = 0; f < s->face_count; f++) {
    uint8_t *c = p->colours[f];
    names_colour(names, s->faces[f].tag, c);
    if (p->look->marked)
      memcpy(c, p->look->marked[f] ? STRONG : PALE, 3);
    for (int i = 0; i < 3 && p->look->wires; i++)
      c[i] = (uint8_t)(c[i] + (255 - c[i]) * 2 / 5);
    for (size_t t = s->faces[f].first; t < s->faces[f].first + s->faces[f].count; t++)
      p->colour_of[t] = FIRST + (uint32_t)f;
  }
}

/* Where elements are few pixels wide their edges are lighter, or they would cover everything. */
static void choose_wire(struct picture *p) {
  double sum = 0, count = 0;
  for (size_t i = 0; i < p->line_count; i++) {
    const struct line *l = &p->lines[i];
    if (l->word == WIRE && isfinite(l->a.x + l->b.x + l->a.y + l->b.y)) {
      sum += hypot((double)(l->b.x - l->a.x), (double)(l->b.y - l->a.y));
      count++;
    }
  }
  double share = count > 0 ? sum / count / WIRE_FULL : 1;
  share = share > 1 ? 1 : share < WIRE_LEAST ? WIRE_LEAST : share;
  for (int i = 0; i < 3; i++)
    p->wire[i] = (uint8_t)(WIRES[i] + (1 - share) * (LIGHT_WIRES[i] - WIRES[i]));
}

uint8_t *picture_draw(const struct mesh_arrays *s, const struct drawing *d,
                      const struct names *names, const struct picture_look *look) {
  struct picture p = {
      .width = look->width, .height = look->width * 3 / 4, .s = s, .d = d, .look = look};
  p.colour_of = out_alloc(s->triangle_count, sizeof *p.colour_of);
  p.colours = out_alloc(s->face_count, sizeof *p.colours);
  p.rgb = out_alloc((size_t)p.width * (size_t)p.height, 3);
  choose_colours(&p, names);
  project(&p);
  find_lines(&p);
  choose_wire(&p);
  draw(&p, look->threads);
  free(p.colour_of);
  free(p.colours);
  free(p.seen);
  free(p.lines);
  return p.rgb;
}

void picture_build(struct out *o, const struct mesh_arrays *s, const struct drawing *d,
                   const struct names *names, const struct picture_look *look) {
  uint8_t *rgb = picture_draw(s, d, names, look);
  png_build(o, rgb, look->width, look->width * 3 / 4);
  free(rgb);
}

static void *build(void *self) {
  struct picture_job *job = self;
  picture_build(&job->out, job->s, job->d, job->names, &job->look);
  return NULL;
}

void picture_start(struct picture_job *job) {
  /* The thread takes memory that was touched before: in a process of one job's life an arena of its
   * own would cost a page fault for each page, and would grow by calls that stop the other thread.
   */
  mallopt(M_ARENA_MAX, 1);
  job->started = job->look.width > 0 && pthread_create(&job->thread, NULL, build, job) == 0;
}

void picture_finish(struct picture_job *job) {
  if (job->started)
    pthread_join(job->thread, NULL);
  else if (job->look.width > 0)
    build(job);
}
