/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cad/contacts.h"

#include "base/out.h"
#include "cad/neighbours.h"
#include "model/adjacent.h"
#include "model/contact_pairs.h"
#include "model/entity.h"
#include "model/findings.h"
#include "model/groups.h"
#include "model/names.h"
#include "task/task.h"

#include <gmshc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- lists ---- */

static void side_add(struct contact_side *s, int face) {
  for (size_t i = 0; i < s->count; i++)
    if (s->faces[i] == face)
      return;
  s->faces = out_again(s->faces, s->count, s->count + 1, sizeof *s->faces);
  s->faces[s->count++] = face;
}

static struct contact *pair_of(struct contacts *c, int a, int b) {
  for (size_t i = 0; i < c->count; i++)
    if ((c->of[i].side[0].solid == a && c->of[i].side[1].solid == b) ||
        (c->of[i].side[0].solid == b && c->of[i].side[1].solid == a))
      return &c->of[i];
  return NULL;
}

static struct contact *pair_add(struct contacts *c, int a, int b) {
  c->of = out_again(c->of, c->count, c->count + 1, sizeof *c->of);
  struct contact *one = &c->of[c->count++];
  *one = (struct contact){0};
  one->side[0].solid = a;
  one->side[1].solid = b;
  return one;
}

void contacts_free(struct contacts *c) {
  for (size_t i = 0; i < c->count; i++)
    for (int k = 0; k < 2; k++)
      free(c->of[i].side[k].faces);
  free(c->of);
  *c = (struct contacts){0};
}

/* ---- own faces ---- */

struct copies { /* of the solids, in the order of their names */
  const struct names *from;
  int *solid;            /* the copy of each */
  int **faces, **copied; /* of each: its faces, and those of its copy in the same order.  Gmsh's */
  size_t *count;
};

static void copies_free(struct copies *c) {
  for (size_t i = 0; i < c->from->solid_count; i++) {
    gmshFree(c->faces[i]);
    gmshFree(c->copied[i]);
  }
  free(c->solid);
  free(c->faces);
  free(c->copied);
  free(c->count);
}

static bool copy_solids(struct copies *c) {
  size_t n = c->from->solid_count, made_n = 0;
  int *pairs = out_alloc(2 * n + 2, sizeof *pairs), *made = NULL, e = 0;
  for (size_t i = 0; i < n; i++) {
    pairs[2 * i] = 3;
    pairs[2 * i + 1] = c->from->solids[i].tag;
    c->faces[i] = adjacent_below(3, pairs[2 * i + 1], &c->count[i]);
  }
  gmshModelOccCopy(pairs, 2 * n, &made, &made_n, &e);
  bool ok = e == 0 && made_n == 2 * n;
  if (ok) { /* the kernel keeps the first ones, as in fluid.c */
    gmshModelOccSynchronize(&e);
    gmshModelRemoveEntities(pairs, 2 * n, 1, &e);
  }
  for (size_t i = 0; ok && i < n; i++) {
    size_t count = 0;
    c->solid[i] = made[2 * i + 1];
    c->copied[i] = adjacent_below(3, c->solid[i], &count);
    ok = count == c->count[i];
  }
  gmshFree(made);
  free(pairs);
  return ok && e == 0;
}

/* A copy is known as the face that its own solid had there before the cut. */
static void name_copy(struct label *to, const struct label *from, int owner) {
  bool other = from->other_number && from->other_owner == owner && from->owner != owner;
  names_inherit(to, from);
  to->number = other ? from->other_number : names_number(from);
  to->owner = owner;
  if (other) {
    free(to->name);
    to->name = from->other_name ? strdup(from->other_name) : NULL;
  }
}

static void name_copies(const struct copies *c, struct names *to) {
  for (size_t i = 0; i < c->from->solid_count; i++) {
    struct label *solid = names_find(to->solids, to->solid_count, c->solid[i]);
    if (solid)
      names_inherit(solid, &c->from->solids[i]);
    for (size_t k = 0; k < c->count[i]; k++) {
      struct label *face = names_find(to->faces, to->face_count, c->copied[i][k]);
      const struct label *old = names_face(c->from, c->faces[i][k]);
      if (face && old)
        name_copy(face, old, c->from->solids[i].owner);
    }
  }
  to->named_faces = 0;
  for (size_t i = 0; i < to->face_count; i++)
    to->named_faces += to->faces[i].name != NULL;
  names_group(to);
}

