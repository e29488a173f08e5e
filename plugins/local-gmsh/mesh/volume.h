/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The steps of a mesh of solids, in this order.  Each bool is false after outcome_fail.
 */
#ifndef MESH_VOLUME_H
#define MESH_VOLUME_H

#include "task/strategy.h"

#include <stdbool.h>

struct checked_mesh;
struct outcome;
struct task;

bool volume_faces(struct task *t, const struct strategy *r, struct outcome *o);
bool volume_fill(struct task *t, const struct strategy *r, struct outcome *o);
/* One level of improvement; the levels below it were done before. */
bool volume_improve(struct task *t, enum finish level, struct outcome *o);
/* Raises the order where the job asks for it, checks and measures.  *m holds the mesh afterwards,
 * also where the check fails; free it with checked_mesh_free. */
bool volume_check(struct task *t, struct checked_mesh *m, struct outcome *o);
/* Back to what volume_improve can go on from. */
void volume_reopen(struct task *t, struct checked_mesh *m);

#endif
