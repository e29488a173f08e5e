/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "step/step_parts.h"

#include "base/out.h"
#include "step/step.h"
#include "step/step_style.h"
#include "step/step_text.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DEPTH_MAX  64 /* of an assembly */
#define MAPS_MAX   8  /* of items that are representations themselves */
#define PARTS_MAX  20000
#define WORK_MAX   2000000 /* entities visited: a small file can name a tree without end */
#define USAGE_WORK 16      /* a usage costs as much as so many others: names are made for it */
#define PATH_BYTES 1000

struct walk {
  struct step step;
  struct styles styles;
  struct links children;  /* definition -> usage */
  struct links shapes;    /* definition -> representation */
  struct links relations; /* representation -> representation of the same part */
  struct parts *parts;
  bool tessellated; /* these are looked for, and no B-reps */
  char *file;       /* without its ending */
  size_t work;
  uint32_t usages[DEPTH_MAX];
  char *names[DEPTH_MAX + 1]; /* of the root and of each usage */
  size_t depth;
};

static bool spent(struct walk *w) {
  return w->parts->count >= PARTS_MAX || w->work >= WORK_MAX || ++w->work >= WORK_MAX;
}

/* ---- names ---- */

bool parts_stand_in(const char *name) {
  static const char *const WORDS[] = {"NONE",    "Unnamed",    "SOLID",         "COMPOUND",
                                      "unknown", "PROESOURCE", "Rhino Product", "the product name"};
  static const char *const BEGINNINGS[] = {"Open CASCADE STEP translator", "=>["};
  for (size_t i = 0; name && i < sizeof WORDS / sizeof *WORDS; i++)
    if (strcasecmp(name, WORDS[i]) == 0)
      return true;
  for (size_t i = 0; name && i < sizeof BEGINNINGS / sizeof *BEGINNINGS; i++)
    if (strncmp(name, BEGINNINGS[i], strlen(BEGINNINGS[i])) == 0)
      return true;
  return !name || !name[strspn(name, " ")];
}

static char *copy(const char *text) {
  size_t len = strlen(text) + 1;
  return memcpy(out_alloc(len, 1), text, len);
}

/* "bracket" of "bracket.step"; of ".step" all. */
static char *stem(const char *file) {
  const char *dot = strrchr(file, '.');
  size_t len = dot && dot > file ? (size_t)(dot - file) : strlen(file);
  return step_text_clean(file, len);
}

static const struct step_entity *product_of(const struct step *s, uint32_t definition) {
  const struct step_entity *e = step_find_kind(s, definition, STEP_DEFINITION);
  e = e ? step_find_kind(s, step_ref(step_arg(e, 2)), STEP_FORMATION) : NULL;
  return e ? step_find_kind(s, step_ref(step_arg(e, 2)), STEP_PRODUCT) : NULL;
}

/* As the CAD kernel reads it: the name, or else the id.  NULL: neither. */
static char *product_name(const struct step *s, uint32_t definition) {
  const struct step_entity *e = product_of(s, definition);
  char *name = e ? step_string(s, step_arg(e, 1)) : NULL;
  return name || !e ? name : step_string(s, step_arg(e, 0));
}

/* Codes and letters over 127, which the CAD kernel may read otherwise. */
static bool is_coded(const struct step *s, uint32_t definition) {
  const struct step_entity *e = product_of(s, definition);
  struct span name = e ? step_arg(e, 1) : (struct span){0};
  while (name.at < name.end && (unsigned char)*name.at < 0x80 && *name.at != '\\')
    name.at++;
  return name.at < name.end;
}

/* Takes over both; the first that says something, or the file's. */
static char *step_parts_choose(const struct walk *w, char *first, char *second) {
  char *name = !parts_stand_in(first) ? first : !parts_stand_in(second) ? second : copy(w->file);
  if (first != name)
    free(first);
  if (second != name)
    free(second);
  return name;
}

static char *path_of(const struct walk *w) {
  struct out o = {0};
  if (w->depth == 0)
    return NULL;
  for (size_t i = 0; i <= w->depth && o.len < PATH_BYTES; i++) {
    if (i)
      out_text(&o, "/");
    out_text(&o, w->names[i]);
  }
  char *path = step_text_clean(o.data, o.len);
  out_free(&o);
  return path;
}

