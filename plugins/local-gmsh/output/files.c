/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "output/files.h"

#include "base/out.h"
#include "task/outcome.h"
#include "task/task.h"

#include <string.h>

bool files_put(struct task *t, struct outcome *o, struct out *content, const char *name) {
  char path[PATH_MAX];
  task_path(t, path, name);
  int why = out_file(content, path);
  out_free(content);
  if (why == 0)
    return true;
  return outcome_fail(o, REASON_WRITE, "%s cannot be written: %s", name, strerror(why));
}
