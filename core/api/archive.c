/* SPDX-License-Identifier: MIT
 *
 * GET /api/batches/{id}/archive: the results of all jobs that are completed, in one archive.
 *
 *            page of jobs read            a piece is written           the client is slow
 *   reading ------------------> packing ---------------------> sending <----------> blocked
 *      ^                          |  ^  (thread pool, 256 KiB)    |
 *      |       page is through    |  +------- the next piece -----+
 *      +--------------------------+           ... tables, end of the archive, end of the stream
 *
 * One piece at a time is in memory, no temporary file is made, and no thread waits for a client.
 * The tables come last: they tell exactly of the jobs that are in the archive.
 * A file that lies at a URL is named with that in links.txt.
 * A file that retention or a person takes away meanwhile is named in missing.txt.
 */
#include "api/batch_render.h"
#include "api/internal.h"
#include "api/pack.h"
#include "base/clock.h"
#include "base/mem.h"
#include "observe/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 256 << 10, READ = 64 << 10, JOBS_A_READ = 50 };

struct entry { /* a file that is to go in */
  char *path, *folder, *name;
  int64_t mtime_us;
};

struct archive_out {
  struct api *api;
  struct http_request *r; /* until the answer has begun */
  struct http_stream *out;
  struct storage *storage;
  struct pack *pack;
  char id[ID_SIZE], *base;
  enum pack_format format;
  struct record_batch batch; /* num and count alone */
  int64_t from, to, now_us;
  struct buf head, rows, missing, links;
  struct entry *entries; /* of this page */
  size_t count, at, cap;
  int fd; /* of entries[at], or -1 */
  int64_t left;
  bool busy; /* the store or the pool has it */
  bool blocked, closed, packed;
  struct err err;
};

static void advance(struct archive_out *x);

/* ---- packing, on the thread pool ---- */

static void drop_entries(struct archive_out *x) {
  for (size_t i = 0; i < x->count; i++) {
    free(x->entries[i].path);
    free(x->entries[i].folder);
    free(x->entries[i].name);
  }
  x->count = x->at = 0;
}

static int open_entry(struct archive_out *x) {
  struct entry *e = &x->entries[x->at];
  struct err why = {0};
  x->fd = storage_open_artifact(x->storage, e->folder, e->name, &x->left, &why);
  if (x->fd >= 0)
    return pack_begin(x->pack, e->path, x->left, e->mtime_us, &x->err);
  x->fd = -1;
  x->at++;
  buf_printf(&x->missing, "%s\r\n", e->path);
  return 0;
}

static int read_entry(struct archive_out *x) {
  char piece[READ];
  size_t want = x->left < READ ? (size_t)x->left : READ;
  ssize_t n = want > 0 ? read(x->fd, piece, want) : 0;
  if (n < 0 && errno == EINTR)
    return 0;
  if (n < 0 || (n == 0 && want > 0))
    return err_set(&x->err, ERR_IO, "%s became shorter or cannot be read", x->entries[x->at].path);
  x->left -= n;
  if (n > 0)
    return pack_data(x->pack, piece, (size_t)n, &x->err);
  close(x->fd);
  x->fd = -1;
  x->at++;
  return pack_end(x->pack, &x->err);
}

static int put_table(struct archive_out *x, const char *name,
                     void (*make)(struct buf *out, const char *head, const struct buf *rows)) {
  struct buf b = {0};
  make(&b, x->head.data, &x->rows);
  int rc = pack_file(x->pack, name, &b, x->now_us, &x->err);
  buf_free(&b);
  return rc;
}

static void put_end(struct archive_out *x) {
  int rc = put_table(x, "summary.csv", batch_table_csv);
  if (rc == 0)
    rc = put_table(x, "summary.json", batch_table_json);
  if (rc == 0 && x->missing.len > 0)
    rc = pack_file(x->pack, "missing.txt", &x->missing, x->now_us, &x->err);
  if (rc == 0 && x->links.len > 0)
    rc = pack_file(x->pack, "links.txt", &x->links, x->now_us, &x->err);
  if (rc == 0)
    pack_close(x->pack, &x->err);
  x->packed = true;
}

static void pack_piece(void *arg) {
  struct archive_out *x = arg;
  const struct buf *out = pack_output(x->pack);
  int rc = 0;
  while (rc == 0 && x->at < x->count && out->len < PIECE)
    rc = x->fd < 0 ? open_entry(x) : read_entry(x);
  if (rc == 0 && x->at == x->count && x->from == x->to && out->len < PIECE)
    put_end(x);
}

/* ---- between the pieces, on the loop ---- */

static void archive_release(struct archive_out *x) {
  drop_entries(x);
  free(x->entries);
  storage_drop_content(x->storage, &(struct storage_content){.fd = x->fd});
  pack_free(x->pack);
  free(x->base);
  buf_free(&x->head);
  buf_free(&x->rows);
  buf_free(&x->missing);
  buf_free(&x->links);
  free(x);
}

/* True when it was given up meanwhile, and is gone. */
static bool given_up(struct archive_out *x) {
  x->busy = false;
  if (!x->closed)
    return false;
  archive_release(x);
  return true;
}

static void on_packed(void *arg) {
  struct archive_out *x = arg;
  if (given_up(x))
    return;
  struct buf *out = pack_output(x->pack);
  if (x->err.code < 0) {
    log_warn("archive.broken", "the archive of batch %s is broken off: %s", x->id, x->err.text);
    http_stream_break(x->out);
    return;
  }
  x->blocked = !http_stream_write(x->out, out->data, out->len);
  buf_clear(out);
  if (x->at == x->count)
    drop_entries(x);
  advance(x);
}

