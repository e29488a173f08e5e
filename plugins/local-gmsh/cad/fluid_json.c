/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What result.json says of the volumes inside.
 */
#include "cad/fluid_json.h"

#include "base/out.h"
#include "cad/fluid.h"
#include "model/names.h"
#include "task/task.h"

static void put_place(struct out *o, const double at[3]) {
  out_printf(o, "\"at\":[%.9g,%.9g,%.9g]}", at[0], at[1], at[2]);
}

void fluid_json(const struct task *t, struct out *o) {
  const struct fluid *f = t->fluid;
  if (!t->params.fluid || !f)
    return;
  out_printf(o, "\"fluid\":{\"with_solids\":%s,\"regions\":[",
             t->params.fluid_solids ? "true" : "false");
  for (size_t i = 0; i < f->region_count && i < FLUID_LISTED; i++) {
    const struct label *solid = names_solid(&t->names, f->regions[i].tag);
    out_printf(o, "%s{\"solid\":%d,\"name\":", i ? "," : "", f->regions[i].tag);
    out_json_string(o, solid && solid->name ? solid->name : "");
    out_printf(o, ",\"volume\":%.9g,", f->regions[i].volume);
    put_place(o, f->regions[i].at);
  }
  out_text(o, "],\"openings\":[");
  for (size_t i = 0; i < f->opening_count; i++) {
    out_text(o, i ? ",{\"name\":" : "{\"name\":");
    out_json_string(o, f->openings[i].name);
    out_printf(o, ",\"face\":%d,\"area\":%.9g,", f->openings[i].face, f->openings[i].area);
    put_place(o, f->openings[i].at);
  }
  out_text(o, "],\"left_out\":[");
  for (size_t i = 0; i < f->left_count && i < FLUID_LISTED; i++) {
    out_printf(o, "%s{\"volume\":%.9g,", i ? "," : "", f->left[i].volume);
    put_place(o, f->left[i].at);
  }
  out_text(o, "]},");
}
