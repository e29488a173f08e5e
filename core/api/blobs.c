/* SPDX-License-Identifier: MIT
 *
 * POST /api/blobs: an input that is sent once and named by many jobs.
 * GET /api/blobs/{sha256}: is it there?  Then it counts as used just now, so that a submit that names it
 * finds it.
 */
#include "api/upload.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

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

/* ---- is it there? ---- */

struct looking {
  struct call call;
  char sha256[SHA256_HEX_SIZE];
};

static void on_found(void *arg, const struct storage_found *found, size_t count) {
  struct looking *l = arg;
  struct http_request *r = l->call.r;
  struct buf b = {0};
  (void)count;
  l->call.api->pieces--;
  if (r && found->code == 0) {
    buf_printf(&b, "{\"blob\":\"sha256:%s\",\"sha256\":\"%s\",\"bytes\":%lld}", l->sha256,
               l->sha256, (long long)found->bytes);
    http_add_header(r, "Cache-Control", "no-store");
    api_reply_json(r, 200, &b);
  } else if (r && found->code == ERR_NOT_FOUND) {
    http_problem(r, 0, "not-found", 0, "There is no blob sha256:%s; send it with POST /api/blobs.",
                 l->sha256);
  } else if (r) {
    http_problem(r, 0, "storage-failed", 5,
                 "The server cannot read its inputs now; send the request again later.");
  }
  free(l);
}

void blobs_get(void *ctx, struct http_request *r) {
  struct api *a = ctx;
  const char *text = http_param(r, "sha256");
  if (strncmp(text, "sha256:", 7) == 0)
    text += 7;
  if (!sha256_is_hex(text)) {
    http_problem(r, 0, "bad-request", 0,
                 "'%.80s' is not a blob id, which is sha256: and 64 lower-case hex digits.", text);
    return;
  }
  struct looking *l = mem_alloc(sizeof *l);
  const char *digest = memcpy(l->sha256, text, SHA256_HEX_SIZE);
  call_init(&l->call, a, r);
  a->pieces++;
  storage_find_blobs(a->at.storage, &digest, 1, true, on_found, l);
}
