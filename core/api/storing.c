/* SPDX-License-Identifier: MIT */
#include "api/storing.h"

#include <string.h>

static void store_next(struct storing *s);

static void on_stored(void *arg, int code, const struct storage_blob *blob, const struct err *err) {
  struct storing *s = arg;
  s->upload = NULL;
  if (code < 0) {
    s->done(s->arg, code, err);
    return;
  }
  struct input *x = &s->inputs->list[s->at];
  memcpy(x->sha256, blob->sha256, sizeof x->sha256);
  x->bytes = blob->bytes;
  x->made_here = !blob->existed;
  x->held = true;
  hold_blob(s->call->api, x->sha256);
  buf_free(&x->data);
  store_next(s);
}

static void on_wrote(void *arg, int code, const struct err *err) {
  struct storing *s = arg;
  if (code < 0 || !s->call->r)
    s->done(s->arg, code, err);
  else
    storage_upload_finish(s->upload, on_stored, s);
}

static void store_next(struct storing *s) {
  while (s->at < s->inputs->count && s->inputs->list[s->at].sha256[0])
    s->at++;
  if (!s->call->r || s->at == s->inputs->count) {
    s->done(s->arg, 0, NULL);
    return;
  }
  struct input *x = &s->inputs->list[s->at];
  struct err err = {0};
  struct api *a = s->call->api;
  s->upload = storage_upload_begin(a->at.storage, a->options.upload_max);
  int rc = storage_upload_write(s->upload, x->data.data, x->data.len, on_wrote, s, &err);
  buf_free(&x->data); /* the upload has copied it */
  if (rc < 0)
    s->done(s->arg, rc, &err);
  else if (rc == 0)
    storage_upload_finish(s->upload, on_stored, s);
}

void storing_start(struct storing *s) {
  s->at = 0;
  s->upload = NULL;
  store_next(s);
}

void storing_abort(struct storing *s) {
  if (s->upload)
    storage_upload_abort(s->upload);
  s->upload = NULL;
}