/* ---- one solid ---- */

static struct part *add_part(struct parts *p) {
  if (p->count == p->cap) {
    size_t cap = p->cap ? 2 * p->cap : 16;
    p->of = out_again(p->of, p->count, cap, sizeof *p->of);
    p->cap = cap;
  }
  return &p->of[p->count++];
}

static void read_face(struct walk *w, uint32_t id, const struct chain *where, struct part_face *f) {
  const struct step_entity *e = step_find_kind(&w->step, id, STEP_FACE);
  const struct step_entity *surface = e ? step_find(&w->step, step_ref(step_arg(e, 2))) : NULL;
  f->id = id;
  if (!e)
    return;
  f->surface = surface && surface->kind >= STEP_PLANE && surface->kind <= STEP_TORUS ? surface->kind
                                                                                     : STEP_OTHER;
  f->name = step_string(&w->step, step_arg(e, 0));
  if (parts_stand_in(f->name)) {
    free(f->name);
    f->name = NULL;
  }
  f->tint = styles_find(&w->styles, id, where);
}

/* The shell's own entity, behind an oriented one. */
static const struct step_entity *shell_of(const struct walk *w, uint32_t id) {
  const struct step_entity *e = step_find_kind(&w->step, id, STEP_ORIENTED_SHELL);
  return step_find_kind(&w->step, e ? step_ref(step_arg(e, 2)) : id, STEP_SHELL);
}

/* Faces are made shell by shell, in the order of their list. */
static void read_shells(struct walk *w, struct span shells, const struct chain *where,
                        struct part *p) {
  struct span count = shells;
  size_t n = 0;
  for (uint32_t id; (id = step_next_ref(&count)) != 0 && !spent(w);) {
    const struct step_entity *shell = shell_of(w, id);
    struct span faces = shell ? step_arg(shell, 1) : (struct span){NULL, NULL};
    while (step_next_ref(&faces) && !spent(w))
      n++;
    if (shell && !p->tint.known)
      p->tint = styles_find(&w->styles, shell->id, where);
  }
  p->faces = out_alloc(n + 1, sizeof *p->faces);
  for (uint32_t id; (id = step_next_ref(&shells)) != 0;) {
    const struct step_entity *shell = shell_of(w, id);
    struct span faces = shell ? step_arg(shell, 1) : (struct span){NULL, NULL};
    for (uint32_t face; p->face_count < n && (face = step_next_ref(&faces)) != 0;)
      read_face(w, face, where, &p->faces[p->face_count++]);
  }
}

static bool is_triangles(enum step_kind kind) {
  return kind >= STEP_TRIANGLES && kind <= STEP_STRIP_SET;
}

static void read_tessellated_face(struct walk *w, const struct step_entity *e,
                                  const struct chain *where, struct part_face *f) {
  *f = (struct part_face){.id = e->id,
                          .name = step_string(&w->step, step_arg(e, 0)),
                          .tint = styles_find(&w->styles, e->id, where)};
}

/* A solid or shell with its faces, or a face alone. */
static void read_triangles(struct walk *w, const struct step_entity *item,
                           const struct chain *where, struct part *p) {
  struct span list = step_arg(item, 1), count = list;
  size_t n = 1;
  while (item->kind == STEP_TESSELLATED && step_next_ref(&count) && !spent(w))
    n++;
  p->faces = out_alloc(n, sizeof *p->faces);
  if (item->kind != STEP_TESSELLATED) {
    read_tessellated_face(w, item, where, &p->faces[p->face_count++]);
    return;
  }
  for (uint32_t id; p->face_count < n && (id = step_next_ref(&list)) != 0;) {
    const struct step_entity *e = step_find(&w->step, id);
    if (e && is_triangles(e->kind))
      read_tessellated_face(w, e, where, &p->faces[p->face_count++]);
  }
}

