/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * STL into welded facets: a point that is there several times, bit for bit, is one node.
 */
#include "facets/facets_read.h"

#include "base/out.h"
#include "facets/facets.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HEADER        84
#define FACET         50
#define PART_NAME_MAX 200
#define DIGITS        15 /* a double holds any number of so many digits */

static size_t hash_of(const double p[3]) {
  uint64_t bits[3];
  memcpy(bits, p, sizeof bits);
  uint64_t h = bits[0] * 0x9e3779b97f4a7c15u;
  h = (h ^ h >> 29 ^ bits[1]) * 0xbf58476d1ce4e5b9u;
  h = (h ^ h >> 32 ^ bits[2]) * 0x94d049bb133111ebu;
  return (size_t)(h ^ h >> 31);
}

static void rehash(struct facets_writer *w) {
  size_t size = 2 * (w->mask + 1);
  free(w->slots);
  w->slots = out_alloc(size, sizeof *w->slots);
  w->mask = size - 1;
  for (size_t n = 0; n < w->f->node_count; n++) {
    size_t at = hash_of(w->f->xyz + 3 * n) & w->mask;
    while (w->slots[at])
      at = (at + 1) & w->mask;
    w->slots[at] = (uint32_t)n + 1;
  }
}

static uint32_t weld(struct facets_writer *w, const double p[3]) {
  struct facets *f = w->f;
  size_t at = hash_of(p) & w->mask;
  for (; w->slots[at]; at = (at + 1) & w->mask) {
    const double *q = f->xyz + 3 * ((size_t)w->slots[at] - 1);
    if (q[0] == p[0] && q[1] == p[1] && q[2] == p[2])
      return w->slots[at] - 1;
  }
  if (f->node_count == f->node_cap) {
    f->xyz = out_again(f->xyz, 3 * f->node_cap, 6 * f->node_cap, sizeof *f->xyz);
    f->node_cap *= 2;
  }
  memcpy(f->xyz + 3 * f->node_count, p, 3 * sizeof *p);
  w->slots[at] = (uint32_t)++f->node_count;
  if (f->node_count > w->mask / 2)
    rehash(w);
  return (uint32_t)f->node_count - 1;
}

bool facets_add(struct facets_writer *w, const double xyz[9], uint32_t part) {
  struct facets *f = w->f;
  if (f->count >= UINT32_MAX / 4)
    return false;
  if (f->count == f->cap) {
    f->node = out_again(f->node, 3 * f->cap, 6 * f->cap, sizeof *f->node);
    f->part = out_again(f->part, f->cap, 2 * f->cap, sizeof *f->part);
    f->cap *= 2;
  }
  for (size_t k = 0; k < 3; k++) {
    double p[3];
    for (size_t i = 0; i < 3; i++) {
      p[i] = xyz[3 * k + i] + 0.0; /* -0 is 0 */
      if (!isfinite(p[i]))
        return false;
    }
    f->node[3 * f->count + k] = weld(w, p);
  }
  f->part[f->count++] = part;
  return true;
}

uint32_t facets_add_part(struct facets *f, const char *name, size_t len) {
  size_t n = f->part_count;
  if ((n & (n - 1)) == 0) /* room for the next power of two */
    f->part_names = out_again(f->part_names, n, n ? 2 * n : 1, sizeof *f->part_names);
  f->part_names[n] = out_alloc(PART_NAME_MAX + 1, 1);
  memcpy(f->part_names[n], name, len < PART_NAME_MAX ? len : PART_NAME_MAX);
  f->part_count++;
  return (uint32_t)n;
}

static bool read_binary(struct facets_writer *w, const char *data, size_t size) {
  facets_add_part(w->f, "", 0);
  for (const char *p = data + HEADER; p + FACET <= data + size; p += FACET) {
    float xyz[9];
    double wide[9];
    memcpy(xyz, p + 12, sizeof xyz);
    for (int k = 0; k < 9; k++)
      wide[k] = (double)xyz[k];
    if (!facets_add(w, wide, 0))
      return false;
  }
  return true;
}