static void find_shared(const struct copies *c, struct contacts *to) {
  for (size_t a = 0; a < c->from->solid_count; a++)
    for (size_t b = a + 1; b < c->from->solid_count; b++)
      for (size_t i = 0; i < c->count[a]; i++)
        for (size_t k = 0; k < c->count[b]; k++) {
          if (c->faces[a][i] != c->faces[b][k])
            continue;
          struct contact *one = pair_of(to, c->solid[a], c->solid[b]);
          if (!one)
            one = pair_add(to, c->solid[a], c->solid[b]);
          side_add(&one->side[0], c->copied[a][i]);
          side_add(&one->side[1], c->copied[b][k]);
          one->area += fabs(entity_mass(2, c->copied[a][i]));
        }
}

bool contacts_imprint(struct names *n, struct contacts *to) {
  struct names from = *n;
  struct copies c = {.from = &from};
  c.solid = out_alloc(n->solid_count + 1, sizeof *c.solid);
  c.faces = out_alloc(n->solid_count + 1, sizeof *c.faces);
  c.copied = out_alloc(n->solid_count + 1, sizeof *c.copied);
  c.count = out_alloc(n->solid_count + 1, sizeof *c.count);
  contacts_free(to);
  bool ok = copy_solids(&c);
  if (ok) {
    names_take(n);
    name_copies(&c, n);
    find_shared(&c, to);
  }
  copies_free(&c);
  if (ok)
    names_free(&from);
  return ok;
}

/* ---- faces that are near each other ---- */

void contacts_near(const struct names *n, double gap, struct contacts *c) {
  struct solid_faces *faces = neighbours_solid_faces(n);
  for (size_t a = 0; a < n->solid_count; a++)
    for (size_t b = a + 1; b < n->solid_count; b++) {
      int one = n->solids[a].tag, other = n->solids[b].tag;
      if (!neighbours_meet(faces, a, b, gap) || pair_of(c, one, other))
        continue;
      struct facing *list = NULL;
      size_t count = neighbours_facing(faces, a, b, gap, &list);
      struct contact *pair = count ? pair_add(c, one, other) : NULL;
      for (size_t i = 0; i < count; i++) {
        side_add(&pair->side[0], list[i].face);
        side_add(&pair->side[1], list[i].other);
        pair->area += list[i].area;
        pair->gap = i ? fmin(pair->gap, list[i].gap) : list[i].gap;
      }
      free(list);
    }
  neighbours_solid_faces_free(faces);
}

/* ---- groups ---- */

/* The master is the larger solid's side. */
static void order_sides(struct contact *c) {
  double volume[2] = {0};
  int e = 0;
  for (int k = 0; k < 2; k++)
    gmshModelOccGetMass(3, c->side[k].solid, &volume[k], &e);
  if (e || volume[1] <= volume[0] * (1 + 1e-9))
    return;
  struct contact_side first = c->side[0];
  c->side[0] = c->side[1];
  c->side[1] = first;
}

void contacts_group(struct names *n, const struct contacts *c) {
  char name[40];
  for (size_t i = 0; i < c->count; i++) {
    struct contact *one = &c->of[i];
    order_sides(one);
    for (int k = 0; k < 2; k++) {
      snprintf(name, sizeof name, "contact_%zu_%s", i + 1, k ? "slave" : "master");
      groups_add(&n->groups, GROUP_CONTACT, 2, one->side[k].faces, one->side[k].count, name);
    }
  }
}

void contacts_json(const struct task *t, struct out *o) {
  char name[FOUND_NAME];
  out_text(o, "\"contacts\":[");
  for (size_t i = 0; i < t->contacts.count && i < CONTACTS_TOLD; i++) {
    const struct contact *c = &t->contacts.of[i];
    out_printf(o, "%s{\"name\":\"contact_%zu\",\"master\":", i ? "," : "", i + 1);
    findings_name(name, &t->names, c->side[0].solid);
    out_json_string(o, name);
    out_text(o, ",\"slave\":");
    findings_name(name, &t->names, c->side[1].solid);
    out_json_string(o, name);
    out_printf(o, ",\"faces\":[%zu,%zu],\"area\":%.9g,\"gap\":%.6g}", c->side[0].count,
               c->side[1].count, c->area, c->gap);
  }
  out_text(o, "],");
}
