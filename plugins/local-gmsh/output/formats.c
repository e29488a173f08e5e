/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Gmsh chooses its writer by the ending of a name, so the names are ours alone: a client names a
 * format, never a file.
 */
#include "output/formats.h"

#include "base/out.h"
#include "model/groups.h"
#include "model/names.h"
#include "output/bdf.h"
#include "output/export.h"
#include "output/files.h"
#include "output/foam.h"
#include "output/inp.h"
#include "output/msh_poor.h"
#include "output/stl_file.h"
#include "output/su2.h"
#include "output/unv.h"
#include "output/viewer_json.h"
#include "output/vtu.h"
#include "output/writer_module.h"
#include "quality/checked_mesh.h"
#include "quality/foam_check.h"
#include "quality/quality.h"
#include "quality/quality_tables.h"
#include "task/outcome.h"
#include "task/params.h"
#include "task/task.h"

#include <ctype.h>
#include <gmshc.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef void builder(struct out *o, const struct export *x);
typedef bool writer(const struct export *x, const char *path);

static const struct format_file {
  const char *word, *file, *media_type;
  double msh_version;  /* 0: no .msh */
  const char *library; /* a word of Gmsh's build options that the writer needs */
  builder *build;      /* our own writer; NULL: Gmsh's, or */
  builder *build_flat; /* our own where the mesh is of faces alone; NULL: the same */
  writer *write;       /* a library's, which wants a path */
  bool linear_only;
  bool solid_only;  /* it holds no mesh of faces alone */
  bool tets_only;   /* it has no place for the prisms and pyramids of boundary layers */
  bool text;        /* also where the job asks for binary files: its readers take nothing else */
  bool topology;    /* our own writer asks for sides and numbers of nodes */
  const char *unit; /* where the job names none; NULL: the model's own */
} FORMATS[] = {
    {"msh", "mesh.msh", "model/mesh", .msh_version = 4.1},
    {"msh2", "mesh-2.2.msh", "model/mesh", .msh_version = 2.2, .text = true},
    {"vtu", "mesh.vtu", "application/vnd.vtk.vtu+xml", .build = vtu_build},
    {"stl", "mesh.stl", "model/stl", .text = false, .build_flat = stl_file_build},
    {"inp", "mesh.inp", "text/plain", .build = inp_build, .topology = true},
    {"unv", "mesh.unv", "text/plain", .build = unv_build, .topology = true},
    {"bdf", "mesh.bdf", "text/plain", .build = bdf_build, .topology = true},
    {"su2", "mesh.su2", "text/plain", .linear_only = true, .build_flat = su2_build,
     .topology = true},
#ifdef HAVE_HDF5
    {"med", "mesh.med", "application/x-hdf5", .write = med_write, .topology = true},
#else
    {"med", "mesh.med", "application/x-hdf5", .library = "Med"},
#endif
    {"viewer", "viewer.json", "application/json", .build = viewer_json_build, .solid_only = true,
     .tets_only = true},
    {"foam", "polyMesh.tar", "application/x-tar", .build = foam_build, .topology = true,
     .linear_only = true, .solid_only = true, .unit = "m"},
#ifdef HAVE_CGNS
    {"cgns", "mesh.cgns", "application/x-hdf5", .write = cgns_write, .topology = true},
#else
    {"cgns", "mesh.cgns", "application/x-hdf5", .library = "Cgns"},
#endif
};
#define COUNT    (sizeof FORMATS / sizeof *FORMATS)
#define DEFAULTS (1u << 0 | 1u << 2) /* msh and vtu */
#define STL      (1u << 3)
#define SU2      (1u << 7)
#define FOAM     (1u << 10)

const char *formats_file(size_t i, const char **media_type) {
  if (i >= COUNT)
    return NULL;
  *media_type = FORMATS[i].media_type;
  return FORMATS[i].file;
}

static bool built_in(const struct format_file *f) {
  char *text = NULL, word[16];
  int e = 0;
  if (!f->library)
    return true;
  gmshOptionGetString("General.BuildOptions", &text, &e);
  snprintf(word, sizeof word, " %s", f->library);
  bool found = false;
  for (const char *at = text; e == 0 && at && !found && (at = strstr(at, word)); at++)
    found = !isalnum((unsigned char)at[strlen(word)]);
  gmshFree(text);
  return found;
}

