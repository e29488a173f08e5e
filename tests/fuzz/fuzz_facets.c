/* SPDX-License-Identifier: MIT
 *
 * Facets of an STL, mended: whatever they are, neighbours agree and every facet has its place.
 */
#include "fuzz.h"

#include "facets/facets.h"
#include "facets/facets_mend.h"
#include "facets/facets_read.h"

#include <math.h>

static void check(const struct facets *f) {
  for (size_t h = 0; h < 3 * f->count; h++) {
    MUST(f->node[h] < f->node_count);
    MUST(f->mate[h] == FACET_NONE || (f->mate[h] < 3 * f->count && f->mate[f->mate[h]] == h));
  }
  for (size_t t = 0; t < f->count; t++)
    MUST(f->shell[t] < f->shell_count && f->face[t] < f->face_count);
  for (size_t i = 0; i < f->shell_count; i++) {
    const struct shell *s = &f->shells[i];
    MUST(s->body == FACET_NONE || (s->closed && s->body < f->body_count && s->volume > 0));
  }
  MUST(!isnan(f->volume));
}

/* Small numbers of few kinds, so that facets meet. */
static size_t build(const uint8_t *data, size_t size, char *stl, size_t room) {
  size_t facets = 0;
  memset(stl, 0, 84);
  for (; 9 * (facets + 1) <= size && 84 + 50 * (facets + 1) <= room; facets++) {
    float xyz[9];
    for (size_t k = 0; k < 9; k++)
      xyz[k] = (float)(data[9 * facets + k] % 4);
    memset(stl + 84 + 50 * facets, 0, 50);
    memcpy(stl + 84 + 50 * facets + 12, xyz, sizeof xyz);
  }
  return 84 + 50 * facets;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static char stl[84 + 50 * 1000];
  struct facets f;
  if (size == 0)
    return 0;
  uint8_t how = *data++ % 3;
  size--;
  const char *bytes = (const char *)data;
  if (how == 2) {
    size = build(data, size, stl, sizeof stl);
    bytes = stl;
  }
  if (facets_read(&f, bytes, size, how != 0)) {
    facets_mend(&f);
    check(&f);
  }
  facets_free(&f);
  return 0;
}
