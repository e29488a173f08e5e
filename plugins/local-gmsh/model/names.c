/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/names.h"

#include "base/out.h"
#include "model/groups.h"
#include "step/step_parts.h"
#include "step/step_text.h"

#include <gmshc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOT "Shapes/" /* Gmsh puts it before each */

static const uint8_t DEFAULT_RGB[3] = {77, 153, 230}; /* the original's 0.3, 0.6, 0.9 */

static void names_split(struct label *l, const char *text) {
  if (strncmp(text, ROOT, sizeof ROOT - 1) == 0)
    text += sizeof ROOT - 1;
  size_t len = strlen(text);
  while (len && text[len - 1] == '/')
    len--;
  const char *slash = memrchr(text, '/', len), *name = slash ? slash + 1 : text;
  if (len == 0)
    return;
  l->name = step_text_clean(name, len - (size_t)(name - text));
  if (slash)
    l->path = step_text_clean(text, (size_t)(slash - text));
}

/* What a screen shows.  Gmsh before 4.9 gives linear light. */
static uint8_t screen(int value) {
#if GMSH_API_VERSION_MAJOR == 4 && GMSH_API_VERSION_MINOR < 9
  double c = value / 255.0;
  value = (int)lround(255 * (c <= 0.0031308 ? 12.92 * c : 1.055 * pow(c, 1 / 2.4) - 0.055));
#endif
  return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static struct label *names_take_labels(int dim, size_t *count) {
  int *entities = NULL, e = 0;
  size_t n = 0;
  gmshModelGetEntities(&entities, &n, dim, &e);
  *count = e ? 0 : n / 2;
  struct label *labels = out_alloc(*count, sizeof *labels);
  for (size_t i = 0; i < *count; i++) {
    char *name = NULL;
    int rgba[4] = {0}, tag = labels[i].tag = entities[2 * i + 1];
    gmshModelGetEntityName(dim, tag, &name, &e);
    if (e == 0 && name)
      names_split(&labels[i], name);
    gmshFree(name);
    gmshModelGetColor(dim, tag, &rgba[0], &rgba[1], &rgba[2], &rgba[3], &e);
    labels[i].coloured = e == 0 && rgba[3] > 0; /* Gmsh's own default has alpha 0 */
    for (int k = 0; k < 3; k++)
      labels[i].rgb[k] = screen(rgba[k]);
  }
  gmshFree(entities);
  return labels;
}

static int by_tag(const void *a, const void *b) {
  const struct label *x = a, *y = b;
  return (x->tag > y->tag) - (x->tag < y->tag);
}

struct label *names_find(struct label *labels, size_t n, int tag) {
  struct label key = {.tag = tag};
  return n ? bsearch(&key, labels, n, sizeof *labels, by_tag) : NULL;
}

const struct label *names_solid(const struct names *n, int tag) {
  return names_find(n->solids, n->solid_count, tag);
}

const struct label *names_face(const struct names *n, int tag) {
  return names_find(n->faces, n->face_count, tag);
}

/* Which faces bound which solid. */
static void take_owners(struct names *n) {
  for (size_t i = 0; i < n->solid_count; i++) {
    int solid[2] = {3, n->solids[i].tag}, *faces = NULL, e = 0;
    size_t count = 0;
    gmshModelGetBoundary(solid, 2, &faces, &count, 0, 0, 0, &e);
    for (size_t k = 0; e == 0 && k + 1 < count; k += 2) {
      struct label *face = names_find(n->faces, n->face_count, faces[k + 1]);
      if (face && face->solid == 0)
        face->solid = solid[1];
      else if (face && face->other_solid == 0 && face->solid != solid[1])
        face->other_solid = solid[1];
    }
    gmshFree(faces);
  }
}

static void names_forget(struct label *l) {
  free(l->name);
  free(l->path);
  free(l->other_name);
  l->name = l->path = l->other_name = NULL;
}

static bool same(const char *a, const char *b) {
  return a && b && strcmp(a, b) == 0;
}

/* A face called as its solid, or as its neighbour in the list, has no name of its own. */
static void drop_shared(struct names *n) {
  bool *shared = out_alloc(n->face_count, sizeof *shared);
  for (size_t i = 0; i < n->face_count; i++) {
    const struct label *f = &n->faces[i], *solid = names_solid(n, f->solid);
    shared[i] = solid && same(f->name, solid->name);
    if (i && f->solid == f[-1].solid && same(f->name, f[-1].name))
      shared[i] = shared[i - 1] = true;
  }
  for (size_t i = 0; i < n->face_count; i++) {
    if (shared[i])
      names_forget(&n->faces[i]);
    n->named_faces += n->faces[i].name != NULL;
  }
  free(shared);
}

int names_number(const struct label *face) {
  return face->number ? face->number : face->tag;
}

/* A face that two solids share may be known by two names or numbers: it is in the groups of both.
 * NULL, and a number: it has no name there.  NULL and 0: there is no second one. */
struct known {
  const char *name;
  int number;
};

static struct known known_as(const struct label *face, int which) {
  if (which == 0)
    return (struct known){face->name, names_number(face)};
  return (struct known){face->other_name, face->other_number};
}

static bool is_known_as(const struct label *face, const struct known *as) {
  for (int which = 0; which < 2; which++) {
    struct known own = known_as(face, which);
    if (as->name ? same(own.name, as->name) : !own.name && own.number == as->number)
      return true;
  }
  return false;
}

/* Faces of one name may lie apart: each name is one group.  So is a face that was cut into several
 * surfaces, by its number. */
static void group_face(struct names *n, size_t first, int which, int *tags) {
  struct known as = known_as(&n->faces[first], which);
  size_t count = 0;
  char word[24];
  bool alone = !as.name && !n->faces[first].number && !n->faces[first].other_number;
  if (!as.name && !as.number)
    return;
  for (size_t k = alone ? first : 0; k < n->face_count; k++) {
    if (!is_known_as(&n->faces[k], &as))
      continue;
    if (k < first)
      return; /* done with the first of them */
    tags[count++] = n->faces[k].tag;
    if (alone)
      break; /* a face of the CAD is one surface */
  }
  snprintf(word, sizeof word, "face-%d", as.number);
  groups_add(&n->groups, as.name ? GROUP_NAMED_FACES : GROUP_FACE, 2, tags, count,
             as.name ? as.name : word);
}

void names_group(struct names *n) {
  int *tags = out_alloc(n->face_count + 1, sizeof *tags);
  groups_free(&n->groups);
  for (size_t i = 0; i < n->solid_count; i++)
    groups_add(&n->groups, GROUP_SOLID, 3, &n->solids[i].tag, 1,
               n->solids[i].name ? n->solids[i].name : "solid");
  for (size_t i = 0; i < n->face_count; i++) {
    struct known first = known_as(&n->faces[i], 0), second = known_as(&n->faces[i], 1);
    group_face(n, i, 0, tags);
    if (!(first.name ? same(first.name, second.name) : first.number == second.number))
      group_face(n, i, 1, tags);
  }
  for (size_t i = 0; i < n->edge_count; i++) {
    char word[24];
    snprintf(word, sizeof word, "edge-%d", n->edges[i]);
    groups_add(&n->groups, GROUP_EDGE, 1, &n->edges[i], 1, word);
  }
  free(tags);
  char **words = groups_words(&n->groups, "inp");
  for (size_t i = 0; i < n->solid_count; i++) {
    free(n->solids[i].group);
    n->solids[i].group = strdup(words[i]);
  }
  free(words);
}

void names_inherit(struct label *to, const struct label *from) {
  free(to->name);
  free(to->path);
  to->name = from->name ? strdup(from->name) : NULL;
  to->path = from->path ? strdup(from->path) : NULL;
  to->coloured = from->coloured;
  to->transparency = from->transparency;
  memcpy(to->rgb, from->rgb, sizeof to->rgb);
}

void names_take(struct names *n) {
  *n = (struct names){0};
  n->solids = names_take_labels(3, &n->solid_count);
  n->faces = names_take_labels(2, &n->face_count);
  qsort(n->solids, n->solid_count, sizeof *n->solids, by_tag);
  qsort(n->faces, n->face_count, sizeof *n->faces, by_tag);
  take_owners(n);
  drop_shared(n);
  names_group(n);
}

static void free_labels(struct label *labels, size_t count) {
  for (size_t i = 0; i < count; i++) {
    names_forget(&labels[i]);
    free(labels[i].group);
  }
  free(labels);
}

void names_free(struct names *n) {
  free_labels(n->solids, n->solid_count);
  free_labels(n->faces, n->face_count);
  free(n->edges);
  groups_free(&n->groups);
  *n = (struct names){0};
}

/* Tags of Gmsh's entities, *count of them; to be freed. */
static int *tags_of(int dim, size_t *count) {
  int *entities = NULL, e = 0;
  size_t n = 0;
  gmshModelGetEntities(&entities, &n, dim, &e);
  *count = e ? 0 : n / 2;
  int *tags = out_alloc(*count + 1, sizeof *tags);
  for (size_t i = 0; i < *count; i++)
    tags[i] = entities[2 * i + 1];
  gmshFree(entities);
  return tags;
}

void names_keep_faces(struct names *n) {
  size_t count = 0, kept = 0;
  int *tags = tags_of(2, &count);
  for (size_t i = 0; i < n->face_count; i++) {
    struct label *face = &n->faces[i];
    double opacity = names_opacity(n, face->tag);
    face->coloured = names_colour(n, face->tag, face->rgb);
    face->transparency = (float)(1 - opacity);
  }
  for (size_t i = 0; i < n->face_count; i++) {
    struct label *face = &n->faces[i];
    size_t k = 0;
    while (k < count && tags[k] != face->tag)
      k++;
    if (k < count)
      n->faces[kept++] = *face;
    else
      names_forget(face);
  }
  free(tags);
  free_labels(n->solids, n->solid_count);
  n->solids = NULL;
  n->face_count = kept;
  n->solid_count = n->named_faces = 0;
  for (size_t i = 0; i < kept; i++) {
    n->faces[i].solid = 0;
    if (n->faces[i].name && parts_stand_in(n->faces[i].name))
      names_forget(&n->faces[i]);
    n->named_faces += n->faces[i].name != NULL;
  }
  n->edges = tags_of(1, &n->edge_count);
  names_group(n);
}

void names_put_faces(struct names *n, struct label *faces, size_t count) {
  free_labels(n->faces, n->face_count);
  qsort(faces, count, sizeof *faces, by_tag);
  n->faces = faces;
  n->face_count = count;
  names_group(n);
}

/* Whose colour a face has: its own, or its solid's.  NULL: neither has one. */
static const struct label *colour_of(const struct names *n, int face) {
  const struct label *f = names_face(n, face);
  if (f && !f->coloured)
    f = names_solid(n, f->solid);
  return f && f->coloured ? f : NULL;
}

bool names_colour(const struct names *n, int face, uint8_t rgb[3]) {
  const struct label *l = colour_of(n, face);
  memcpy(rgb, l ? l->rgb : DEFAULT_RGB, 3);
  return l != NULL;
}

double names_opacity(const struct names *n, int face) {
  const struct label *l = colour_of(n, face);
  return l ? 1 - (double)l->transparency : 1;
}

static void add_physical(const struct group *g, int number, const char *name) {
  int e = 0;
#if GMSH_API_VERSION_MINOR >= 9
  gmshModelAddPhysicalGroup(g->dim, g->tags, g->count, number, "", &e);
#else
  gmshModelAddPhysicalGroup(g->dim, g->tags, g->count, number, &e);
#endif
  if (e == 0)
    gmshModelSetPhysicalName(g->dim, number, name, &e);
}

/* Those of the format that was written before. */
static void drop_physical(void) {
  int *groups = NULL, e = 0;
  size_t n = 0;
  gmshModelGetPhysicalGroups(&groups, &n, -1, &e);
  for (size_t i = 0; e == 0 && i + 1 < n; i += 2) {
    char *name = NULL;
    gmshModelGetPhysicalName(groups[i], groups[i + 1], &name, &e);
    if (e == 0 && name)
      gmshModelRemovePhysicalName(name, &e);
    gmshFree(name);
  }
  gmshFree(groups);
  gmshModelRemovePhysicalGroups(NULL, 0, &e);
}

void names_physical(const struct names *n, const char *format) {
  char **words = groups_words(&n->groups, format);
  bool split = groups_one_each(format);
  struct groups once = split ? groups_split(&n->groups) : n->groups;
  drop_physical();
  for (size_t i = 0; i < once.count; i++)
    if (once.of[i].count)
      add_physical(&once.of[i], (int)i + 1, words[i]);
  if (split)
    groups_free(&once);
  free(words);
}

void names_json(const struct names *n, struct out *o, size_t max) {
  out_text(o, "\"solids\":[");
  for (size_t i = 0; i < n->solid_count && i < max; i++) {
    const struct label *l = &n->solids[i];
    out_printf(o, "%s{\"solid\":%d,\"name\":", i ? "," : "", l->tag);
    out_json_string(o, l->name ? l->name : l->group);
    if (l->path) {
      out_text(o, ",\"path\":");
      out_json_string(o, l->path);
    }
    out_text(o, ",\"group\":");
    out_json_string(o, l->group);
    if (l->coloured)
      out_printf(o, ",\"color\":\"#%02x%02x%02x\"", l->rgb[0], l->rgb[1], l->rgb[2]);
    if (l->coloured && l->transparency > 0)
      out_printf(o, ",\"opacity\":%.4g", 1 - (double)l->transparency);
    out_text(o, "}");
  }
  out_printf(o, "],\"named_faces\":%zu,", n->named_faces);
}