static bool formats_add(struct task *t, const char *word, size_t len) {
  bool all = len == 3 && strncmp(word, "all", 3) == 0;
  for (size_t i = 0; i < COUNT; i++) {
    const struct format_file *f = &FORMATS[i];
    bool named = strlen(f->word) == len && strncmp(word, f->word, len) == 0;
    bool possible = built_in(f) && !(f->linear_only && t->params.order == 2) &&
                    !(f->solid_only && t->flat) && !(f->tets_only && t->layers);
    if (named && !built_in(f))
      task_fail(t, LATHE_BAD_INPUT,
                "outputs: this machine's Gmsh was built without %s, which writing %s needs; leave "
                "\"%s\" out, or take unv, inp or vtu",
                f->library, f->file, f->word);
    else if (named && f->solid_only && t->flat)
      task_fail(
          t, LATHE_BAD_INPUT,
          "outputs: %s holds cells of a volume, and dimension=2 makes none; leave \"%s\" out. "
          "OpenFOAM takes a plane case as a body that is one cell thick",
          f->file, f->word);
    else if (named && t->layers && f->tets_only)
      task_fail(t, LATHE_BAD_INPUT,
                "outputs: %s tells of tetrahedra alone, and boundary_layers makes prisms; leave "
                "\"%s\" out. All other formats hold prisms",
                f->file, f->word);
    else if (named && !possible)
      task_fail(t, LATHE_BAD_INPUT,
                "outputs: %s has no elements with middle nodes; leave \"%s\" out, or ask for "
                "element_order=1",
                f->file, f->word);
    if ((named || all) && possible)
      t->params.outputs |= 1u << i;
    if (named && possible)
      t->params.outputs_named |= 1u << i;
    if (named)
      return possible;
  }
  if (!all)
    task_fail(t, LATHE_BAD_INPUT,
              "outputs: there is no format \"%.*s\"; there are msh, msh2, vtu, stl, inp, unv, bdf, "
              "su2, med, viewer, foam, cgns and all, with commas between them",
              (int)(len < 20 ? len : 20), word);
  return all;
}

/* Fluent converts universal files, Mechanical takes Nastran's as an external model. */
static const char *const ANSYS_READS[] = {
    [ANSYS_NONE] = NULL, [ANSYS_CFD] = "unv", [ANSYS_FEA] = "bdf"};

bool formats_read(struct task *t, const char *list) {
  static const char BETWEEN[] = ", \t";
  t->params.outputs = t->params.outputs_named = 0;
  for (const char *at = list ? list : ""; *(at += strspn(at, BETWEEN));) {
    size_t len = strcspn(at, BETWEEN);
    if (!formats_add(t, at, len))
      return false;
    at += len;
  }
  if (t->params.outputs == 0)
    t->params.outputs = DEFAULTS;
  if (t->params.save_stl)
    t->params.outputs |= STL;
  const char *ansys = ANSYS_READS[t->params.ansys];
  return !ansys || formats_add(t, ansys, strlen(ansys));
}

static void set(const char *name, double value) {
  int e = 0;
  gmshOptionSetNumber(name, value, &e);
}

/* The unit of a file; NULL: the model's own. */
static const char *unit_of(const struct task *t, const struct format_file *f) {
  return t->params.output_unit[0] ? t->params.output_unit : f->unit;
}

/* What is in the plane alone leaves z out. */
static double level(const struct geometry *g, double z) {
  return fabs(z) > 1e-6 * g->diagonal ? z : 0; /* the kernel's boxes are a little too large */
}

static bool check_plane(struct task *t) {
  const struct geometry *g = &t->geometry;
  bool in_plane = g->high[2] - g->low[2] <= 1e-6 * g->diagonal;
  if (t->flat && !in_plane && !(t->params.outputs_named & SU2)) /* of `all`, what can be written */
    t->params.outputs &= ~SU2;
  const char *what = t->params.outputs & SU2               ? "mesh.su2 with dimension=2"
                     : t->params.inp_elements != INP_SHELL ? "plane elements (inp_elements)"
                                                           : NULL;
  if (!t->flat || !what)
    return true;
  if (!in_plane)
    task_fail(t, LATHE_BAD_INPUT,
              "%s: %s must lie in a plane of one z, and the faces reach from z = %.6g to %.6g. "
              "Choose faces that do (faces), or turn the part in the CAD program",
              t->name, what, level(g, g->low[2]), level(g, g->high[2]));
  else if (t->params.inp_elements == INP_AXISYMMETRIC && g->low[0] < -1e-6 * g->diagonal)
    task_fail(t, LATHE_BAD_INPUT,
              "%s: inp_elements=axisymmetric turns the faces around the y axis, so x may not be "
              "negative, and it reaches down to %.6g",
              t->name, g->low[0]);
  return t->code == LATHE_OK;
}

