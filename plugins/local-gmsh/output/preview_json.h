/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OUTPUT_PREVIEW_JSON_H
#define OUTPUT_PREVIEW_JSON_H

struct geometry;
struct names;
struct out;
struct mesh_arrays;

/* The original's preview: nine coordinates a triangle. */
void preview_json_build(struct out *o, const struct mesh_arrays *s, const struct names *names,
                        const struct geometry *g, double volume);
void geometry_json(struct out *o, const struct geometry *g, double volume);

#endif
