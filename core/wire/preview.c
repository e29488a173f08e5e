/* SPDX-License-Identifier: MIT */
#include "wire/preview.h"

void wire_put_preview(struct buf *out, uint64_t token, const struct wire_preview *m) {
  size_t start = wire_begin(out, WIRE_PREVIEW, token);
  wire_put_artifact(out, &m->artifact);
  wire_put_u32(out, m->data != NULL);
  if (m->data)
    wire_put_bytes(out, m->data, m->len);
  wire_end(out, start, NULL);
}

int wire_get_preview(const struct wire_frame *f, struct wire_preview *m, struct err *err) {
  struct wire_reader r = wire_reader(f);
  *m = (struct wire_preview){0};
  wire_get_artifact(&r, &m->artifact);
  if (wire_get_u32(&r) != 0)
    m->data = wire_get_bytes(&r, &m->len);
  wire_require(&r, !m->artifact.path, "a path of a preview");
  wire_require(&r, !m->data != !m->artifact.url, "a preview that is in two places, or in none");
  wire_require(&r, m->len <= WIRE_PREVIEW_MAX, "the size of a preview");
  return wire_reader_end(&r, "PREVIEW", err);
}
