/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Assemblies.  A STEP file's solids are shapes of their own: where two touch, each has a face
 * there. `conformal` cuts them along each other (OpenCASCADE's fragments), so that they share one
 * face, and the mesh its nodes.
 */
#include "neighbours.h"
#include "task.h"

#include <gmshc.h>
#include <stdlib.h>
#include <string.h>

struct pieces { /* what became of each solid: pairs of dimension and tag */
  int **of;
  size_t *count, n;
};

static void pieces_free(struct pieces *p) {
  for (size_t i = 0; i < p->n; i++)
    gmshFree(p->of[i]);
  gmshFree(p->of);
  gmshFree(p->count);
}

static char *copy(const char *text) {
  return text ? strdup(text) : NULL;
}

/* A piece is called as the first solid that it comes from. */
static void inherit(struct names *to, const struct names *from, const int *solids,
                    const struct pieces *p) {
  bool *done = out_alloc(to->solid_count, sizeof *done);
  for (size_t i = 0; i < p->n; i++) {
    const struct label *old = names_solid(from, solids[2 * i + 1]);
    for (size_t k = 0; old && k + 1 < p->count[i]; k += 2) {
      size_t at = 0;
      while (at < to->solid_count && to->solids[at].tag != p->of[i][k + 1])
        at++;
      if (p->of[i][k] != 3 || at == to->solid_count || done[at])
        continue;
      struct label *l = &to->solids[at];
      free(l->name);
      free(l->path);
      l->name = copy(old->name);
      l->path = copy(old->path);
      l->coloured = old->coloured;
      l->transparency = old->transparency;
      memcpy(l->rgb, old->rgb, sizeof l->rgb);
      done[at] = true;
    }
  }
  free(done);
  names_group(to);
}

/* The volume that two solids have in common after the cut; `whole`: there is nothing else. */
static double common(const struct pieces *p, size_t a, size_t b, bool *whole) {
  double sum = 0;
  size_t shared = 0;
  for (size_t i = 0; i + 1 < p->count[a]; i += 2)
    for (size_t k = 0; k + 1 < p->count[b]; k += 2) {
      double volume = 0;
      int e = 0;
      if (p->of[a][i] != 3 || p->of[b][k] != 3 || p->of[a][i + 1] != p->of[b][k + 1])
        continue;
      gmshModelOccGetMass(3, p->of[a][i + 1], &volume, &e);
      sum += volume;
      shared += 2;
    }
  *whole = shared == p->count[a] && shared == p->count[b];
  return sum;
}

/* Solids of which a piece is one.  Those in one place are known already. */
static void find_overlaps(struct findings *f, const struct names *before, const int *solids,
                          const struct pieces *p) {
  for (size_t a = 0; a < p->n; a++)
    for (size_t b = a + 1; b < p->n; b++) {
      bool whole;
      struct found one = {.size = common(p, a, b, &whole)};
      if (!(one.size > 0) || whole)
        continue;
      findings_name(one.name[0], before, solids[2 * a + 1]);
      findings_name(one.name[1], before, solids[2 * b + 1]);
      findings_add(f, ODD_OVERLAP, &one);
    }
}

/* False: the kernel could not cut them; the model is as it was.  f may be NULL. */
static bool join(struct names *names, double tolerance, struct findings *f) {
  struct names before = *names;
  struct pieces p = {0};
  int *solids = NULL, *made = NULL, e = 0;
  size_t n = 0, made_n = 0;
  gmshModelOccGetEntities(&solids, &n, 3, &e);
  gmshOptionSetNumber("Geometry.ToleranceBoolean", tolerance, &e);
  if (e == 0)
    gmshModelOccFragment(solids, n, NULL, 0, &made, &made_n, &p.of, &p.count, &p.n, -1, 1, 1, &e);
  if (e == 0)
    gmshModelOccSynchronize(&e);
  if (e == 0) {
    names_take(names);
    inherit(names, &before, solids, &p);
    if (f)
      find_overlaps(f, &before, solids, &p);
    names_free(&before);
  }
  pieces_free(&p);
  gmshFree(made);
  gmshFree(solids);
  return e == 0;
}

bool assembly_prepare(struct task *t, bool look) {
  struct findings *f = &t->findings;
  names_free(&t->names);
  names_take(&t->names);
  uint32_t cycle = t->format == FORMAT_STEP ? names_of_step(&t->names, t->model, t->name) : 0;
  if (cycle) {
    task_fail(
        t, LATHE_BAD_INPUT,
        "%s is damaged: by its entity #%u an assembly is part of itself, and the kernel would "
        "lose solids; export the assembly again",
        t->name, (unsigned)cycle);
    return false;
  }
  if (look)
    neighbours_duplicates(f, &t->names);
  if (!t->params.conformal || t->names.solid_count < 2)
    return true;
  if (!join(&t->names, t->params.tolerance, look ? f : NULL))
    return false;
  if (look) {
    neighbours_shared(f, &t->names);
    neighbours_gaps(f, &t->names, t->params.tolerance);
  }
  return true;
}

void assembly_warn(struct task *t) {
  for (int k = 0; k < ODDITIES; k++) {
    struct out text = {0};
    findings_sentence(&t->findings, (enum oddity)k, t->params.conformal, &text);
    if (text.len)
      task_warn(t, "%.*s", (int)text.len, text.data);
    out_free(&text);
  }
}
