/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "select/user_groups.h"

#include "base/out.h"
#include "model/entity.h"
#include "model/groups.h"
#include "model/names.h"
#include "select/selector.h"
#include "task/task.h"

#include <gmshc.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define GROUPS_MAX 64
#define NAME_BYTES 100
#define LISTED_MAX 500 /* faces of a group in result.json */

/* ---- the form ---- */

static bool check_group(struct task *t, const char *name, const json_t *group) {
  size_t len = strlen(name);
  bool plain = len > 0 && len <= NAME_BYTES;
  for (size_t i = 0; i < len; i++)
    plain = plain && (unsigned char)name[i] >= ' ' && name[i] != '"' && name[i] != 0x7f;
  if (!plain)
    return task_refuse(t, "groups", name,
                       "is not a name of 1 to 100 bytes without quotes and control characters");
  if (!json_is_object(group))
    return task_refuse(t, "groups", name, "must be an object, as {\"faces\": [3, 12]}");
  static const char *const NO_OTHERS[] = {NULL};
  bool edges = selector_is_of_edges(group);
  const char *wrong = (edges ? selector_check_edges : selector_check)(group, NO_OTHERS);
  if (wrong)
    return task_refuse(t, "groups", name, wrong);
  return !edges || t->flat ||
         task_refuse(
             t, "groups", name,
             "is a group of edges, which a mesh of solids does not hold; ask for dimension=2, "
             "or choose faces");
}

bool user_groups_read(struct task *t, const json_t *groups) {
  const char *name, *other;
  json_t *v, *w;
  if (json_object_size(groups) > GROUPS_MAX) {
    task_fail(t, LATHE_BAD_INPUT, "groups: there are %zu, and there can be %d at most",
              json_object_size(groups), GROUPS_MAX);
    return false;
  }
  json_object_foreach((json_t *)groups, name, v) {
    if (!check_group(t, name, v))
      return false;
    json_object_foreach(
        (json_t *)groups, other,
        w) if (w != v &&
               strcasecmp(name, other) ==
                   0) return task_refuse(t, "groups", name,
                                         "is there twice, but for the case of its letters");
  }
  t->params.groups = json_incref((json_t *)groups);
  return true;
}

/* ---- the groups ---- */

int32_t user_groups_find(struct task *t) {
  const char *name;
  json_t *v;
  int32_t rc = LATHE_OK;
  json_object_foreach((json_t *)t->params.groups, name, v) {
    int *tags = NULL;
    size_t count = 0;
    bool edges = selector_is_of_edges(v);
    if (rc == LATHE_OK)
      rc = (edges ? selector_edges : selector_faces)(t, "groups", name, v, &tags, &count);
    if (rc == LATHE_OK)
      groups_add(&t->names.groups, GROUP_USER, edges ? 1 : 2, tags, count, name);
    free(tags);
  }
  return rc;
}

/* The area of faces, the length of edges. */
static double size_of(const struct group *g) {
  double sum = 0;
  for (size_t i = 0; i < g->count; i++)
    sum += entity_mass(g->dim, g->tags[i]);
  return sum;
}

struct listed {
  int *of;
  size_t count;
};

static void list_once(struct out *o, struct listed *l, int number) {
  for (size_t k = 0; k < l->count; k++)
    if (l->of[k] == number)
      return;
  if (number == 0 || l->count == LISTED_MAX)
    return;
  l->of[l->count++] = number;
  out_printf(o, "%s%d", l->count > 1 ? "," : "", number);
}

/* By the numbers that the user knows: pieces of one face have one, a face of two solids has two. */
static void put_numbers(struct out *o, const struct names *n, const struct group *g) {
  struct listed l = {out_alloc(LISTED_MAX, sizeof *l.of), 0};
  for (size_t i = 0; i < g->count; i++) {
    const struct label *face = g->dim == 2 ? names_face(n, g->tags[i]) : NULL;
    list_once(o, &l, face ? names_number(face) : g->tags[i]);
    list_once(o, &l, face ? face->other_number : 0);
  }
  free(l.of);
}

void user_groups_json(const struct task *t, struct out *o) {
  const struct groups *g = &t->names.groups;
  size_t n = 0;
  if (json_object_size(t->params.groups) == 0)
    return;
  char **words = groups_words(g, "inp");
  out_text(o, "\"groups\":[");
  for (size_t i = 0; i < g->count; i++) {
    const struct group *group = &g->of[i];
    if (group->kind != GROUP_USER)
      continue;
    out_text(o, n++ ? ",{\"name\":" : "{\"name\":");
    out_json_string(o, group->name);
    out_text(o, ",\"group\":");
    out_json_string(o, words[i]);
    out_printf(o,
               group->dim == 2 ? ",\"face_count\":%zu,\"area\":%.9g,\"faces\":["
                               : ",\"edge_count\":%zu,\"length\":%.9g,\"edges\":[",
               group->count, size_of(group));
    put_numbers(o, &t->names, group);
    out_text(o, "]}");
  }
  out_text(o, "],");
  free(words);
}
