/* SPDX-License-Identifier: MIT
 *
 * What a child says of its end, before the daemon hears it.
 */
#include "worker/fork/zygote.h"

#include <stdio.h>
#include <stdlib.h>

void child_put_done(const struct child *c, struct buf *out) {
  struct wire_frame f = {
      .type = WIRE_DONE, .token = c->token, .payload = c->done.data, .len = (uint32_t)c->done.len};
  struct wire_done done;
  char hint[300], text[1400];
  guard_hint(&c->guard, hint, sizeof hint);
  if (hint[0] && wire_get_done(&f, &done, NULL) == 0) {
    bool failed = done.class != WIRE_OK;
    if (failed) {
      snprintf(text, sizeof text, "%.1000s%s", done.message ? done.message : "", hint);
      done.message = text;
      failed = wire_put_done(out, c->token, &done, NULL) == 0;
    }
    free(done.artifacts);
    if (failed)
      return;
  }
  size_t start = wire_begin(out, WIRE_DONE, c->token);
  buf_put(out, c->done.data, c->done.len);
  wire_end(out, start, NULL);
}