static bool is_wanted(const struct walk *w, const struct step_entity *e) {
  if (w->tessellated)
    return e && (e->kind == STEP_TESSELLATED || is_triangles(e->kind));
  return e && (e->kind == STEP_BREP || e->kind == STEP_BREP_WITH_VOIDS);
}

static void read_solid(struct walk *w, const struct step_entity *brep, uint32_t definition) {
  struct chain where = {w->usages, w->depth, definition};
  struct part *p = add_part(w->parts);
  char *usage = w->depth ? copy(w->names[w->depth]) : NULL;
  struct span shells = brep->args;
  *p = (struct part){.product = product_name(&w->step, definition),
                     .coded = is_coded(&w->step, definition),
                     .tint = styles_find(&w->styles, brep->id, &where)};
  p->name = step_parts_choose(w, p->product ? copy(p->product) : NULL, usage);
  p->path = path_of(w);
  if (w->tessellated)
    read_triangles(w, brep, &where, p);
  else
    read_shells(w, shells, &where, p);
}

/* ---- the assembly ---- */

struct seen { /* representations of the part at hand */
  uint32_t of[MAPS_MAX];
  size_t count;
};

static void read_representation(struct walk *w, uint32_t id, uint32_t definition,
                                struct seen *seen) {
  const struct step_entity *rep = step_find_kind(&w->step, id, STEP_REPRESENTATION);
  for (size_t i = 0; i < seen->count; i++)
    if (seen->of[i] == id)
      return;
  if (!rep || seen->count == MAPS_MAX || spent(w))
    return;
  seen->of[seen->count++] = id;
  struct span items = step_arg(rep, 1);
  for (uint32_t item; (item = step_next_ref(&items)) != 0 && !spent(w);) {
    const struct step_entity *e = step_find(&w->step, item);
    if (is_wanted(w, e)) {
      read_solid(w, e, definition);
    } else if (e && e->kind == STEP_MAPPED_ITEM) {
      struct seen inner = *seen; /* the same map may be there twice */
      e = step_find_kind(&w->step, step_ref(step_arg(e, 1)), STEP_REPRESENTATION_MAP);
      if (e)
        read_representation(w, step_ref(step_arg(e, 1)), definition, &inner);
    }
  }
  size_t n = 0;
  const struct link *l = links_from(&w->relations, id, &n);
  for (size_t i = 0; i < n; i++)
    read_representation(w, l[i].to, definition, seen);
}

static void read_definition(struct walk *w, uint32_t definition) {
  struct seen seen = {0};
  size_t n = 0;
  const struct link *l = links_from(&w->shapes, definition, &n);
  for (size_t i = 0; i < n && !spent(w); i++)
    read_representation(w, l[i].to, definition, &seen);
  l = links_from(&w->children, definition, &n);
  for (size_t i = 0; i < n && w->depth < DEPTH_MAX && !spent(w); i++) {
    const struct step_entity *usage = step_find_kind(&w->step, l[i].to, STEP_USAGE);
    uint32_t child = usage ? step_ref(step_arg(usage, 4)) : 0;
    if (!child)
      continue;
    w->work += USAGE_WORK;
    w->usages[w->depth++] = usage->id;
    w->names[w->depth] = step_parts_choose(w, step_string(&w->step, step_arg(usage, 1)),
                                           product_name(&w->step, child));
    read_definition(w, child);
    free(w->names[w->depth--]);
  }
}

static void link_up(struct walk *w, struct links *used) {
  for (size_t i = 0; i < w->step.count; i++) {
    const struct step_entity *e = &w->step.entities[i];
    if (e->kind == STEP_USAGE) {
      links_add(&w->children, step_ref(step_arg(e, 3)), e->id);
      links_add(used, step_ref(step_arg(e, 4)), e->id);
    } else if (e->kind == STEP_SHAPE_DEFINITION) {
      const struct step_entity *shape = step_find_kind(&w->step, step_ref(step_arg(e, 0)),
                                                       STEP_DEFINITION_SHAPE);
      if (shape)
        links_add(&w->shapes, step_ref(step_arg(shape, 2)), step_ref(step_arg(e, 1)));
    } else if (e->kind == STEP_REPRESENTATION_RELATION) {
      uint32_t a = step_ref(step_arg(e, 2)), b = step_ref(step_arg(e, 3));
      links_add(&w->relations, a, b);
      links_add(&w->relations, b, a);
    }
  }
  links_sort(&w->children);
  links_sort(used);
  links_sort(&w->shapes);
  links_sort(&w->relations);
}

