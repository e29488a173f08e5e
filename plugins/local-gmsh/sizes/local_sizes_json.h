/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SIZES_LOCAL_SIZES_JSON_H
#define SIZES_LOCAL_SIZES_JSON_H

struct out;
struct outcome;
struct mesh_arrays;
struct task;

/* The median edge that came out at each, into o->local. */
void local_sizes_measure(const struct task *t, const struct mesh_arrays *s, struct outcome *o);
/* "local_sizes":[...], where there are some. */
void local_sizes_json(const struct task *t, const struct outcome *o, struct out *out);

#endif
