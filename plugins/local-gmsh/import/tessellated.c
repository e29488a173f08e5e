/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "import/tessellated.h"

#include "base/file_view.h"
#include "base/out.h"
#include "facets/facets.h"
#include "facets/facets_mend.h"
#include "import/stl.h"
#include "model/names.h"
#include "step/step_facets.h"
#include "step/step_parts.h"
#include "step/step_text.h"
#include "task/task.h"

#include <stdlib.h>
#include <string.h>

struct tessellation {
  struct parts parts;
  const struct part **part_of; /* per part of the facets, which is a face of the file */
  const struct part_face **face_of;
};

static void number_faces(struct tessellation *s) {
  size_t count = 0, n = 0;
  for (size_t i = 0; i < s->parts.count; i++)
    count += s->parts.of[i].face_count;
  s->part_of = out_alloc(count, sizeof *s->part_of);
  s->face_of = out_alloc(count, sizeof *s->face_of);
  for (size_t i = 0; i < s->parts.count; i++)
    for (size_t k = 0; k < s->parts.of[i].face_count; k++, n++) {
      s->part_of[n] = &s->parts.of[i];
      s->face_of[n] = &s->parts.of[i].faces[k];
    }
}

static void warn(struct task *t, const struct parts *p) {
  bool placed = false;
  for (size_t i = 0; i < p->count; i++)
    placed = placed || p->of[i].path;
  task_warn(t,
            "the file holds triangles (AP242 tessellation) and no exact faces: they are shown as "
            "they are, and a mesh follows them");
  if (placed)
    task_warn(t, "tessellated parts stand where their own coordinates say; where an assembly puts "
                 "them is not read. Export it as exact geometry if they are in the wrong place");
}

int32_t tessellated_read(struct task *t) {
  struct facets *f = out_alloc(1, sizeof *f);
  struct tessellation *s = out_alloc(1, sizeof *s);
  struct view text = view_map(t->model);
  double unit = t->file_unit_mm > 0 ? t->file_unit_mm : 1;
  bool found = text.data && step_facets_read(f, &s->parts, text.data, text.size, t->name, unit);
  view_unmap(text);
  if (found)
    facets_mend(f);
  if (!found || f->count == 0) {
    facets_free(f);
    parts_free(&s->parts);
    free(f);
    free(s);
    return LATHE_OK;
  }
  number_faces(s);
  t->facets = f;
  t->format = FORMAT_STL;
  t->tessellation = s;
  warn(t, &s->parts);
  return stl_check(t);
}

static void paint(struct label *l, const struct tint *tint) {
  l->coloured = tint->known;
  memcpy(l->rgb, tint->rgb, sizeof l->rgb);
  l->transparency = tint->transparency;
}

static char *copy(const char *text) {
  return text ? step_text_clean(text, strlen(text)) : NULL;
}

void tessellated_names(struct task *t) {
  const struct tessellation *s = t->tessellation;
  const struct facets *f = t->facets;
  struct names *n = &t->names;
  bool *named = out_alloc(n->solid_count + 1, sizeof *named);
  for (size_t i = 0; i < f->count; i++) {
    const struct part *part = s->part_of[f->part[i]];
    struct label *face = &n->faces[f->face[i]];
    if (!face->coloured)
      paint(face, &s->face_of[f->part[i]]->tint);
    if (face->solid < 1 || named[face->solid])
      continue;
    struct label *solid = &n->solids[face->solid - 1];
    named[face->solid] = true;
    free(solid->name);
    solid->name = copy(part->name);
    solid->path = copy(part->path);
    paint(solid, &part->tint);
  }
  free(named);
}