static size_t place_of(const struct step *s, uint32_t id) {
  const struct step_entity *e = step_find(s, id);
  return e ? (size_t)(e - s->entities) : s->count;
}

struct usage {
  size_t parent, child; /* places among the entities */
};

/* False: not a usage, or one of something that is not there. */
static bool usage_of(const struct step *s, const struct step_entity *e, struct usage *u) {
  if (!e || e->kind != STEP_USAGE)
    return false;
  *u = (struct usage){place_of(s, step_ref(step_arg(e, 3))), place_of(s, step_ref(step_arg(e, 4)))};
  return u->parent < s->count && u->child < s->count;
}

/* Takes away what has no children, again and again (Kahn 1962): what is left is in a cycle, or
 * above one.  A usage between two of those is told; 0: there is none. */
static uint32_t find_cycle(const struct step *s, const struct links *used) {
  size_t *children = out_alloc(s->count + 1, sizeof *children), n;
  size_t *leaves = out_alloc(s->count + 1, sizeof *leaves), first = 0, last = 0;
  struct usage u;
  uint32_t found = 0;
  for (size_t i = 0; i < s->count; i++)
    if (usage_of(s, &s->entities[i], &u))
      children[u.parent]++;
  for (size_t i = 0; i < s->count; i++)
    if (children[i] == 0 && place_of(s, s->entities[i].id) == i)
      leaves[last++] = i;
  while (first < last) {
    const struct link *l = links_from(used, s->entities[leaves[first++]].id, &n);
    for (size_t i = 0; i < n; i++)
      if (usage_of(s, step_find(s, l[i].to), &u) && children[u.parent] && --children[u.parent] == 0)
        leaves[last++] = u.parent;
  }
  for (size_t i = 0; i < s->count && !found; i++)
    if (usage_of(s, &s->entities[i], &u) && children[u.parent] && children[u.child])
      found = s->entities[i].id;
  free(children);
  free(leaves);
  return found;
}

static void read_parts(struct parts *p, const char *data, size_t size, const char *file,
                       bool tessellated) {
  struct walk *w = out_alloc(1, sizeof *w);
  struct links used = {0};
  size_t n = 0;
  *p = (struct parts){0};
  w->parts = p;
  w->tessellated = tessellated;
  w->file = stem(file);
  step_open(&w->step, data, size);
  styles_open(&w->styles, &w->step);
  link_up(w, &used);
  p->cycle = find_cycle(&w->step, &used);
  for (size_t i = 0; i < w->step.count && !p->cycle; i++) { /* a tree without end is refused */
    const struct step_entity *e = &w->step.entities[i];
    links_from(&used, e->id, &n);
    if (e->kind != STEP_DEFINITION || n > 0)
      continue;
    w->names[0] = step_parts_choose(w, product_name(&w->step, e->id), NULL);
    read_definition(w, e->id);
    free(w->names[0]);
  }
  links_free(&used);
  links_free(&w->children);
  links_free(&w->shapes);
  links_free(&w->relations);
  styles_close(&w->styles);
  step_close(&w->step);
  free(w->file);
  free(w);
}

void parts_read(struct parts *p, const char *data, size_t size, const char *file) {
  read_parts(p, data, size, file, false);
}

void parts_read_tessellated(struct parts *p, const char *data, size_t size, const char *file) {
  read_parts(p, data, size, file, true);
}

void parts_free(struct parts *p) {
  for (size_t i = 0; i < p->count; i++) {
    for (size_t k = 0; k < p->of[i].face_count; k++)
      free(p->of[i].faces[k].name);
    free(p->of[i].faces);
    free(p->of[i].product);
    free(p->of[i].name);
    free(p->of[i].path);
  }
  free(p->of);
  *p = (struct parts){0};
}
