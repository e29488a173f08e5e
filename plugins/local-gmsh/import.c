/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The file into Gmsh's model.  Gmsh gets a name that we chose (model.step), never the client's, and
 * for the CAD kernel's formats the reader is named outright, so that no name or content can reach
 * the script parser.
 */
#include "task.h"

#include <errno.h>
#include <gmshc.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int32_t give_name(struct task *t) {
  char target[300], name[32];
  snprintf(target, sizeof target, "in/%s", t->name);
  snprintf(name, sizeof name, "model.%s", FORMAT_NAMES[t->format]);
  task_path(t, t->model, name);
  if (!t->model[0])
    return task_fail(t, LATHE_PERMANENT, "the work folder's path is too long");
  unlink(t->model);
  if (symlink(target, t->model) < 0)
    return task_fail(t, LATHE_RETRY, "the work folder cannot be written: %s", strerror(errno));
  return LATHE_OK;
}

static size_t count_of(int dim) {
  int *tags = NULL, e = 0;
  size_t n = 0;
  gmshModelGetEntities(&tags, &n, dim, &e);
  gmshFree(tags);
  return e ? 0 : n / 2;
}

/* The CAD kernel's own volume; 0 where it knows none. */
static double kernel_volume(void) {
  int *tags = NULL, e = 0;
  size_t n = 0;
  double sum = 0;
  gmshModelOccGetEntities(&tags, &n, 3, &e);
  for (size_t i = 0; e == 0 && i < n; i += 2) {
    double mass = 0;
    gmshModelOccGetMass(3, tags[i + 1], &mass, &e);
    sum += fabs(mass);
  }
  gmshFree(tags);
  return e == 0 && isfinite(sum) ? sum : 0;
}

static void measure(const struct task *t, struct geometry *g) {
  int e = 0;
  double *a = g->low, *b = g->high, sum = 0;
  g->points = count_of(0);
  g->curves = count_of(1);
  g->surfaces = count_of(2);
  g->volumes = count_of(3);
  gmshModelGetBoundingBox(-1, -1, &a[0], &a[1], &a[2], &b[0], &b[1], &b[2], &e);
  for (int i = 0; i < 3; i++)
    sum += (b[i] - a[i]) * (b[i] - a[i]);
  g->diagonal = e ? 0 : sqrt(sum);
  /* A preview takes it from its triangles: the kernel is as slow at it as 1D meshing. */
  g->volume = t->solid && t->format != FORMAT_STL ? kernel_volume() : 0;
}

/* True when Gmsh took the file. */
static bool load(const struct task *t) {
  int e = 0;
  if (t->format == FORMAT_STL) {
    gmshMerge(t->model, &e);
    return e == 0;
  }
  int *tags = NULL;
  size_t n = 0;
  gmshOptionSetNumber("Geometry.OCCImportLabels", 1, &e);
  /* A mesh is made of solids; a preview shows loose faces too. */
  gmshModelOccImportShapes(t->model, &tags, &n, t->solid, FORMAT_NAMES[t->format], &e);
  gmshFree(tags);
  if (e == 0)
    gmshModelOccSynchronize(&e);
  return e == 0;
}

/* What the file must hold to be worked on. */
static int32_t check(struct task *t) {
  const struct geometry *g = &t->geometry;
  if (g->surfaces == 0)
    return task_fail(
        t, LATHE_BAD_INPUT,
        "%s holds no faces that can be meshed: only %s. Export the part as solid "
        "geometry (a boundary representation such as AP203, AP214 or AP242 with geometry)",
        t->name,
        g->curves ? "curves and points"
                  : "annotations, tessellated graphics or a structure without shape, or "
                    "its shape is damaged");
  if (!(g->diagonal > 1e-12) || !isfinite(g->diagonal))
    return task_fail(t, LATHE_BAD_INPUT,
                     "%s has no extent: all of its points coincide or are no numbers", t->name);
  if (g->diagonal > 4e9)
    return task_fail(t, LATHE_BAD_INPUT,
                     "%s is %g units across; check the unit of the export, or whether a face is "
                     "unbounded",
                     t->name, g->diagonal);
  if (t->solid && g->volumes == 0 && t->format != FORMAT_STL)
    return task_fail(
        t, LATHE_BAD_INPUT,
        "%s holds %zu faces but no closed solid, so there is nothing to fill with "
        "tetrahedra. Sew the faces to a solid in the CAD program, try heal=true, or ask "
        "for a preview",
        t->name, g->surfaces);
  return LATHE_OK;
}

/* Elements along the diagonal where a mesh asks for no size. */
static double per_diagonal(const struct task *t) {
  return t->params.per_diagonal > 0 ? t->params.per_diagonal : 25;
}

int32_t import_size(struct task *t) {
  double finest = t->geometry.diagonal / (t->solid ? 2000 : 5000);
  double share = t->solid                      ? 1 / per_diagonal(t)
                 : t->params.relative_size > 0 ? t->params.relative_size
                                               : t->params.step_size;
  t->size = t->params.max_size > 0 ? t->params.max_size : t->geometry.diagonal * share;
  if (t->size < finest)
    return task_fail(
        t, LATHE_BAD_INPUT,
        "max_size_mm=%g on a part %.6g across would take far too many elements; ask for "
        "%.3g or more",
        t->size, t->geometry.diagonal, finest);
  return LATHE_OK;
}

static void heal_options(bool on) {
  static const char *const NAMES[] = {"Geometry.OCCFixDegenerated", "Geometry.OCCFixSmallEdges",
                                      "Geometry.OCCFixSmallFaces", "Geometry.OCCSewFaces",
                                      "Geometry.OCCMakeSolids"};
  int e = 0;
  for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
    gmshOptionSetNumber(NAMES[i], on, &e);
}

int32_t import_model(struct task *t) {
  double began = task_now();
  int32_t rc = give_name(t);
  if (rc != LATHE_OK)
    return rc;
  heal_options(t->params.heal);
  log_begin();
  if (!load(t)) {
    char text[300];
    log_first_error(text, sizeof text);
    return task_fail(
        t, LATHE_BAD_INPUT,
        "%s cannot be read as %s: the CAD kernel refused it%s%s. Export the part again, or "
        "in another format",
        t->name, FORMAT_NAMES[t->format], text[0] ? ": " : "",
        strstr(text, "model.") ? "damaged or incomplete" : text);
  }
  if (!assembly_prepare(t))
    return task_fail(
        t, LATHE_BAD_INPUT,
        "the solids of %s cannot be joined to one conformal mesh: the CAD kernel failed "
        "to cut them along each other. Ask for assembly=separate, or repair where they "
        "touch",
        t->name);
  measure(t, &t->geometry);
  t->import_seconds = task_now() - began;
  return check(t);
}

bool import_again(struct task *t, bool heal, struct geometry *g, struct outcome *o) {
  int e = 0;
  gmshClear(&e);
  heal_options(heal);
  if (!load(t))
    return outcome_fail(o, REASON_LOG, "the part could not be read once more%s",
                        heal ? " with repairs" : "");
  if (!assembly_prepare(t))
    return outcome_fail(o, REASON_LOG, "the repaired solids could not be joined");
  measure(t, g);
  if (g->volumes < t->geometry.volumes || g->surfaces == 0)
    return outcome_fail(o, REASON_LOST, "repairing the CAD lost %zu of %zu solids",
                        t->geometry.volumes - g->volumes, t->geometry.volumes);
  return true;
}
