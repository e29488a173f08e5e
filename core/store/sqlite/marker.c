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
#include "store/private.h"

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
static int marker_write(struct store *s, struct err *err) {
  char text[TEXT_MAX], *fresh = mem_printf("%s.new", s->marker_path);
  int len = format(&s->marker, text), rc = 0;
  if (s->marker_fd >= 0)
    close(s->marker_fd);
  s->marker_fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (s->marker_fd < 0 || pwrite(s->marker_fd, text, (size_t)len, 0) != len ||
      fsync(s->marker_fd) || rename(fresh, s->marker_path))
    rc = err_sys(err, errno ? errno : EIO, "cannot write %s", s->marker_path);
  free(fresh);
  return rc ? rc : path_sync_parent(s->marker_path, err);
}

int marker_for_copy(const char *path, const char *id, int64_t gen, struct err *err) {
  struct store *s = mem_alloc(sizeof *s);
  s->marker_path = mem_printf("%s.id", path);
  s->marker_fd = -1;
  s->marker.gen = gen;
  snprintf(s->marker.id, sizeof s->marker.id, "%s", id);
  int rc = marker_write(s, err);
  if (s->marker_fd >= 0)
    close(s->marker_fd);
  free(s->marker_path);
  free(s);
  return rc;
}

/* ---- at the start ---- */

/* Refuses, or, where the admin accepts it, says it and lets orphans be set aside. */
static int object(struct store *s, struct err *why, struct err *err) {
  if (!s->options.accept_empty) {
    err_set(err, why->code, "%s" ADVICE, why->text);
    return why->code;
  }
  log_warn("store.accepted", "%s", why->text);
  atomic_store(&s->marker.aside, true);
  return 0;
}

/* SQLite removes the WAL of a database that is empty. */
static void keep_wal(struct store *s) {
  char *from = mem_printf("%s-wal", s->path);
  char *to = mem_printf("%s-wal.%lld", s->path, (long long)clock_wall_us());
  if (rename(from, to) == 0)
    log_warn("store.accepted", "%s was moved to %s", from, to);
  free(to);
  free(from);
}

int marker_before(struct store *s, struct err *err) {
  struct err why = {0};
  s->marker_path = mem_printf("%s.id", s->path);
  int had = marker_read(s->marker_path, &s->marker, err);
  if (had < 0)
    return had;
  if (file_size(s->path, "") > 0)
    return 0;
  if (had)
    err_set(&why, ERR_CONFLICT,
            "the database %s is gone or empty, but this data folder had one (%s says so)", s->path,
            s->marker_path);
  else if (file_size(s->path, "-wal") > 0)
    err_set(&why, ERR_CONFLICT, "the database %s is gone or empty, but its %s-wal is not", s->path,
            s->path);
  else if (s->options.files_lie_there)
    err_set(&why, ERR_CONFLICT,
            "the database %s is gone or empty, but there are files of jobs beside it, in output/ "
            "or blobs/",
            s->path);
  else
    return 0;
  int rc = object(s, &why, err);
  if (rc == 0)
    keep_wal(s);
  memset(s->marker.id, 0, sizeof s->marker.id); /* the new one is compared with nothing */
  return rc;
}

static void new_id(struct store *s) {
  unsigned char random[16];
  if (s->marker.id[0]) {
    memcpy(s->now.id, s->marker.id, sizeof s->now.id);
    return;
  }
  sqlite3_randomness(sizeof random, random);
  for (size_t i = 0; i < sizeof random; i++)
    snprintf(s->now.id + 2 * i, 3, "%02x", random[i]);
}

static int compare(struct store *s, struct err *err) {
  struct err why = {0};
  if (!s->now.id[0]) /* new, or of a version that gave none */
    new_id(s);
  if (!s->marker.id[0])
    return 0;
  if (strcmp(s->marker.id, s->now.id) != 0)
    err_set(&why, ERR_CONFLICT, "%s is the database of another data folder (%s says so)", s->path,
            s->marker_path);
  else if (s->now.gen < s->marker.gen)
    err_set(&why, ERR_CONFLICT,
            "%s is older than it was: it ends with commit %" PRId64 ", and %" PRId64
            " was reached; %s-wal may have been removed, or a copy was put in its place",
            s->path, s->now.gen, s->marker.gen, s->path);
  else
    return 0;
  return object(s, &why, err);
}

int marker_after(struct store *s, struct err *err) {
  int code = compare(s, err);
  if (code < 0 || (code = conn_run(&s->conn, SQL_BEGIN, err)) < 0)
    return code;
  s->now.gen++;
  if ((code = totals_save(&s->conn, &s->now, err)) < 0 ||
      (code = conn_run(&s->conn, SQL_COMMIT, err)) < 0) {
    conn_run(&s->conn, SQL_ROLLBACK, NULL);
    return code;
  }
  memcpy(s->marker.id, s->now.id, sizeof s->marker.id);
  s->marker.gen = s->now.gen;
  return marker_write(s, err);
}

/* ---- later ---- */

void marker_note(struct store *s) {
  int64_t now_ms = clock_mono_ms(), gen = s->acknowledged.gen;
  char text[TEXT_MAX];
  if (gen == s->marker.gen || (!s->marker_soon && now_ms - s->marker_ms < NOTE_EVERY_MS))
    return;
  s->marker_soon = false;
  s->marker_ms = now_ms;
  s->marker.gen = gen;
  int len = format(&s->marker, text);
  if (pwrite(s->marker_fd, text, (size_t)len, 0) != len)
    s->marker.gen = 0; /* said when the store closes, if it still fails then */
}

void marker_close(struct store *s) {
  struct err err = {0};
  if (s->marker_fd >= 0) {
    s->marker.gen = s->acknowledged.gen;
    if (marker_write(s, &err) < 0)
      log_warn("store.marker", "%s", err.text);
    close(s->marker_fd);
  }
  s->marker_fd = -1;
}

bool store_sets_aside(const struct store *s) {
  return atomic_load(&s->marker.aside);
}

void store_set_aside_over(struct store *s) {
  atomic_store(&s->marker.aside, false); /* on disk when the store closes; until then once more */
}
