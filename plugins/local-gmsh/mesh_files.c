/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The files of a mesh, out of the process that holds it.
 */
#include "files.h"
#include "task.h"

#include <gmshc.h>

bool mesh_files_write(struct task *t, const struct soup *s, const struct quality *q,
                      struct outcome *o) {
  struct out vtu = {0}, json = {0};
  char path[PATH_MAX];
  int e = 0;
  task_path(t, path, "mesh.msh");
  gmshWrite(path, &e);
  if (e)
    return outcome_fail(o, REASON_WRITE, "mesh.msh cannot be written: is the disk full?");
  vtu_build(&vtu, s, q);
  quality_json(q, s, o, &json);
  bool ok = files_put(t, o, &vtu, "mesh.vtu");
  return files_put(t, o, &json, "quality.json") && ok;
}
