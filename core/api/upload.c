/* SPDX-License-Identifier: MIT
 *
 *   begin -> write* -> finish -> [stored, held] -> taken over by a submit or POST /api/blobs
 *                                      |
 *                                      +-> abort: the hold is given up and the blob removed again
 */
#include "api/upload.h"

#include "base/mem.h"
#include "base/path.h"

#include <stdio.h>
#include <stdlib.h>

static int64_t limit_of(struct api *a, const struct kind *kind, const char *field) {
  const struct kind_role *role = kind ? kind_role(kind, field) : NULL;
  int64_t max = role && role->bytes_max > 0 ? role->bytes_max
                : kind                      ? kind_input_bytes_max(kind)
                                            : 0;
  return max > 0 && (a->options.upload_max <= 0 || max < a->options.upload_max)
             ? max
             : a->options.upload_max;
}

static void *sink_begin(void *ctx, struct http_request *r, const char *field, const char *filename,
                        struct err *err) {
  (void)err;
  struct api *a = ctx;
  const char *kind_word = http_param(r, "kind");
  const struct kind *kind = kind_word ? kinds_find(a->at.kinds, kind_word) : NULL;
  struct api_file *f = mem_alloc(sizeof *f);
  f->api = a;
  f->r = r;
  f->named = filename && *filename;
  path_plain_name(f->named ? filename : "", f->name, sizeof f->name);
  snprintf(f->field, sizeof f->field, "%s", field ? field : "");
  /* What belongs to no kind is read and dropped; the handler then says which kind is unknown. */
  if (!kind_word || kind)
    f->upload = storage_upload_begin(a->at.storage, limit_of(a, kind, f->field));
  return f;
}

static void on_wrote(void *arg, int code, const struct err *err) {
  struct api_file *f = arg;
  http_sink_continue(f->r, code, err);
}

static int sink_write(void *file, const void *data, size_t len, struct err *err) {
  struct api_file *f = file;
  if (!f->upload)
    return 0;
  int rc = storage_upload_write(f->upload, data, len, on_wrote, f, err);
  return rc == 1 ? HTTP_LATER : rc;
}

static void on_stored(void *arg, int code, const struct storage_blob *blob, const struct err *err) {
  struct api_file *f = arg;
  f->upload = NULL;
  if (code == 0) {
    snprintf(f->sha256, sizeof f->sha256, "%s", blob->sha256);
    f->bytes = blob->bytes;
    f->existed = blob->existed;
    f->held = true;
    hold_blob(f->api, f->sha256);
  }
  http_sink_continue(f->r, code, err);
}

static int sink_finish(void *file, struct err *err) {
  (void)err;
  struct api_file *f = file;
  if (!f->upload)
    return 0;
  storage_upload_finish(f->upload, on_stored, f);
  return HTTP_LATER;
}

static void sink_abort(void *file) {
  struct api_file *f = file;
  if (f->upload)
    storage_upload_abort(f->upload);
  if (f->held)
    hold_release(f->api, f->sha256, !f->existed, true);
  free(f);
}

const struct http_sink *api_sink(void) {
  static const struct http_sink sink = {
      .begin = sink_begin, .write = sink_write, .finish = sink_finish, .abort = sink_abort};
  return &sink;
}
