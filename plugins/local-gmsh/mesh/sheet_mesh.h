/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MESH_SHEET_MESH_H
#define MESH_SHEET_MESH_H

#include <stdbool.h>

struct checked_mesh;
struct outcome;
struct task;

/* A mesh of faces alone, checked and measured.  As volume_check. */
bool sheet_mesh(struct task *t, struct checked_mesh *m, struct outcome *o);

#endif
