/* SPDX-License-Identifier: MIT
 *
 * A small file beside the database that knows which database this data folder has, and how far it
 * was: `<database>.id`.  Without it a daemon whose database is gone, empty, older or another's
 * would start with what it finds, and take the files of all other jobs for rubbish.
 *
 *   open:   files looked at -> SQLite opens -> id and generation compared -> one commit -> written
 *   later:  the generation, at most once a second, and once a checkpoint is complete
 *   close:  the generation, synced
 *
 * The commit at the start and the note after each complete checkpoint see to it that the generation
 * noted here is in the WAL alone: a WAL that vanished shows.  In between the file is written in
 * place and not synced: an older number makes the check weaker, never wrong.
 */
#include "store/sqlite/private.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/path.h"
#include "observe/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_MAX = 128, NOTE_EVERY_MS = 1000 };

#define ADVICE                                                                                     \
  "; put the right files back or restore a backup, or start once with --accept-empty: it goes on " \
  "with what is there, and moves files that no job names to set-aside/ in the data folder"

static int format(const struct marker *m, char text[TEXT_MAX]) {
  return snprintf(text, TEXT_MAX, "lathe 1\nid %.32s\ngeneration %020" PRId64 "\naside %d\n", m->id,
                  m->gen, atomic_load(&m->aside));
}

static void marker_clear(struct marker *m) {
  memset(m->id, 0, sizeof m->id);
  m->gen = 0;
  atomic_store(&m->aside, false);
}

/* 1: read; 0: there is none, or it is damaged. */
static int marker_read(const char *path, struct marker *m, struct err *err) {
  char text[TEXT_MAX] = {0};
  int aside = 0, fd = open(path, O_RDONLY | O_CLOEXEC);
  marker_clear(m);
  if (fd < 0)
    return errno == ENOENT ? 0 : err_sys(err, errno, "cannot open %s", path);
  ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  if (n < 0)
    return err_sys(err, errno, "cannot read %s", path);
  if (sscanf(text, "lathe 1\nid %32[0-9a-f]\ngeneration %" SCNd64 "\naside %d", m->id, &m->gen,
             &aside) != 3) {
    log_warn("store.marker", "%s is damaged; it is written anew", path);
    marker_clear(m);
    return 0;
  }
  atomic_store(&m->aside, aside != 0);
  return 1;
}

/* Under a new name first: whole, or as it was. */
static int marker_write(struct engine *e, struct err *err) {
  char text[TEXT_MAX], *fresh = mem_printf("%s.new", e->marker_path);
  int len = format(&e->marker, text), rc = 0;
  if (e->marker_fd >= 0)
    close(e->marker_fd);
  e->marker_fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (e->marker_fd < 0 || pwrite(e->marker_fd, text, (size_t)len, 0) != len ||
      fsync(e->marker_fd) || rename(fresh, e->marker_path))
    rc = err_sys(err, errno ? errno : EIO, "cannot write %s", e->marker_path);
  free(fresh);
  return rc ? rc : path_sync_parent(e->marker_path, err);
}

int marker_for_copy(const char *path, const char *id, int64_t gen, struct err *err) {
  struct engine *e = mem_alloc(sizeof *e);
  e->marker_path = mem_printf("%s.id", path);
  e->marker_fd = -1;
  e->marker.gen = gen;
  snprintf(e->marker.id, sizeof e->marker.id, "%s", id);
  int rc = marker_write(e, err);
  if (e->marker_fd >= 0)
    close(e->marker_fd);
  free(e->marker_path);
  free(e);
  return rc;
}

/* ---- at the start ---- */

/* Refuses, or, where the admin accepts it, says it and lets orphans be set aside. */
static int object(struct engine *e, struct err *why, struct err *err) {
  if (!e->options.accept_empty) {
    err_set(err, why->code, "%s" ADVICE, why->text);
    return why->code;
  }
  log_warn("store.accepted", "%s", why->text);
  atomic_store(&e->marker.aside, true);
  return 0;
}

