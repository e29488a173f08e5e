/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "output/periodic_file.h"

#include "base/out.h"
#include "quality/checked_mesh.h"
#include "select/periodic.h"
#include "task/task.h"

void periodic_file_build(struct out *o, const struct task *t, const struct checked_mesh *m) {
  out_room(o, 24 * m->pairs.count + 4096);
  out_text(o, "{\"pairs\":[");
  for (size_t set = 0; set < t->periodic->count; set++) {
    size_t n = 0;
    if (set)
      out_text(o, ",\n");
    periodic_put_set(o, &t->periodic->of[set]);
    out_text(o, ",\"nodes\":[");
    for (size_t i = 0; i < m->pairs.count; i++) {
      const struct node_pair *p = &m->pairs.of[i];
      if (p->set != set)
        continue;
      out_text(o, n++ ? ",[" : "[");
      out_integer(o, p->from + 1u, 0);
      out_text(o, ",");
      out_integer(o, p->to + 1u, 0);
      out_text(o, "]");
    }
    out_text(o, "]}");
  }
  out_text(o, "]}\n");
}
