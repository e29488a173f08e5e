/* SPDX-License-Identifier: MIT
 *
 * Copies of the database, by SQLite's backup API: one moment of it, while others write.
 */
#include "store/sqlite/private.h"

#include "base/mem.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int64_t file_size(const char *path, const char *suffix) {
  struct stat st;
  char *name = mem_printf("%s%s", path, suffix);
  int64_t size = stat(name, &st) == 0 ? (int64_t)st.st_size : -1;
  free(name);
  return size;
}

static int copy_pages(struct conn *from, sqlite3 *to, const char *name, struct err *err) {
  sqlite3_backup *b = sqlite3_backup_init(to, "main", from->db, "main");
  int rc = b != NULL ? sqlite3_backup_step(b, -1) : sqlite3_errcode(to);
  int end = sqlite3_backup_finish(b);
  if (rc == SQLITE_DONE && end == SQLITE_OK)
    return 0;
  int sys = sqlite3_system_errno(to);
  bool full = (rc & 0xff) == SQLITE_FULL || sys == ENOSPC || sys == EDQUOT;
  return err_set(err, full ? ERR_NO_SPACE : ERR_IO, "cannot copy the database to %s: %s%s%s", name,
                 sqlite3_errstr(rc), sys != 0 ? ": " : "", sys != 0 ? strerror(sys) : "");
}

static int put_in_place(const char *fresh, const char *to, struct err *err) {
  int fd = open(fresh, O_RDONLY | O_CLOEXEC);
  int rc = fd >= 0 && fsync(fd) == 0 ? 0 : err_sys(err, errno, "cannot sync %s", fresh);
  if (fd >= 0)
    close(fd);
  if (rc == 0 && rename(fresh, to))
    rc = err_sys(err, errno, "cannot name the copy %s", to);
  return rc ? rc : path_sync_parent(to, err);
}

int copy_database(struct conn *c, const char *to, struct err *err) {
  char *fresh = mem_printf("%s.new", to);
  sqlite3 *db = NULL;
  unlink(fresh);
  int rc = sqlite3_open_v2(fresh, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
  int code = rc == SQLITE_OK
                 ? copy_pages(c, db, to, err)
                 : err_set(err, ERR_IO, "cannot make %s: %s", fresh, sqlite3_errmsg(db));
  sqlite3_close(db);
  if (code == 0)
    code = put_in_place(fresh, to, err);
  if (code < 0)
    unlink(fresh);
  free(fresh);
  return code;
}
