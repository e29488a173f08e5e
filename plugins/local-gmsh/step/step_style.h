/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Colours of a STEP file: which styled item counts for an item in one place of the assembly.
 */
#ifndef STEP_STEP_STYLE_H
#define STEP_STEP_STYLE_H

#include "step/step_parts.h"

#include <stddef.h>
#include <stdint.h>

struct link {
  uint32_t from, to;
};

struct links { /* sorted by `from`, then by `to` */
  struct link *of;
  size_t count, cap;
};

void links_add(struct links *l, uint32_t from, uint32_t to);
void links_sort(struct links *l);
void links_free(struct links *l);
/* The first of *count links from `from`. */
const struct link *links_from(const struct links *l, uint32_t from, size_t *count);

struct chain { /* the usages from the root to an item, and the definition that holds it */
  const uint32_t *usages;
  size_t count;
  uint32_t definition;
};

struct styles {
  const struct step *step;
  struct links items;    /* item -> styled item */
  struct links contexts; /* representation -> what it shows: a usage or a definition */
};

void styles_open(struct styles *s, const struct step *step);
void styles_close(struct styles *s);
/* A style for a place above the item counts more than the item's own. */
struct tint styles_find(const struct styles *s, uint32_t item, const struct chain *where);

#endif
