/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FACETS_FACETS_JOINTS_H
#define FACETS_FACETS_JOINTS_H

struct facets;

#define FACETS_NEAR 1e-6
/* Splits facets where corners of others lie on their open edges, within `reach` of the diagonal. */
void facets_join(struct facets *f, double reach);
/* Drops facets whose corners lie on a line, if what is left closes as well as before. */
void facets_drop_lines(struct facets *f);

#endif