/* What strtod does with "-12.5e3", several times as fast where the digits fit a double.  `end` is
 * readable: the caller sees to it that white space follows. */
static double facets_read_number(const char **at, const char *end) {
  static const double TENS[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
  const char *p = *at, *from = p;
  char text[64];
  uint64_t value = 0;
  int digits = 0, behind = 0;
  bool point = false, negative = p < end && *p == '-';
  p += p < end && (*p == '-' || *p == '+');
  for (; p < end && (isdigit((unsigned char)*p) || (*p == '.' && !point)); p++) {
    if (*p == '.') {
      point = true;
      continue;
    }
    if (digits <= DIGITS)
      value = value * 10 + (uint64_t)(*p - '0');
    digits += value > 0;
    behind += point;
  }
  bool plain = p == end || isspace((unsigned char)*p);
  if (plain && digits <= DIGITS && behind <= DIGITS) {
    *at = p;
    return (negative ? -1 : 1) * (double)value / TENS[behind];
  }
  while (p < end && !isspace((unsigned char)*p))
    p++;
  size_t len = (size_t)(p - from) < sizeof text - 1 ? (size_t)(p - from) : sizeof text - 1;
  memcpy(text, from, len);
  text[len] = '\0';
  *at = p;
  return strtod(text, NULL);
}

static const char *skip_blanks(const char *p, const char *end) {
  while (p < end && isspace((unsigned char)*p))
    p++;
  return p;
}

static bool word(const char *line, const char *stop, const char *word) {
  size_t len = strlen(word);
  return (size_t)(stop - line) >= len && strncasecmp(line, word, len) == 0 &&
         (line + len == stop || isspace((unsigned char)line[len]));
}

static bool read_text(struct facets_writer *w, const char *data, size_t size) {
  const char *end = data + size;
  double xyz[9] = {0};
  size_t corners = 0;
  uint32_t part = FACET_NONE;
  if (size >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0)
    data += 3;
  for (const char *p = data; p < end;) {
    const char *eol = memchr(p, '\n', (size_t)(end - p)), *stop = eol ? eol : end;
    const char *line = skip_blanks(p, stop);
    p = stop + (eol != NULL);
    if (word(line, stop, "solid")) {
      const char *name = skip_blanks(line + 5, stop);
      while (stop > name && isspace((unsigned char)stop[-1]))
        stop--;
      part = facets_add_part(w->f, name, (size_t)(stop - name));
    } else if (word(line, stop, "vertex")) {
      const char *at = line + 6;
      for (size_t i = 0; i < 3; i++) {
        at = skip_blanks(at, stop);
        xyz[3 * corners + i] = facets_read_number(&at, stop);
      }
      corners = (corners + 1) % 3;
      if (part == FACET_NONE)
        part = facets_add_part(w->f, "", 0);
      if (corners == 0 && !facets_add(w, xyz, part))
        return false;
    }
  }
  return true;
}

void facets_begin(struct facets_writer *w, struct facets *f, size_t expected) {
  size_t slots = 64;
  while (slots < 2 * expected) /* of a closed surface: half as many nodes as facets */
    slots *= 2;
  *f = (struct facets){.cap = expected, .node_cap = expected / 2 + 8};
  f->xyz = out_alloc(3 * f->node_cap, sizeof *f->xyz);
  f->node = out_alloc(3 * f->cap, sizeof *f->node);
  f->part = out_alloc(f->cap, sizeof *f->part);
  *w = (struct facets_writer){
      .f = f, .slots = out_alloc(slots, sizeof *w->slots), .mask = slots - 1};
}

bool facets_end(struct facets_writer *w) {
  free(w->slots);
  facets_measure(w->f);
  return w->f->count > 0;
}

bool facets_read(struct facets *f, const char *data, size_t size, bool binary) {
  struct facets_writer w;
  *f = (struct facets){0};
  if (binary && size < HEADER)
    return false;
  facets_begin(&w, f, binary ? size / FACET + 1 : size / 200 + 1);
  bool ok = binary ? read_binary(&w, data, size) : read_text(&w, data, size);
  return facets_end(&w) && ok;
}
