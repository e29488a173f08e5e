/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FACETS_FACETS_READ_H
#define FACETS_FACETS_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct facets;

/* Takes the bytes of an STL that sniff.c let pass.  False: too many facets, or none. */
bool facets_read(struct facets *f, const char *data, size_t size, bool binary);
/* The same out of another file, facet by facet. */
struct facets_writer {
  struct facets *f;
  uint32_t *slots; /* of a hash table: node + 1 */
  size_t mask;
};
void facets_begin(struct facets_writer *w, struct facets *f, size_t expected);
/* Copies the name, as much of it as is kept; "" for none. */
uint32_t facets_add_part(struct facets *f, const char *name, size_t len);
/* False: a corner is not a number, or there are too many. */
bool facets_add(struct facets_writer *w, const double xyz[9], uint32_t part);
bool facets_end(struct facets_writer *w); /* false: there are none */

#endif
