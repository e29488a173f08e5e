/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Assemblies.  A STEP file's solids are shapes of their own: where two touch, each has a face
 * there. `conformal` cuts them along each other (OpenCASCADE's fragments), so that they share one
 * face, and the mesh its nodes.
 */
#include "names.h"
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
      memcpy(l->rgb, old->rgb, sizeof l->rgb);
      done[at] = true;
    }
  }
  free(done);
  names_group(to);
}

/* False: the kernel could not cut them; the model is as it was. */
static bool join(struct names *names) {
  struct names before = *names;
  struct pieces p = {0};
  int *solids = NULL, *made = NULL, e = 0;
  size_t n = 0, made_n = 0;
  gmshModelOccGetEntities(&solids, &n, 3, &e);
  if (e == 0)
    gmshModelOccFragment(solids, n, NULL, 0, &made, &made_n, &p.of, &p.count, &p.n, -1, 1, 1, &e);
  if (e == 0)
    gmshModelOccSynchronize(&e);
  if (e == 0) {
    names_take(names);
    inherit(names, &before, solids, &p);
    names_free(&before);
  }
  pieces_free(&p);
  gmshFree(made);
  gmshFree(solids);
  return e == 0;
}

bool assembly_prepare(struct task *t) {
  names_free(&t->names);
  names_take(&t->names);
  return !t->params.conformal || t->names.solid_count < 2 || join(&t->names);
}
