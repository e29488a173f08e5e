/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the STEP text says about the solids and faces that the CAD kernel made of it.  Kernel and
 * text go through the assembly in one order; that a solid of the one is that of the other is
 * checked by its label, the number of its faces and what surface each lies on.
 */
#include "model/names_step.h"

#include "base/file_view.h"
#include "base/out.h"
#include "model/names.h"
#include "step/step.h"
#include "step/step_parts.h"
#include "step/step_text.h"

#include <gmshc.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_MAX 5000000 /* compared, where the orders differ */

/* The kernel's label ends with the product's name. */
static bool label_fits(const struct label *l, const struct part *p) {
  const char *product = p->product ? p->product : "";
  const char *pieces[] = {l->path ? l->path : "", "/", l->name ? l->name : ""};
  size_t left = strlen(product);
  while (left && product[left - 1] == '/') /* the label lost it */
    left--;
  if (left <= strlen(pieces[2]))
    return left == strlen(pieces[2]) && memcmp(product, pieces[2], left) == 0;
  for (int i = 2; i >= 0 && left; i--) {
    size_t len = strlen(pieces[i]), n = len < left ? len : left;
    if (memcmp(product + left - n, pieces[i] + len - n, n) != 0)
      return false;
    left -= n;
  }
  return left == 0;
}

static bool surface_fits(int face, enum step_kind surface) {
  static const char *const TYPES[] = {[STEP_PLANE] = "Plane",
                                      [STEP_CYLINDER] = "Cylinder",
                                      [STEP_CONE] = "Cone",
                                      [STEP_SPHERE] = "Sphere",
                                      [STEP_TORUS] = "Torus"};
  char *type = NULL;
  int e = 0;
  if (surface < STEP_PLANE || surface > STEP_TORUS)
    return true;
  gmshModelGetType(2, face, &type, &e);
  bool fits = e == 0 && type && strcmp(type, TYPES[surface]) == 0;
  gmshFree(type);
  return fits;
}

struct faces { /* of one solid, in the order of their numbers */
  struct label **of;
  size_t count;
};

/* The kernel makes another surface of a few (a torus that cuts itself, a spline that is flat); in
 * another order many would differ. */
static bool faces_fit(const struct faces *f, const struct part *p) {
  size_t odd = 0;
  for (size_t i = 0; f->count == p->face_count && i < f->count; i++)
    odd += !surface_fits(f->of[i]->tag, p->faces[i].surface);
  return f->count == p->face_count && 20 * odd <= f->count;
}

static void replace(char **to, const char *text) {
  free(*to);
  *to = text ? step_text_clean(text, strlen(text)) : NULL;
}

static void tint_label(struct label *l, const struct tint *t) {
  if (!t->known)
    return;
  l->coloured = true;
  l->transparency = t->transparency;
  memcpy(l->rgb, t->rgb, sizeof l->rgb);
}

/* A name that all faces of a solid share says nothing about a face. */
static bool one_name(const struct part *p) {
  for (size_t i = 0; i < p->face_count; i++)
    if (!p->faces[i].name || strcmp(p->faces[i].name, p->faces[0].name) != 0)
      return false;
  return p->face_count > 1;
}

static void fill_faces(const struct faces *f, const struct part *p) {
  bool named = !one_name(p);
  for (size_t i = 0; i < f->count; i++) {
    if (named && p->faces[i].name)
      replace(&f->of[i]->name, p->faces[i].name);
    tint_label(f->of[i], &p->faces[i].tint);
  }
}

/* ---- which part is which solid ---- */

struct match {
  const struct parts *parts;
  size_t solids;
  bool labelled; /* else each part is known by its place */
  bool *used;
  size_t steps;
};

/* The kernel has no name for a solid that the file shows in several ways, and garbles damaged codes
 * and letters in another encoding than it expects; then the solid is known by its place. */
static bool by_place(const struct match *m, const struct label *l, const struct part *p) {
  return m->solids == m->parts->count &&
         (!m->labelled || m->solids == 1 || parts_stand_in(l->name) || p->coded);
}

static struct part *pick(struct match *m, size_t i, const struct label *l, const struct faces *f) {
  size_t n = m->parts->count;
  for (size_t k = 0; k < n && m->steps < STEPS_MAX; k++) {
    size_t at = (i + k) % n;
    struct part *p = &m->parts->of[at];
    m->steps += 1 + (m->used[at] ? 0 : p->face_count);
    bool called = label_fits(l, p) || (k == 0 && by_place(m, l, p));
    if (m->used[at] || !called || !faces_fit(f, p))
      continue;
    m->used[at] = true;
    return p;
  }
  return NULL;
}

