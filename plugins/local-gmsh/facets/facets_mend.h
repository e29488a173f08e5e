/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FACETS_FACETS_MEND_H
#define FACETS_FACETS_MEND_H

struct facets;

/* Everything from read to faces. */
void facets_mend(struct facets *f);

#endif
