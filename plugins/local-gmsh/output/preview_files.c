/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The files of a preview.
 */
#include "output/preview_files.h"

#include "arrays/mesh_arrays.h"
#include "base/out.h"
#include "output/drawing.h"
#include "output/files.h"
#include "output/gallery.h"
#include "output/glb.h"
#include "output/picture.h"
#include "output/preview_json.h"
#include "task/outcome.h"
#include "task/task.h"

bool preview_files_write(struct task *t, const struct mesh_arrays *s, struct outcome *o) {
  struct out glb = {0}, json = {0}, groups = {0};
  struct drawing d;
  double began = task_now();
  task_stage(t, STAGE_WRITE);
  drawing_make(&d, s, t->format == FORMAT_STL);
  struct picture_job picture = {
      .s = s,
      .d = &d,
      .names = &t->names,
      .look = {.width = t->params.picture_width, .threads = t->params.threads}};
  picture_start(&picture);
  glb_build(&glb, s, &d, &t->names);
  preview_json_build(&json, s, &t->names, &t->geometry, o->volume);
  bool ok = files_put(t, o, &glb, "preview.glb");
  ok = files_put(t, o, &json, "preview.json") && ok;
  picture_finish(&picture);
  if (t->params.picture_width)
    gallery_build(&groups, s, &d, &t->names, t->params.threads);
  if (groups.len)
    ok = files_put(t, o, &groups, "groups.png") && ok;
  if (picture.out.len)
    ok = files_put(t, o, &picture.out, "preview.png") && ok;
  drawing_free(&d);
  o->seconds[STAGE_WRITE] = task_now() - began;
  return ok;
}