/* SQLite removes the WAL of a database that is empty. */
static void keep_wal(struct engine *e) {
  char *from = mem_printf("%s-wal", e->path);
  char *to = mem_printf("%s-wal.%lld", e->path, (long long)clock_wall_us());
  if (rename(from, to) == 0)
    log_warn("store.accepted", "%s was moved to %s", from, to);
  free(to);
  free(from);
}

int marker_before(struct engine *e, struct err *err) {
  struct err why = {0};
  e->marker_path = mem_printf("%s.id", e->path);
  int had = marker_read(e->marker_path, &e->marker, err);
  if (had < 0)
    return had;
  if (file_size(e->path, "") > 0)
    return 0;
  if (had)
    err_set(&why, ERR_CONFLICT,
            "the database %s is gone or empty, but this data folder had one (%s says so)", e->path,
            e->marker_path);
  else if (file_size(e->path, "-wal") > 0)
    err_set(&why, ERR_CONFLICT, "the database %s is gone or empty, but its %s-wal is not", e->path,
            e->path);
  else if (e->options.files_lie_there)
    err_set(&why, ERR_CONFLICT,
            "the database %s is gone or empty, but there are files of jobs beside it, in output/ "
            "or blobs/",
            e->path);
  else
    return 0;
  int rc = object(e, &why, err);
  if (rc == 0)
    keep_wal(e);
  memset(e->marker.id, 0, sizeof e->marker.id); /* the new one is compared with nothing */
  return rc;
}

static void new_id(struct engine *e) {
  unsigned char random[16];
  if (e->marker.id[0]) {
    memcpy(e->now.id, e->marker.id, sizeof e->now.id);
    return;
  }
  sqlite3_randomness(sizeof random, random);
  for (size_t i = 0; i < sizeof random; i++)
    snprintf(e->now.id + 2 * i, 3, "%02x", random[i]);
}

static int compare(struct engine *e, struct err *err) {
  struct err why = {0};
  if (!e->now.id[0]) /* new, or of a version that gave none */
    new_id(e);
  if (!e->marker.id[0])
    return 0;
  if (strcmp(e->marker.id, e->now.id) != 0)
    err_set(&why, ERR_CONFLICT, "%s is the database of another data folder (%s says so)", e->path,
            e->marker_path);
  else if (e->now.gen < e->marker.gen)
    err_set(&why, ERR_CONFLICT,
            "%s is older than it was: it ends with commit %" PRId64 ", and %" PRId64
            " was reached; %s-wal may have been removed, or a copy was put in its place",
            e->path, e->now.gen, e->marker.gen, e->path);
  else
    return 0;
  return object(e, &why, err);
}

int marker_after(struct engine *e, struct err *err) {
  int code = compare(e, err);
  if (code < 0 || (code = conn_run(&e->conn, SQL_BEGIN, err)) < 0)
    return code;
  e->now.gen++;
  if ((code = totals_save(&e->conn, &e->now, err)) < 0 ||
      (code = conn_run(&e->conn, SQL_COMMIT, err)) < 0) {
    conn_run(&e->conn, SQL_ROLLBACK, NULL);
    return code;
  }
  memcpy(e->marker.id, e->now.id, sizeof e->marker.id);
  e->marker.gen = e->now.gen;
  return marker_write(e, err);
}

/* ---- later ---- */

void marker_note(struct engine *e) {
  int64_t now_ms = clock_mono_ms(), gen = e->acknowledged.gen;
  char text[TEXT_MAX];
  if (gen == e->marker.gen || (!e->marker_soon && now_ms - e->marker_ms < NOTE_EVERY_MS))
    return;
  e->marker_soon = false;
  e->marker_ms = now_ms;
  e->marker.gen = gen;
  int len = format(&e->marker, text);
  if (pwrite(e->marker_fd, text, (size_t)len, 0) != len)
    e->marker.gen = 0; /* said when the store closes, if it still fails then */
}

void marker_close(struct engine *e) {
  struct err err = {0};
  if (e->marker_fd >= 0) {
    e->marker.gen = e->acknowledged.gen;
    if (marker_write(e, &err) < 0)
      log_warn("store.marker", "%s", err.text);
    close(e->marker_fd);
  }
  e->marker_fd = -1;
}
