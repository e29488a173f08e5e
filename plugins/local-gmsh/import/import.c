/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The file into Gmsh's model.  Gmsh gets a name that we chose (model.step), never the client's, and
 * for the CAD kernel's formats the reader is named outright, so that no name or content can reach
 * the script parser.
 */
#include "import/import.h"

#include "base/out.h"
#include "cad/assembly.h"
#include "cad/neighbours.h"
#include "import/sheet_select.h"
#include "import/sniff.h"
#include "import/stl.h"
#include "import/tessellated.h"
#include "import/wrapping.h"
#include "model/findings.h"
#include "model/names.h"
#include "model/names_step.h"
#include "select/periodic.h"
#include "select/user_groups.h"
#include "sizes/local_sizes.h"
#include "sizes/sizes.h"
#include "task/log.h"
#include "task/outcome.h"
#include "task/task.h"

#include <errno.h>
#include <gmshc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MANY_SOLIDS     64
#define USUAL_TOLERANCE 1e-8 /* Gmsh's */

int32_t import_name(struct task *t) {
  char name[32];
  snprintf(name, sizeof name, "model.%s", FORMAT_NAMES[t->format]);
  task_path(t, t->model, name);
  if (!t->model[0])
    return task_fail(t, LATHE_PERMANENT, "the work folder's path is too long");
  unlink(t->model);
  if (symlink(t->input, t->model) < 0)
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

void import_measure(const struct task *t, struct geometry *g) {
  int e = 0;
  if (t->facets) {
    stl_measure(t, g);
    return;
  }
  double *a = g->low, *b = g->high, sum = 0;
  g->points = count_of(0);
  g->curves = count_of(1);
  g->surfaces = count_of(2);
  g->volumes = count_of(3);
  gmshModelGetBoundingBox(-1, -1, &a[0], &a[1], &a[2], &b[0], &b[1], &b[2], &e);
  for (int i = 0; i < 3; i++)
    sum += (b[i] - a[i]) * (b[i] - a[i]);
  g->diagonal = e ? 0 : sqrt(sum);
}

/* Names and colours of the model, which is joined where the job asks for it. */
static bool prepare(struct task *t, bool look) {
  if (t->format != FORMAT_STL)
    return assembly_prepare(t, look);
  stl_names(t);
  return true;
}

static bool take_shapes(const struct task *t, bool labels) {
  int *tags = NULL, e = 0;
  size_t n = 0;
  gmshOptionSetNumber("Geometry.OCCImportLabels", labels, &e);
  gmshModelOccImportShapes(t->model, &tags, &n, 0, FORMAT_NAMES[t->format], &e);
  gmshFree(tags);
  if (e == 0)
    gmshModelOccSynchronize(&e);
  return e == 0;
}

/* The kernel's labels take a time that grows with the square of the solids, and the text of a STEP
 * file says more.  So those of many solids are left out where the text has all. */
static bool take_file(struct task *t) {
  int e = 0;
  t->labelled = t->format != FORMAT_STEP || names_step_count(t->model) < MANY_SOLIDS;
  if (!take_shapes(t, t->labelled))
    return false;
  if (t->labelled)
    return true;
  struct names n;
  names_take(&n);
  bool enough = names_step_knows_all(&n, t->model, t->name);
  names_free(&n);
  if (enough)
    return true;
  gmshClear(&e);
  t->labelled = true;
  return take_shapes(t, true);
}

/* True when Gmsh took the file.  What belongs to no solid is not meshed; it is noted in *loose,
 * which may be NULL. */
static bool load(struct task *t, struct findings *loose) {
  if (t->format == FORMAT_STL)
    return stl_load(t);
  bool ok = take_file(t);
  /* A mesh is made of solids; a preview shows loose faces too, and they may close an opening. */
  if (ok && task_fills(t) && !t->params.fluid)
    neighbours_drop_loose(loose, true);
  return ok;
}

/* What the file must hold to be worked on. */
static int32_t check(struct task *t) {
  const struct geometry *g = &t->geometry;
  size_t line = g->surfaces == 0 && t->format == FORMAT_STEP ? sniff_long_text(t) : 0;
  if (line)
    return task_fail(t, LATHE_BAD_INPUT,
                     "%s has a text of more than 16,380 characters in line %zu, and the CAD kernel "
                     "reads no file with such a text: give what it names a shorter name, and "
                     "export the part again",
                     t->name, line);
  if (g->surfaces == 0)
    return task_fail(
        t, LATHE_BAD_INPUT,
        "%s holds no faces that can be meshed: only %s. Export the part as solid "
        "geometry (a boundary representation such as AP203, AP214 or AP242 with geometry)",
        t->name,
        g->curves ? "curves and points"
                  : "annotations or a structure without shape, or "
                    "its shape is damaged");
  if (!(g->diagonal > 1e-12) || !isfinite(g->diagonal))
    return task_fail(t, LATHE_BAD_INPUT,
                     "%s has no extent: all of its points coincide or are not numbers", t->name);
  if (g->diagonal > 4e9)
    return task_fail(t, LATHE_BAD_INPUT,
                     "%s is %g units across; check the unit of the export, or whether a face is "
                     "unbounded",
                     t->name, g->diagonal);
  return LATHE_OK;
}

/* Elements along the diagonal where a mesh asks for no size. */
static double per_diagonal(const struct task *t) {
  return t->params.per_diagonal > 0 ? t->params.per_diagonal : 25;
}

int32_t import_size(struct task *t) {
  double finest = t->geometry.diagonal / (task_fills(t) ? 2000 : 5000);
  double share = t->solid                      ? 1 / per_diagonal(t)
                 : t->params.relative_size > 0 ? t->params.relative_size
                                               : t->params.step_size;
  double usual = t->geometry.diagonal * share;
  t->size = t->params.max_size > 0       ? t->params.max_size
            : usual > t->params.min_size ? usual
                                         : t->params.min_size; /* as good as max_size */
  if (t->size < finest)
    return task_fail(
        t, LATHE_BAD_INPUT,
        "max_size_mm=%g on a part %.6g%s across would take far too many elements; ask for "
        "%.3g or more",
        t->size, t->geometry.diagonal, task_unit(t), finest);
  return LATHE_OK;
}

/* `tolerance`: how far apart edges of loose faces may be that are sewn; 0: as Gmsh has it. */
static void heal_options(bool on, double tolerance) {
  static const char *const NAMES[] = {"Geometry.OCCFixDegenerated", "Geometry.OCCFixSmallEdges",
                                      "Geometry.OCCFixSmallFaces", "Geometry.OCCSewFaces",
                                      "Geometry.OCCMakeSolids"};
  int e = 0;
  for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
    gmshOptionSetNumber(NAMES[i], on, &e);
  gmshOptionSetNumber("Geometry.Tolerance", tolerance > 0 ? tolerance : USUAL_TOLERANCE, &e);
}

/* ---- faces without a solid ---- */

struct open_edges { /* curves that bound one face alone */
  size_t all, open;
  double at[3]; /* the middle of one */
};

/* How often each curve bounds a face, by its tag. */
static size_t *uses_of_curves(size_t *last) {
  int *faces = NULL, *curves = NULL, e = 0;
  size_t n = 0, m = 0, *uses = NULL;
  gmshModelGetEntities(&curves, &m, 1, &e);
  *last = 0;
  for (size_t i = 0; i < m; i += 2)
    *last = (size_t)curves[i + 1] > *last ? (size_t)curves[i + 1] : *last;
  uses = calloc(*last + 1, sizeof *uses);
  gmshFree(curves);
  gmshModelGetEntities(&faces, &n, 2, &e);
  for (size_t i = 0; uses && i < n; i += 2) {
    int *bounds = NULL;
    size_t count = 0;
    gmshModelGetBoundary(&faces[i], 2, &bounds, &count, 0, 0, 0, &e);
    for (size_t k = 0; e == 0 && k < count; k += 2)
      if (bounds[k] == 1 && (size_t)abs(bounds[k + 1]) <= *last)
        uses[abs(bounds[k + 1])]++;
    gmshFree(bounds);
  }
  gmshFree(faces);
  return uses;
}

static void find_open_edges(struct open_edges *r) {
  double a[3], b[3];
  size_t last = 0, *uses = uses_of_curves(&last);
  int e = 0;
  *r = (struct open_edges){0};
  for (size_t tag = 1; uses && tag <= last; tag++) {
    r->all += uses[tag] > 0;
    if (uses[tag] != 1 || r->open++)
      continue;
    gmshModelGetBoundingBox(1, (int)tag, &a[0], &a[1], &a[2], &b[0], &b[1], &b[2], &e);
    for (int i = 0; i < 3; i++)
      r->at[i] = (a[i] + b[i]) / 2;
  }
  free(uses);
}

/* A solid of all faces, which close. */
static void fill_shell(void) {
  int *entities = NULL, e = 0;
  size_t n = 0;
  gmshModelGetEntities(&entities, &n, 2, &e);
  for (size_t i = 0; i < n / 2; i++)
    entities[i] = entities[2 * i + 1];
  int loop = gmshModelOccAddSurfaceLoop(entities, n / 2, -1, 1, &e);
  if (e == 0)
    gmshModelOccAddVolume(&loop, 1, -1, &e);
  gmshModelOccSynchronize(&e);
  gmshFree(entities);
}

/* Sewn once more, over wider gaps, until they close: what a kernel that is less exact wrote. False:
 * they do not, and the model is of no use; *edges is as it was. */
static bool sew_gaps(struct task *t, struct open_edges *edges) {
  static const double GAPS[] = {1e-6, 1e-5, 1e-4}; /* of the diagonal */
  size_t faces = t->geometry.surfaces;
  for (size_t i = 0; i < sizeof GAPS / sizeof *GAPS; i++) {
    struct open_edges now;
    int e = 0;
    gmshClear(&e);
    heal_options(true, GAPS[i] * t->geometry.diagonal);
    if (!load(t, NULL))
      return false;
    find_open_edges(&now);
    if (now.open == 0 && count_of(2) == faces) {
      *edges = now;
      t->sewn_within = GAPS[i] * t->geometry.diagonal;
      return true;
    }
  }
  return false;
}

/* The model of t->facets in place of the one that was read. */
static int32_t load_facets(struct task *t, const char *what) {
  int e = 0;
  gmshClear(&e);
  if (!load(t, NULL) || !prepare(t, false))
    return task_fail(t, LATHE_BAD_INPUT, "the %s of %s could not be loaded", what, t->name);
  import_measure(t, &t->geometry);
  return LATHE_OK;
}

int32_t import_wrap(struct task *t) {
  int e = 0;
  gmshClear(&e);
  heal_options(false, 0);
  if (!load(t, NULL))
    return task_fail(t, LATHE_BAD_INPUT, "the faces of %s could not be read once more", t->name);
  int32_t rc = wrapping_take_model(t);
  return rc == LATHE_OK ? load_facets(t, "wrap") : rc;
}

/* Sews the faces, which many exports leave loose, and makes a solid of them if they close. */
static int32_t sew(struct task *t) {
  struct geometry *g = &t->geometry;
  struct open_edges edges;
  size_t faces = g->surfaces;
  int e = 0;
  if (!t->params.heal) {
    gmshClear(&e);
    heal_options(true, 0);
    findings_free(&t->findings);
    if (!load(t, &t->findings))
      return task_fail(t, LATHE_BAD_INPUT, "%s holds %zu loose faces, which cannot be sewn",
                       t->name, faces);
  }
  find_open_edges(&edges);
  bool none = count_of(3) == 0, gaps = none && edges.open && sew_gaps(t, &edges);
  if (count_of(3) == 0 && edges.open == 0)
    fill_shell();
  import_measure(t, g);
  if (t->params.wrap && (g->volumes == 0 || (none && edges.open)))
    return import_wrap(t);
  if (none && edges.open)
    return task_fail(t, LATHE_BAD_INPUT,
                     "%s holds %zu faces but no closed solid, so there is nothing to fill with "
                     "tetrahedra: they were sewn, and %zu of %zu edges still belong to one face "
                     "alone, one near (%.6g, %.6g, %.6g). Close the gap there in the CAD "
                     "program, ask for a new surface round the faces (wrap=true), or for "
                     "dimension=2, a mesh of the faces (shells)",
                     t->name, faces, edges.open, edges.all, edges.at[0], edges.at[1], edges.at[2]);
  if (g->volumes == 0)
    return task_fail(
        t, LATHE_BAD_INPUT,
        "%s holds %zu faces but no closed solid, and the CAD kernel could make none "
        "of them. Sew them to a solid in the CAD program, ask for a new surface round the faces "
        "(wrap=true), or for dimension=2, a mesh of the faces (shells)",
        t->name, faces);
  t->sewn = true;
  if (!assembly_prepare(t, true)) /* takes the names of the new model */
    return t->code;
  import_measure(t, g);
  task_warn(t, "the file holds faces without a solid; %zu of them were sewn to %zu solid%s",
            g->surfaces, g->volumes, g->volumes == 1 ? "" : "s");
  if (gaps)
    task_warn(t,
              "gaps of up to %.3g%s between the faces were closed. Check the part there, or export "
              "it as a solid",
              t->sewn_within, task_unit(t));
  return LATHE_OK;
}

/* ---- a mesh of faces alone ---- */

struct open_curve { /* a curve that bounds one face */
  double box[6], middle[3];
};

static bool same_place(const struct open_curve *a, const struct open_curve *b, double within) {
  bool same = true;
  for (int i = 0; i < 6; i++)
    same = same && fabs(a->box[i] - b->box[i]) <= within;
  for (int i = 0; i < 3; i++)
    same = same && fabs(a->middle[i] - b->middle[i]) <= within;
  return same;
}

static int by_low(const void *a, const void *b) {
  const struct open_curve *x = a, *y = b;
  return (x->box[0] > y->box[0]) - (x->box[0] < y->box[0]);
}

/* How many pairs of curves that bound one face each lie in one place: the faces touch there, and
 * share nothing. */
static size_t count_doubles(const struct task *t) {
  size_t last = 0, *uses = uses_of_curves(&last), n = 0, pairs = 0;
  struct open_curve *curves = out_alloc(last + 1, sizeof *curves);
  double within = 1e-6 * t->geometry.diagonal;
  int e = 0;
  for (size_t tag = 1; uses && tag <= last; tag++) {
    double *b = curves[n].box, *m = curves[n].middle;
    if (uses[tag] != 1)
      continue;
    gmshModelGetBoundingBox(1, (int)tag, &b[0], &b[1], &b[2], &b[3], &b[4], &b[5], &e);
    gmshModelOccGetCenterOfMass(1, (int)tag, &m[0], &m[1], &m[2], &e);
    n++;
  }
  qsort(curves, n, sizeof *curves, by_low);
  for (size_t i = 0; i < n; i++)
    for (size_t k = i + 1; k < n && curves[k].box[0] <= curves[i].box[0] + within; k++)
      pairs += same_place(&curves[i], &curves[k], within);
  free(curves);
  free(uses);
  return pairs;
}

/* Faces that an export left loose share their edges afterwards. */
static int32_t sew_sheets(struct task *t) {
  size_t pairs = t->params.heal || t->params.conformal ? 0 : count_doubles(t);
  int e = 0;
  if (pairs == 0)
    return LATHE_OK;
  gmshClear(&e);
  heal_options(true, 0);
  findings_free(&t->findings);
  if (!load(t, &t->findings) || !prepare(t, true))
    return task_fail(t, LATHE_BAD_INPUT, "%s holds loose faces, which cannot be sewn", t->name);
  import_measure(t, &t->geometry);
  t->sewn = true;
  task_warn(t,
            "%zu edge%s of loose faces lay on another's: the faces were sewn there, and share "
            "their nodes",
            pairs, pairs == 1 ? "" : "s");
  return LATHE_OK;
}

/* Where the kernel found no face in a STEP file: its triangles, if it has some. */
static int32_t take_tessellation(struct task *t) {
  int32_t rc = tessellated_read(t);
  if (rc != LATHE_OK || !t->tessellation)
    return rc;
  if (t->flat)
    return task_fail(t, LATHE_BAD_INPUT,
                     "%s holds triangles (AP242 tessellation) and no faces of CAD, which "
                     "dimension=2 needs. Ask for a mesh of its volume, or export exact geometry",
                     t->name);
  return load_facets(t, "triangles");
}

int32_t import_model(struct task *t) {
  double began = task_now();
  int32_t rc = import_name(t);
  if (rc != LATHE_OK)
    return rc;
  t->file_format = t->format;
  if (t->flat && t->format == FORMAT_STL)
    return task_fail(t, LATHE_BAD_INPUT,
                     "%s is a mesh of triangles already: dimension=2 is for faces of CAD. Ask for "
                     "a mesh of its volume, or use the file as it is",
                     t->name);
  if (t->format == FORMAT_STL && (rc = stl_read(t)) != LATHE_OK)
    return rc;
  heal_options(t->params.heal, 0);
  log_begin();
  findings_free(&t->findings);
  if (!load(t, &t->findings)) {
    char text[300];
    log_first_error(text, sizeof text);
    return task_fail(
        t, LATHE_BAD_INPUT,
        "%s cannot be read as %s: the CAD kernel refused it%s%s. Export the part again, or "
        "in another format",
        t->name, FORMAT_NAMES[t->format], text[0] ? ": " : "",
        strstr(text, "model.") ? "damaged or incomplete" : text);
  }
  if (!prepare(t, t->solid))
    return task_fail(
        t, LATHE_BAD_INPUT,
        "the solids of %s cannot be joined to one conformal mesh: the CAD kernel failed "
        "to cut them along each other. Ask for assembly=separate, or repair where they "
        "touch",
        t->name);
  import_measure(t, &t->geometry);
  if (t->format == FORMAT_STEP && t->geometry.surfaces == 0)
    rc = take_tessellation(t);
  if (rc == LATHE_OK)
    rc = check(t);
  if (rc == LATHE_OK && task_fills(t) && t->geometry.volumes == 0 && t->format != FORMAT_STL)
    rc = sew(t);
  if (rc == LATHE_OK && t->params.fluid && !t->fluid)
    rc = task_fail(t, LATHE_BAD_INPUT,
                   "fluid: %s holds no solid of CAD geometry that could enclose a volume; export "
                   "the part as solid geometry (STEP), or leave fluid out",
                   t->name);
  if (rc == LATHE_OK && t->flat && t->geometry.volumes == 0 && t->geometry.surfaces > 1)
    rc = sew_sheets(t);
  assembly_warn(t);
  t->import_seconds = task_now() - began;
  return rc;
}

bool import_again(struct task *t, bool heal, struct geometry *g, struct outcome *o) {
  int e = 0;
  gmshClear(&e);
  heal_options(heal || t->sewn, t->sewn_within);
  if (!load(t, NULL))
    return outcome_fail(o, REASON_LOG, "the part could not be read once more%s",
                        heal ? " with repairs" : "");
  if (t->sewn && task_fills(t) && count_of(3) == 0)
    fill_shell();
  if (!prepare(t, false))
    return outcome_fail(o, REASON_LOG, "the repaired solids could not be joined");
  if (t->flat && sheet_select(t) != LATHE_OK)
    return outcome_fail(o, REASON_LOG, "the repaired faces are not those that were chosen");
  if (user_groups_find(t) != LATHE_OK || periodic_find(t) != LATHE_OK)
    return outcome_fail(o, REASON_LOG, "the repaired faces are not those of the groups");
  sizes_forget(t);
  if (local_sizes_find(t) != LATHE_OK)
    return outcome_fail(o, REASON_LOG, "the repaired part is not that of local_sizes");
  import_measure(t, g);
  if ((task_fills(t) && g->volumes < t->geometry.volumes) || g->surfaces == 0)
    return outcome_fail(o, REASON_LOST, "repairing the CAD lost %zu of %zu solids",
                        t->geometry.volumes - g->volumes, t->geometry.volumes);
  return true;
}
