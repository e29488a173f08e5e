/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OUTPUT_PERIODIC_FILE_H
#define OUTPUT_PERIODIC_FILE_H

struct checked_mesh;
struct out;
struct task;

/* periodic.json: numbers of nodes as in mesh.inp, mesh.bdf and mesh.unv. */
void periodic_file_build(struct out *o, const struct task *t, const struct checked_mesh *m);

#endif
