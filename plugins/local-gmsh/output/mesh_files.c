/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The files of a mesh, out of the process that holds it.
 */
#include "output/mesh_files.h"

#include "arrays/mesh_arrays.h"
#include "base/out.h"
#include "output/drawing.h"
#include "output/files.h"
#include "output/formats.h"
#include "output/gallery.h"
#include "output/periodic_file.h"
#include "output/picture.h"
#include "output/report.h"
#include "quality/checked_mesh.h"
#include "quality/overlaps.h"
#include "quality/quality.h"
#include "quality/quality_tables.h"
#include "task/outcome.h"
#include "task/task.h"

#define PICTURE_OF_MESH 640

static bool write_all(struct task *t, const struct checked_mesh *m, struct outcome *o) {
  const struct mesh_arrays *s = &m->arrays;
  const struct quality *q = &m->quality;
  struct out json = {0}, page = {0}, groups = {0};
  struct drawing d;
  drawing_make(&d, s, false);
  struct picture_job picture = {
      .s = s,
      .d = &d,
      .names = &t->names,
      .look = {.width = PICTURE_OF_MESH, .threads = t->params.threads, .wires = true}};
  picture_start(&picture);
  bool ok = formats_write(t, m, o);
  quality_json(q, s, o, t->params.poor_below, &json);
  picture_finish(&picture);
  gallery_build(&groups, s, &d, &t->names, t->params.threads);
  report_build(&page, t, s, q, o, &(struct report_pictures){&picture.out, &groups});
  drawing_free(&d);
  if (groups.len)
    ok = files_put(t, o, &groups, "groups.png") && ok;
  if (t->periodic) {
    struct out pairs = {0};
    periodic_file_build(&pairs, t, m);
    ok = files_put(t, o, &pairs, "periodic.json") && ok;
  }
  ok = files_put(t, o, &json, "quality.json") && ok;
  ok = files_put(t, o, &page, "report.html") && ok;
  return files_put(t, o, &picture.out, "mesh.png") && ok;
}

bool mesh_files_write(struct task *t, const struct checked_mesh *m, struct outcome *o) {
  double began = task_now();
  task_stage(t, STAGE_WRITE);
  overlaps_find(t, &m->arrays, o);
  bool ok = write_all(t, m, o);
  o->seconds[STAGE_WRITE] = task_now() - began;
  return ok;
}