/* Where no part fits in full: one that is called so, for its name alone. */
static const struct part *pick_name(const struct match *m, size_t i, const struct label *l) {
  size_t n = m->parts->count;
  if (i < n && by_place(m, l, &m->parts->of[i]))
    return &m->parts->of[i];
  for (size_t k = 0; k < n && k < 1000; k++)
    if (!m->used[(i + k) % n] && label_fits(l, &m->parts->of[(i + k) % n]))
      return &m->parts->of[(i + k) % n];
  return NULL;
}

static void fill_solid(struct match *m, size_t i, struct label *l, const struct faces *f) {
  const struct part *p = pick(m, i, l, f);
  bool whole = p != NULL;
  p = p ? p : pick_name(m, i, l);
  if (!p)
    return;
  replace(&l->name, p->name);
  replace(&l->path, p->path);
  tint_label(l, &p->tint);
  if (whole)
    fill_faces(f, p);
}

static int by_solid(const void *a, const void *b) {
  const struct label *x = *(struct label *const *)a, *y = *(struct label *const *)b;
  if (x->solid != y->solid)
    return (x->solid > y->solid) - (x->solid < y->solid);
  return (x->tag > y->tag) - (x->tag < y->tag);
}

/* The faces by solid; to be freed. */
static struct label **by_owner(const struct names *n) {
  struct label **faces = out_alloc(n->face_count + 1, sizeof *faces);
  for (size_t i = 0; i < n->face_count; i++)
    faces[i] = &n->faces[i];
  qsort(faces, n->face_count, sizeof *faces, by_solid);
  return faces;
}

/* Goes on from *at, which ends behind them. */
static struct faces faces_of(const struct names *n, struct label **faces, size_t *at, int solid) {
  while (*at < n->face_count && faces[*at]->solid < solid)
    ++*at;
  struct faces f = {faces + *at, 0};
  while (*at < n->face_count && faces[*at]->solid == solid) {
    ++*at;
    f.count++;
  }
  return f;
}

static void names_step_fill(struct names *n, const struct parts *parts, bool labelled) {
  struct label **faces = by_owner(n);
  struct match m = {parts, n->solid_count, labelled, out_alloc(parts->count + 1, sizeof *m.used),
                    0};
  size_t at = 0;
  for (size_t i = 0; i < n->solid_count; i++) {
    struct faces f = faces_of(n, faces, &at, n->solids[i].tag);
    fill_solid(&m, i, &n->solids[i], &f);
  }
  n->named_faces = 0;
  for (size_t i = 0; i < n->face_count; i++)
    n->named_faces += n->faces[i].name != NULL;
  free(m.used);
  free(faces);
}

static bool read_parts(struct parts *p, const char *path, const char *file) {
  struct view text = view_map(path);
  if (!text.data)
    return false;
  parts_read(p, text.data, text.size, file);
  view_unmap(text);
  return true;
}

static size_t count_word(const struct view *text, const char *word) {
  const char *at = text->data, *end = text->data + text->size;
  size_t count = 0, len = strlen(word);
  while ((at = memmem(at, (size_t)(end - at), word, len)) != NULL) {
    at += len;
    count++;
  }
  return count;
}

size_t names_step_count(const char *path) {
  struct view text = view_map(path);
  if (!text.data)
    return 0;
  size_t count = count_word(&text, "SOLID_BREP") +
                 count_word(&text, "NEXT_ASSEMBLY_USAGE_OCCURRENCE");
  view_unmap(text);
  return count;
}

uint32_t names_of_step(struct names *n, const char *path, const char *file, bool labelled) {
  struct parts parts;
  if (!read_parts(&parts, path, file))
    return 0; /* the kernel's labels stand */
  if (parts.count)
    names_step_fill(n, &parts, labelled);
  uint32_t cycle = parts.cycle;
  parts_free(&parts);
  names_group(n);
  return cycle;
}

bool names_step_knows_all(const struct names *n, const char *path, const char *file) {
  struct parts parts;
  if (!read_parts(&parts, path, file))
    return false;
  struct label **faces = by_owner(n);
  size_t at = 0, owned = 0;
  bool all = parts.count == n->solid_count;
  for (size_t i = 0; all && i < n->solid_count; i++) {
    struct faces f = faces_of(n, faces, &at, n->solids[i].tag);
    all = parts.of[i].name && faces_fit(&f, &parts.of[i]);
    owned += f.count;
  }
  all = all && owned == n->face_count; /* a face in no solid has its name from the kernel */
  free(faces);
  parts_free(&parts);
  return all;
}