bool formats_check(struct task *t) {
  if (!check_plane(t))
    return false;
  if (export_unit_mm(t->unit) > 0)
    return true;
  if (t->params.output_unit[0])
    task_fail(t, LATHE_BAD_INPUT,
              "output_unit: %s does not say what unit it is in, so nothing can be turned into %s; "
              "leave output_unit out, and give what to multiply by as scale (0.001 for millimetres "
              "to metres)",
              t->name, t->params.output_unit);
  else if (t->params.outputs & FOAM && t->params.scale == 1)
    task_warn(t,
              "polyMesh.tar has the numbers of %s, which does not say what unit they are in, and "
              "OpenFOAM takes them for metres: ask for scale=0.001 if they are millimetres",
              t->name);
  return t->code == LATHE_OK;
}

void formats_json(const struct task *t, struct out *o) {
  const char *between = "", *unit;
  out_text(o, "\"files\":[");
  for (size_t i = 0; i < COUNT; i++) {
    if (!(t->params.outputs >> i & 1))
      continue;
    double factor = export_factor(t, unit_of(t, &FORMATS[i]), &unit);
    out_printf(o, "%s{\"name\":\"%s\",\"unit\":\"%s\",\"factor\":%.15g}", between, FORMATS[i].file,
               unit, factor);
    between = ",";
  }
  out_text(o, "],");
}

void formats_units(const struct task *t, struct out *o) {
  uint32_t left = t->params.outputs;
  for (size_t i = 0; i < COUNT; i++) { /* each unit once, with all of its files */
    const char *unit, *other;
    if (!(left >> i & 1))
      continue;
    double factor = export_factor(t, unit_of(t, &FORMATS[i]), &unit);
    out_printf(o, "%s%s", left != t->params.outputs ? "; " : "",
               strcmp(unit, "file") == 0 ? "the CAD file's unit" : unit);
    if (factor != 1)
      out_printf(o, " (numbers times %g)", factor);
    for (size_t k = i, n = 0; k < COUNT; k++) {
      if (!(left >> k & 1))
        continue;
      export_factor(t, unit_of(t, &FORMATS[k]), &other);
      if (strcmp(unit, other) != 0)
        continue;
      out_printf(o, "%s%s", n++ ? ", " : ": ", FORMATS[k].file);
      left &= ~(1U << k);
    }
  }
}

static bool gmsh_writes(const struct task *t, const struct format_file *f, const struct export *x,
                        const char *path) {
  int e = 0;
  if (f->msh_version > 0)
    set("Mesh.MshFileVersion", f->msh_version);
  set("Mesh.Binary", t->params.binary && !f->text);
  names_physical(&t->names, f->word);
  set("Mesh.ScalingFactor", x->factor);
  gmshWrite(path, &e);
  return e == 0 && (f->msh_version == 0 || msh_poor_append(x, f->msh_version < 4, path));
}

static bool write_one(struct task *t, const struct format_file *f, struct export *x,
                      struct outcome *o) {
  char path[PATH_MAX];
  task_path(t, path, f->file);
  if (f->topology)
    export_topology(x);
  return (f->write ? f->write(x, path) : gmsh_writes(t, f, x, path)) ||
         outcome_fail(o, REASON_WRITE, "%s cannot be written: is the disk full?", f->file);
}

static builder *builder_of(const struct format_file *f, bool flat) {
  return flat && f->build_flat ? f->build_flat : f->build;
}

static bool build_one(struct task *t, const struct format_file *f, struct export *x,
                      struct outcome *o) {
  struct out content = {0};
  if (f->topology)
    export_topology(x);
  builder_of(f, x->sheet != NULL)(&content, x);
  return files_put(t, o, &content, f->file);
}

/* The set of poor elements, and its group: a name like the others. */
static void take_poor(struct export *x, struct task *t, const struct quality *q) {
  if (!(t->params.poor_below > 0))
    return;
  groups_add_poor(&t->names.groups);
  x->poor = out_alloc(q->count + q->layer_count + 1, sizeof *x->poor);
  x->poor_count = quality_poor_set(q, t->params.poor_below, x->poor);
}

bool formats_write(struct task *t, const struct checked_mesh *m, struct outcome *o) {
  bool ok = true;
  struct export x;
  set("Mesh.SaveAll", 0); /* a reader that takes groups (meshio) takes nothing else */
  export_take(&x, t, m);
  take_poor(&x, t, &m->quality);
  x.shapes = &o->foam;
  for (size_t i = 0; i < COUNT && ok; i++) {
    if (!(t->params.outputs >> i & 1))
      continue;
    export_for(&x, FORMATS[i].word, unit_of(t, &FORMATS[i]));
    ok = (builder_of(&FORMATS[i], t->flat) ? build_one : write_one)(t, &FORMATS[i], &x, o);
  }
  export_free(&x);
  foam_check_warn(o, &o->foam);
  return ok;
}
