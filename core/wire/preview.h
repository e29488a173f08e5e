/* SPDX-License-Identifier: MIT
 *
 * A provisional artifact, shown while the job runs: its bytes travel with the message, so that it needs no
 * folder and leaves nothing behind.
 */
#ifndef WIRE_PREVIEW_H
#define WIRE_PREVIEW_H

#include "wire/messages.h"

#define WIRE_PREVIEW_MAX  (2u << 20) /* bytes */
#define WIRE_PREVIEWS_MAX 8          /* names of one job */

struct wire_preview {
  struct wire_artifact artifact; /* without a path; `bytes` is not read where there are some */
  const char *data;              /* NULL: it is at the URL */
  size_t len;
};

void wire_put_preview(struct buf *out, uint64_t token, const struct wire_preview *m);
int wire_get_preview(const struct wire_frame *f, struct wire_preview *m, struct err *err);

#endif