static void add_entry(struct archive_out *x, const struct record_batch_job *job,
                      const struct record_artifact *file) {
  if (file->url) {
    buf_printf(&x->links, "%s/%s %s\r\n", job->item.folder, file->name, file->url);
    return;
  }
  if (x->count == x->cap) {
    x->cap = x->cap ? x->cap * 2 : 64;
    x->entries = mem_grow(x->entries, x->cap * sizeof *x->entries);
  }
  x->entries[x->count++] = (struct entry){
      .path = mem_printf("%s/%s", job->item.folder, file->name),
      .folder = mem_dup(job->job.source ? job->job.source : job->id),
      .name = mem_dup(file->name),
      .mtime_us = job->job.ended_us,
  };
}

static void on_jobs(void *arg, int code, const struct record_batch_job *items, size_t count,
                    bool more) {
  struct archive_out *x = arg;
  (void)more;
  if (given_up(x))
    return;
  if (code < 0) {
    log_warn("archive.read", "the jobs of batch %s cannot be read (%s)", x->id, err_slug(code));
    http_stream_break(x->out);
    return;
  }
  for (size_t i = 0; i < count; i++) {
    batch_render_job(&x->rows, &x->batch, &items[i], x->base);
    buf_putc(&x->rows, 0);
    for (size_t k = 0; k < items[i].job.artifact_count; k++)
      add_entry(x, &items[i], &items[i].job.artifacts[k]);
  }
  x->from = count > 0 ? items[count - 1].job.num + 1 : x->to;
  advance(x);
}

static void advance(struct archive_out *x) {
  if (x->busy || x->blocked || !x->out)
    return;
  if (x->packed) {
    http_stream_end(x->out);
    return;
  }
  x->busy = true;
  if (x->count == 0 && x->from < x->to)
    store_batch_jobs(x->api->at.store, x->from, x->to, JOBS_A_READ, true, on_jobs, x);
  else
    storage_work(x->storage, pack_piece, on_packed, x);
}

static void on_drained(void *arg) {
  struct archive_out *x = arg;
  x->blocked = false;
  advance(x);
}

static void on_closed(void *arg) {
  struct archive_out *x = arg;
  x->out = NULL;
  x->r = NULL;
  x->closed = true;
  if (!x->busy)
    archive_release(x);
}

/* ---- opening ---- */

static const struct {
  const char *word, *media_type, *ending;
  enum pack_format format;
} formats[] = {
    {"zip", "application/zip", "zip", PACK_ZIP},
    {"zip-deflate", "application/zip", "zip", PACK_ZIP_DEFLATE},
    {"tar", "application/x-tar", "tar", PACK_TAR},
    {"tar.gz", "application/gzip", "tar.gz", PACK_TAR_GZIP},
};

static void archive_begin(struct archive_out *x) {
  struct http_request *r = x->r;
  char text[100];
  x->r = NULL;
  snprintf(text, sizeof text, "attachment; filename=\"batch-%s.%s\"", x->id,
           formats[x->format].ending);
  http_add_header(r, "Content-Disposition", text);
  http_add_header(r, "Cache-Control", "no-store");
  http_add_header(r, "X-Content-Type-Options", "nosniff");
  x->out =
      http_stream_begin(r, 200, formats[x->format].media_type,
                        &(struct http_stream_events){
                            .drained = on_drained, .closed = on_closed, .arg = x, .whole = true});
  advance(x);
}

static void on_batch(void *arg, int code, const struct record_batch *b, size_t count, bool more) {
  struct archive_out *x = arg;
  (void)count, (void)more;
  if (given_up(x))
    return;
  if (code == 0) {
    x->batch = (struct record_batch){.num = b->num, .count = b->count};
    x->from = b->num;
    x->to = b->num + b->count;
    batch_render(&x->head, b, x->base);
    x->pack = pack_new(x->format, &x->err);
    code = x->err.code;
  }
  if (code == 0) {
    archive_begin(x);
    return;
  }
  if (code == ERR_NOT_FOUND)
    api_unknown_batch(x->r, x->id);
  else
    api_refuse(x->r, code, &(struct jobs_answer){.text = x->err.code < 0 ? x->err.text : NULL});
  archive_release(x);
}

void batches_archive(void *ctx, struct http_request *r) {
  struct api *a = ctx;
  const char *id = api_batch_id(r), *word = http_query(r, "format");
  size_t which = 0, n = sizeof formats / sizeof *formats;
  if (!id)
    return;
  while (word && *word && which < n && strcmp(formats[which].word, word) != 0)
    which++;
  if (which == n) {
    http_problem(r, 0, "bad-request", 0,
                 "format must be zip, zip-deflate, tar or tar.gz, not '%.40s'.", word);
    return;
  }
  if (api_head_of_stream(r, formats[which].media_type))
    return;
  struct archive_out *x = mem_alloc(sizeof *x);
  *x = (struct archive_out){.api = a,
                            .r = r,
                            .storage = a->at.storage,
                            .format = formats[which].format,
                            .base = mem_dup(http_base(r)),
                            .fd = -1,
                            .busy = true};
  x->now_us = clock_wall_us();
  memcpy(x->id, id, sizeof x->id);
  http_on_abort(r, on_closed, x);
  store_batch_get(a->at.store, x->id, on_batch, x);
}
