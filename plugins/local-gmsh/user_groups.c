/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "user_groups.h"

#include "selector.h"

#include <gmshc.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define GROUPS_MAX 64
#define NAME_BYTES 100
#define LISTED_MAX 500 /* faces of a group in result.json */

/* ---- the form ---- */

static bool refuse(struct task *t, const char *name, const char *what) {
  task_fail(t, LATHE_BAD_INPUT, "groups: \"%.60s\" %s", name, what);
  return false;
}

static bool check_group(struct task *t, const char *name, const json_t *group) {
  size_t len = strlen(name);
  bool plain = len > 0 && len <= NAME_BYTES;
  for (size_t i = 0; i < len; i++)
    plain = plain && (unsigned char)name[i] >= ' ' && name[i] != '"' && name[i] != 0x7f;
  if (!plain)
    return refuse(t, name, "is not a name of 1 to 100 bytes without quotes and control characters");
  if (!json_is_object(group))
    return refuse(t, name, "must be an object, as {\"faces\": [3, 12]}");
  const char *wrong = selector_check(group, (const char *const[]){NULL});
  return !wrong || refuse(t, name, wrong);
}

bool user_groups_read(struct task *t, const json_t *groups) {
  const char *name, *other;
  json_t *v, *w;
  if (json_object_size(groups) > GROUPS_MAX) {
    task_fail(t, LATHE_BAD_INPUT, "groups: there can be %d at most", GROUPS_MAX);
    return false;
  }
  json_object_foreach((json_t *)groups, name, v) {
    if (!check_group(t, name, v))
      return false;
    json_object_foreach(
        (json_t *)groups, other,
        w) if (w != v && strcasecmp(name, other) ==
                             0) return refuse(t, name,
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
    if (rc == LATHE_OK && (rc = selector_faces(t, "groups", name, v, &tags, &count)) == LATHE_OK)
      groups_add(&t->names.groups, GROUP_USER, 2, tags, count, name);
    free(tags);
  }
  return rc;
}

static double area_of(const struct group *g) {
  double sum = 0;
  for (size_t i = 0; i < g->count; i++) {
    double area = 0;
    int e = 0;
    gmshModelOccGetMass(2, g->tags[i], &area, &e);
    sum += e ? 0 : area;
  }
  return sum;
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
    out_printf(o, ",\"face_count\":%zu,\"area\":%.9g,\"faces\":[", group->count, area_of(group));
    for (size_t k = 0; k < group->count && k < LISTED_MAX; k++)
      out_printf(o, "%s%d", k ? "," : "", group->tags[k]);
    out_text(o, "]}");
  }
  out_text(o, "],");
  free(words);
}
