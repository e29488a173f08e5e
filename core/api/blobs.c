/* SPDX-License-Identifier: MIT
 *
 * POST /api/blobs: an input that is sent once and named by many jobs.
 */
#include "api/upload.h"

#include <stdlib.h>

void blobs_post(void *ctx, struct http_request *r) {
  struct api *a = ctx;
  const struct http_sink *sink = api_sink();
  struct api_file *f = http_take_file(r);
  if (!f) {
    http_problem(r, 0, "bad-request", 0,
                 "There is no file: send its bytes as the body, or multipart/form-data with a part "
                 "'file'.");
    return;
  }
  if (f->bytes == 0) {
    sink->abort(f);
    http_problem(
        r, 0, "bad-request", 0,
        "The file is empty: send its bytes as the body, or multipart/form-data with a part "
        "'file'.");
    return;
  }
  struct buf b = {0};
  buf_printf(&b, "{\"blob\":\"sha256:%s\",\"sha256\":\"%s\",\"bytes\":%lld}", f->sha256, f->sha256,
             (long long)f->bytes);
  int status = f->existed ? 200 : 201;
  if (f->held)
    hold_release(a, f->sha256, !f->existed, false);
  free(f);
  api_reply_json(r, status, &b);
}
