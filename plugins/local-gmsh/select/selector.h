/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One way to say which faces are meant, for every parameter that chooses faces: by number, by name
 * or by where they lie.  {"faces": [3, 12]}, {"normal": [0, 0, 1], "angle": 5}, ...
 * Edges alike, where a parameter takes them: {"edges": [3]}, {"of": "edges", "box": [...]}.
 */
#ifndef SELECT_SELECTOR_H
#define SELECT_SELECTOR_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct task;

/* Whether the object says in one way which faces are meant, and holds no key beside that but
 * `others` (NULL at the end).  NULL: it does.  Else what is wrong with it, to follow its name. */
const char *selector_check(const json_t *selector, const char *const *others);
/* Whether one of the ways to choose faces is in it. */
bool selector_is_in(const json_t *object);
/* The faces of Gmsh's model that are meant, into *tags (out_alloc'ed, for the caller to free), at
 * least one.  LATHE_OK, or a class after task_fail, which names `parameter` and `name`. */
int32_t selector_faces(struct task *t, const char *parameter, const char *name,
                       const json_t *selector, int **tags, size_t *count);

/* The same for edges.  selector_is_of_edges says which of the two a selector is. */
bool selector_is_of_edges(const json_t *selector);
const char *selector_check_edges(const json_t *selector, const char *const *others);
int32_t selector_edges(struct task *t, const char *parameter, const char *name,
                       const json_t *selector, int **tags, size_t *count);

/* Arrays of numbers, for other parameters of this kind. */
bool selector_is_numbers(const json_t *v, size_t count);
void selector_numbers(const json_t *v, double *to, size_t count);
/* A list of at least one whole number from 1 up. */
bool selector_is_list(const json_t *v);
bool selector_is_box(const json_t *v);

/* Three numbers that are not all 0. */
bool selector_is_direction(const json_t *v);

#endif
