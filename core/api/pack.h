/* SPDX-License-Identifier: MIT
 *
 * An archive that is written piece by piece: zip, or tar with or without gzip.  Between two calls
 * nothing happens and no thread waits; the calls may come from different threads, one at a time.
 */
#ifndef API_PACK_H
#define API_PACK_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct pack;

enum pack_format { PACK_ZIP, PACK_ZIP_DEFLATE, PACK_TAR, PACK_TAR_GZIP };

/* NULL with err set. */
struct pack *pack_new(enum pack_format format, struct err *err);
void pack_free(struct pack *p); /* at any time */

/* A file of exactly `bytes` follows.  path: UTF-8, relative. */
int pack_begin(struct pack *p, const char *path, int64_t bytes, int64_t mtime_us, struct err *err);
int pack_data(struct pack *p, const void *data, size_t len, struct err *err);
int pack_end(struct pack *p, struct err *err);
/* A whole file from memory. */
int pack_file(struct pack *p, const char *path, const struct buf *content, int64_t mtime_us,
              struct err *err);
/* The archive's own end. */
int pack_close(struct pack *p, struct err *err);

/* What was written so far and not taken yet; the caller empties it. */
struct buf *pack_output(struct pack *p);

#endif
