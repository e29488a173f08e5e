/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Assemblies.  A STEP file's solids are shapes of their own: where two touch, each has a face
 * there. `conformal` cuts them along each other (OpenCASCADE's fragments), so that they share one
 * face, and the mesh its nodes. `imprint` cuts them too, and gives each its own face and nodes
 * there.
 */
#include "cad/assembly.h"

#include "base/out.h"
#include "cad/contacts.h"
#include "cad/cut.h"
#include "cad/fluid.h"
#include "cad/neighbours.h"
#include "model/findings.h"
#include "model/names.h"
#include "model/names_step.h"
#include "task/task.h"

#include <gmshc.h>
#include <stdlib.h>
#include <string.h>

/* The volume that two solids have in common after the cut; `whole`: there is nothing else. */
static double common(const struct cut *p, size_t a, size_t b, bool *whole) {
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
static void find_overlaps(struct findings *f, const struct found *called, size_t n,
                          const struct cut *p) {
  for (size_t a = 0; a < n; a++)
    for (size_t b = a + 1; b < n; b++) {
      bool whole;
      struct found one = {.size = common(p, a, b, &whole)};
      if (!(one.size > 0) || whole)
        continue;
      memcpy(one.name[0], called[a].name[0], FOUND_NAME);
      memcpy(one.name[1], called[b].name[0], FOUND_NAME);
      findings_add(f, ODD_OVERLAP, &one);
    }
}

/* False: the kernel could not cut them; the model is as it was.  f may be NULL. */
static bool assembly_join(struct names *names, double tolerance, struct findings *f) {
  size_t n = names->solid_count;
  struct found *called = out_alloc(n, sizeof *called);
  struct cut cut;
  for (size_t i = 0; i < n; i++)
    findings_name(called[i].name[0], names, names->solids[i].tag);
  bool ok = cut_model(&cut, names, NULL, 0, tolerance);
  if (ok && f)
    find_overlaps(f, called, n, &cut);
  cut_free(&cut);
  free(called);
  return ok;
}

/* Along each other; what that shows goes into t->findings. */
static bool assembly_cut(struct task *t, bool look) {
  struct findings *f = &t->findings;
  if (!assembly_join(&t->names, t->params.tolerance, look ? f : NULL))
    return false;
  if (look) {
    neighbours_shared(f, &t->names);
    neighbours_gaps(f, &t->names, t->params.tolerance);
  }
  return !t->params.imprint || contacts_imprint(&t->names, &t->contacts);
}

bool assembly_prepare(struct task *t, bool look) {
  struct findings *f = &t->findings;
  names_free(&t->names);
  names_take(&t->names);
  uint32_t cycle = t->format == FORMAT_STEP
                       ? names_of_step(&t->names, t->model, t->name, t->labelled)
                       : 0;
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
  contacts_free(&t->contacts);
  if (t->params.fluid && t->names.solid_count)
    return fluid_extract(t, look);
  if (t->flat && t->params.conformal && t->names.solid_count == 0 && t->names.face_count > 1)
    return assembly_join(&t->names, t->params.tolerance, NULL);
  if (t->names.solid_count < 2)
    return true;
  if ((t->params.conformal || t->params.imprint) && !assembly_cut(t, look))
    return false;
  if (t->params.contact_gap > 0)
    contacts_near(&t->names, t->params.contact_gap, &t->contacts);
  contacts_group(&t->names, &t->contacts);
  return true;
}

void assembly_warn(struct task *t) {
  for (int k = 0; k < ODDITIES; k++) {
    struct out text = {0};
    findings_sentence(&t->findings, (enum oddity)k, t->params.conformal || t->params.imprint,
                      task_unit(t)[0] != 0, &text);
    if (text.len)
      task_warn(t, "%.*s", (int)text.len, text.data);
    out_free(&text);
  }
}
