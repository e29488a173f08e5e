/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The first job after start shall be as fast as the second: a small part goes through the whole
 * path once in the zygote, so that code is paged in, relocated and initialised, and forked children
 * inherit it. OpenCASCADE's STEP reader alone builds tables for some milliseconds at its first use.
 */
#include "warm.h"

#include "arrays/mesh_arrays.h"
#include "base/out.h"
#include "cad/kernel.h"
#include "model/names.h"
#include "output/drawing.h"
#include "output/export.h"
#include "output/glb.h"
#include "output/picture.h"
#include "output/preview_json.h"
#include "output/vtu.h"
#include "quality/quality.h"
#include "quality/quality_tables.h"
#include "search/strategies.h"
#include "task/log.h"
#include "task/outcome.h"
#include "task/strategy.h"
#include "task/task.h"
#include "warm_part.h"

#include <gmshc.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void import_step(void) {
  char path[64];
  int *tags = NULL, e = 0;
  size_t n = 0;
  int fd = memfd_create("lathe-warm-part", MFD_CLOEXEC);
  if (fd < 0)
    return;
  if (write(fd, WARM_PART, sizeof WARM_PART - 1) == (ssize_t)sizeof WARM_PART - 1) {
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    gmshModelOccImportShapes(path, &tags, &n, 1, "step", &e);
    gmshFree(tags);
    gmshModelOccSynchronize(&e);
  }
  close(fd);
}

static void serialise(void) {
  struct mesh_arrays s;
  struct quality q;
  struct outcome o = {0};
  struct geometry g = {0};
  struct names names;
  struct drawing d;
  struct out files[5] = {{0}};
  if (!mesh_arrays_take(&s, 4))
    return;
  names_take(&names);
  drawing_make(&d, &s, false);
  glb_build(&files[0], &s, &d, &names);
  preview_json_build(&files[1], &s, &names, &g, 0);
  picture_build(&files[4], &s, &d, &names,
                &(struct picture_look){.width = PICTURE_WIDTH, .threads = 1, .wires = true});
  drawing_free(&d);
  names_free(&names);
  quality_of(&q, &s, true);
  quality_summary(&q, &o);
  vtu_build(&files[2], &(struct export){.arrays = &s, .quality = &q, .xyz = s.xyz, .factor = 1});
  quality_json(&q, &s, &o, 0, &files[3]);
  quality_free(&q);
  for (size_t i = 0; i < 5; i++)
    out_free(&files[i]);
  mesh_arrays_free(&s);
}

void warm_up(void) {
  int e = 0;
  double box[6], mass;
  struct mesh_arrays s;
  struct strategy faces = {.algorithm_2d = 5, .circle_points = 12},
                  solid = {.algorithm_2d = 6, .algorithm_3d = 1, .circle_points = 12};
  struct task t = {.params = {.threads = 1, .optimise = true, .binary = true}, .size = 3};
  gmshOptionSetNumber("General.Terminal", 0, &e);
  gmshOptionSetNumber("Geometry.OCCImportLabels", 1, &e);
  log_begin();
  import_step();
  gmshModelGetBoundingBox(-1, -1, &box[0], &box[1], &box[2], &box[3], &box[4], &box[5], &e);
  gmshModelOccGetMass(3, 1, &mass, &e);
  if (kernel_triangulate(&s, &(struct kernel_limits){
                                 .deflection = 0.1, .angle = 0.4, .seconds = 1, .face_seconds = 1}))
    mesh_arrays_free(&s);
  strategies_apply(&t, &faces);
  for (int dim = 1; dim <= 2; dim++)
    gmshModelMeshGenerate(dim, &e);
  gmshModelMeshClear(NULL, 0, &e);
  t.solid = true;
  strategies_apply(&t, &solid);
  for (int dim = 1; dim <= 3; dim++)
    gmshModelMeshGenerate(dim, &e);
  gmshModelMeshOptimize("", 0, 1, NULL, 0, &e);
  serialise();
  gmshClear(&e);
}
