/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The parameter `groups`: groups of faces that the user asks for, by number, name or place.
 */
#ifndef SELECT_USER_GROUPS_H
#define SELECT_USER_GROUPS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct out;
struct task;

/* Checks the parameter's form and keeps it in t->params.groups.  False after task_fail. */
bool user_groups_read(struct task *t, const json_t *groups);
/* Finds the faces in Gmsh's model and adds the groups to t->names.  LATHE_OK, or a class after
 * task_fail: a group without faces. */
int32_t user_groups_find(struct task *t);
/* "groups":[{"name","group","faces":[...],"face_count","area"}], where there are some; of edges
 * "edges", "edge_count", "length". */
void user_groups_json(const struct task *t, struct out *o);

#endif
