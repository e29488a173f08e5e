/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FACETS_FACETS_FACES_H
#define FACETS_FACETS_FACES_H

struct facets;

/* A face is a part of the file, or what lies between creases of a part that is whole bodies. */
void facets_find_faces(struct facets *f);

#endif
