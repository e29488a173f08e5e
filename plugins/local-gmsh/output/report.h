/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OUTPUT_REPORT_H
#define OUTPUT_REPORT_H

struct out;
struct outcome;
struct quality;
struct mesh_arrays;
struct task;

struct report_pictures { /* PNGs; each may be empty */
  const struct out *mesh, *groups;
};
/* One page without anything from outside. */
void report_build(struct out *o, const struct task *t, const struct mesh_arrays *s,
                  const struct quality *q, const struct outcome *r,
                  const struct report_pictures *pictures);

#endif
