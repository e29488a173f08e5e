/* SPDX-License-Identifier: MIT
 *
 * libarchive with a write callback that fills a buffer.  Names are UTF-8 whatever the locale is.
 */
#include "api/pack.h"

#include "base/mem.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <pthread.h>
#include <stdlib.h>

struct pack {
  struct archive *a;
  struct archive_entry *entry;
  struct buf out;
  bool dropped;
};

static int fail(struct pack *p, struct err *err) {
  const char *text = archive_error_string(p->a);
  return err_set(err, ERR_IO, "the archive cannot be written: %s", text ? text : "unknown reason");
}

static la_ssize_t on_write(struct archive *a, void *arg, const void *data, size_t len) {
  struct pack *p = arg;
  if (p->dropped) {
    archive_set_error(a, EPIPE, "the archive is not wanted any more");
    return -1;
  }
  buf_put(&p->out, data, len);
  return (la_ssize_t)len;
}

/* libarchive converts names by the thread's locale, and the daemon has none. */
static locale_t utf8;

static void make_utf8(void) {
  utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

static locale_t enter_utf8(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, make_utf8);
  return utf8 ? uselocale(utf8) : (locale_t)0;
}

static void leave_utf8(locale_t before) {
  if (before)
    uselocale(before);
}

static int set_format(struct archive *a, enum pack_format format) {
  if (format == PACK_TAR || format == PACK_TAR_GZIP)
    return archive_write_set_format_pax_restricted(a) == ARCHIVE_OK &&
                   (format == PACK_TAR || archive_write_add_filter_gzip(a) == ARCHIVE_OK)
               ? 0
               : -1;
  const char *options = format == PACK_ZIP ? "zip:compression=store,zip:hdrcharset=UTF-8"
                                           : "zip:compression=deflate,zip:compression-level=1,"
                                             "zip:hdrcharset=UTF-8";
  return archive_write_set_format_zip(a) == ARCHIVE_OK &&
                 archive_write_set_options(a, options) == ARCHIVE_OK
             ? 0
             : -1;
}

struct pack *pack_new(enum pack_format format, struct err *err) {
  struct pack *p = mem_alloc(sizeof *p);
  p->a = archive_write_new();
  p->entry = archive_entry_new();
  locale_t before = enter_utf8();
  bool ok = set_format(p->a, format) == 0 &&
            archive_write_set_bytes_per_block(p->a, 64 << 10) == ARCHIVE_OK &&
            archive_write_set_bytes_in_last_block(p->a, 1) == ARCHIVE_OK &&
            archive_write_open(p->a, p, NULL, on_write, NULL) == ARCHIVE_OK;
  leave_utf8(before);
  if (ok)
    return p;
  fail(p, err);
  pack_free(p);
  return NULL;
}

void pack_free(struct pack *p) {
  if (!p)
    return;
  p->dropped = true; /* what it would write at its end; archive_write_fail() leaks its buffers */
  archive_write_free(p->a);
  archive_entry_free(p->entry);
  buf_free(&p->out);
  free(p);
}

int pack_begin(struct pack *p, const char *path, int64_t bytes, int64_t mtime_us, struct err *err) {
  struct archive_entry *e = archive_entry_clear(p->entry);
  locale_t before = enter_utf8();
  archive_entry_set_pathname_utf8(e, path);
  archive_entry_set_filetype(e, AE_IFREG);
  archive_entry_set_perm(e, 0644);
  archive_entry_set_size(e, bytes);
  archive_entry_set_mtime(e, (time_t)(mtime_us / 1000000), 0);
  int rc = archive_write_header(p->a, e);
  leave_utf8(before);
  return rc < ARCHIVE_WARN ? fail(p, err) : 0;
}

int pack_data(struct pack *p, const void *data, size_t len, struct err *err) {
  const char *at = data;
  while (len > 0) {
    la_ssize_t n = archive_write_data(p->a, at, len);
    if (n <= 0)
      return fail(p, err);
    at += n;
    len -= (size_t)n;
  }
  return 0;
}

int pack_end(struct pack *p, struct err *err) {
  return archive_write_finish_entry(p->a) < ARCHIVE_WARN ? fail(p, err) : 0;
}

int pack_file(struct pack *p, const char *path, const struct buf *content, int64_t mtime_us,
              struct err *err) {
  int rc = pack_begin(p, path, (int64_t)content->len, mtime_us, err);
  if (rc == 0)
    rc = pack_data(p, content->data, content->len, err);
  return rc == 0 ? pack_end(p, err) : rc;
}

int pack_close(struct pack *p, struct err *err) {
  return archive_write_close(p->a) < ARCHIVE_WARN ? fail(p, err) : 0;
}

struct buf *pack_output(struct pack *p) {
  return &p->out;
}
