/* SPDX-License-Identifier: MIT
 *
 * A disk that fails at the n-th write or fsync, for n = 1, 2, ...: whatever was
 * acknowledged is there after a restart and after a crash, and the store heals.
 *
 * The disk is an SQLite VFS over the real one.  It keeps what was overwritten
 * since the last fsync; an fsync that fails puts it back, as a kernel does that
 * drops the dirty pages it could not write.
 */
#include "store_help.h"

#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <sys/stat.h>

/* ---- the disk ---- */

enum fault {
  FAULT_NONE,
  FAULT_FULL,  /* a write finds no space */
  FAULT_SHORT, /* the same, half of it written */
  FAULT_WRITE,
  FAULT_SYNC,
  FAULT_MOVE_WRITE, /* of the database file alone: checkpoints */
  FAULT_MOVE_SYNC,
  FAULT_KEEP_SYNC, /* what the failed fsync was for stays readable, as in a kernel's cache */
  FAULT_MOVE_LAST, /* a checkpoint's fsync fails, but only after a commit's did so */
};

struct undo {
  struct undo *next;
  sqlite3_int64 at, len, size_before;
  char old[];
};

static struct {
  pthread_mutex_t lock;
  pthread_cond_t called; /* an fsync was */
  sqlite3_vfs vfs, *real;
  enum fault fault;
  int at, length;           /* the calls at, at + 1, ... of that sort fail */
  int calls;                /* of the sort that fails */
  struct undo *unsynced[2]; /* of the database, of the WAL */
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER, .called = PTHREAD_COND_INITIALIZER};

struct disk_file {
  sqlite3_file base;
  int which; /* index of `unsynced`, -1: another file */
  sqlite3_file *real;
};

static sqlite3_file *real_of(sqlite3_file *f) {
  return ((struct disk_file *)f)->real;
}

static bool fails_now(const struct disk_file *f, bool sync) {
  bool move = disk.fault == FAULT_MOVE_WRITE || disk.fault == FAULT_MOVE_SYNC;
  bool of_sync = disk.fault == FAULT_SYNC || disk.fault == FAULT_MOVE_SYNC ||
                 disk.fault == FAULT_KEEP_SYNC;
  if (disk.fault == FAULT_NONE || disk.fault == FAULT_MOVE_LAST || of_sync != sync ||
      (move && f->which != 0))
    return false;
  int call = ++disk.calls;
  return call >= disk.at && call < disk.at + disk.length;
}

static void keep_old(struct disk_file *f, int len, sqlite3_int64 at) {
  struct undo *u = mem_alloc(sizeof *u + (size_t)len);
  u->at = at;
  u->len = len;
  f->real->pMethods->xFileSize(f->real, &u->size_before);
  f->real->pMethods->xRead(f->real, u->old, len, at); /* short at the end of the file: zeros */
  u->next = disk.unsynced[f->which];
  disk.unsynced[f->which] = u;
}

static void forget(int which, sqlite3_file *put_back) {
  struct undo *u = disk.unsynced[which], *next;
  for (; u != NULL; u = next) {
    next = u->next;
    if (put_back != NULL)
      put_back->pMethods->xWrite(put_back, u->old, (int)u->len, u->at);
    if (put_back != NULL && u->size_before < u->at + u->len)
      put_back->pMethods->xTruncate(put_back, u->size_before);
    free(u);
  }
  disk.unsynced[which] = NULL;
}

static int disk_write(sqlite3_file *file, const void *data, int len, sqlite3_int64 at) {
  struct disk_file *f = (struct disk_file *)file;
  int rc;
  pthread_mutex_lock(&disk.lock);
  bool fails = f->which >= 0 && fails_now(f, false);
  if (f->which >= 0)
    keep_old(f, len, at);
  if (!fails) {
    rc = f->real->pMethods->xWrite(f->real, data, len, at);
  } else {
    if (disk.fault == FAULT_SHORT)
      f->real->pMethods->xWrite(f->real, data, len / 2, at);
    rc = disk.fault >= FAULT_WRITE ? SQLITE_IOERR_WRITE : SQLITE_FULL;
  }
  pthread_mutex_unlock(&disk.lock);
  return rc;
}

/* With the lock: from now on each fsync fails; returns after the first one of another thread. */
static void wait_for_commit(void) {
  disk.fault = FAULT_KEEP_SYNC;
  disk.calls = 0;
  while (disk.calls == 0)
    pthread_cond_wait(&disk.called, &disk.lock);
}

static int disk_sync(sqlite3_file *file, int flags) {
  struct disk_file *f = (struct disk_file *)file;
  (void)flags; /* no real one: the kernel does not crash in this test */
  if (f->which < 0)
    return SQLITE_OK;
  pthread_mutex_lock(&disk.lock);
  bool last = disk.fault == FAULT_MOVE_LAST && f->which == 0;
  if (last)
    wait_for_commit();
  bool fails = fails_now(f, true) || last;
  forget(f->which, fails && disk.fault != FAULT_KEEP_SYNC ? f->real : NULL);
  pthread_cond_broadcast(&disk.called);
  pthread_mutex_unlock(&disk.lock);
  return fails ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static int disk_truncate(sqlite3_file *file, sqlite3_int64 size) {
  struct disk_file *f = (struct disk_file *)file;
  pthread_mutex_lock(&disk.lock);
  if (f->which >= 0)
    forget(f->which, NULL);
  int rc = f->real->pMethods->xTruncate(f->real, size);
  pthread_mutex_unlock(&disk.lock);
  return rc;
}

static int disk_close(sqlite3_file *f) {
  int rc = real_of(f)->pMethods->xClose(real_of(f));
  free(real_of(f));
  return rc;
}

#define FORWARD(name, params, ...)                                                                 \
  static int disk_##name params {                                                                  \
    return real_of(f)->pMethods->x##name(real_of(f), ##__VA_ARGS__);                               \
  }
FORWARD(Read, (sqlite3_file * f, void *data, int len, sqlite3_int64 at), data, len, at)
FORWARD(FileSize, (sqlite3_file * f, sqlite3_int64 *size), size)
FORWARD(Lock, (sqlite3_file * f, int level), level)
FORWARD(Unlock, (sqlite3_file * f, int level), level)
FORWARD(CheckReservedLock, (sqlite3_file * f, int *out), out)
FORWARD(FileControl, (sqlite3_file * f, int op, void *arg), op, arg)
FORWARD(SectorSize, (sqlite3_file * f))
FORWARD(DeviceCharacteristics, (sqlite3_file * f))
FORWARD(ShmMap, (sqlite3_file * f, int page, int size, int extend, void volatile **out), page, size,
        extend, out)
FORWARD(ShmLock, (sqlite3_file * f, int at, int n, int flags), at, n, flags)
FORWARD(ShmUnmap, (sqlite3_file * f, int del), del)

static void disk_ShmBarrier(sqlite3_file *f) {
  real_of(f)->pMethods->xShmBarrier(real_of(f));
}

static int disk_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out) {
  static const sqlite3_io_methods methods = {
      .iVersion = 2,
      .xClose = disk_close,
      .xRead = disk_Read,
      .xWrite = disk_write,
      .xTruncate = disk_truncate,
      .xSync = disk_sync,
      .xFileSize = disk_FileSize,
      .xLock = disk_Lock,
      .xUnlock = disk_Unlock,
      .xCheckReservedLock = disk_CheckReservedLock,
      .xFileControl = disk_FileControl,
      .xSectorSize = disk_SectorSize,
      .xDeviceCharacteristics = disk_DeviceCharacteristics,
      .xShmMap = disk_ShmMap,
      .xShmLock = disk_ShmLock,
      .xShmBarrier = disk_ShmBarrier,
      .xShmUnmap = disk_ShmUnmap,
  };
  struct disk_file *f = (struct disk_file *)file;
  (void)vfs;
  *f = (struct disk_file){.which = flags & SQLITE_OPEN_MAIN_DB ? 0
                                   : flags & SQLITE_OPEN_WAL   ? 1
                                                               : -1,
                          .real = mem_alloc((size_t)disk.real->szOsFile)};
  int rc = disk.real->xOpen(disk.real, name, f->real, flags, out);
  if (rc == SQLITE_OK)
    f->base.pMethods = &methods;
  else
    free(f->real);
  return rc;
}

static void fault(enum fault kind, int at, int length) {
  pthread_mutex_lock(&disk.lock);
  disk.fault = kind;
  disk.at = at;
  disk.length = length;
  disk.calls = 0;
  pthread_mutex_unlock(&disk.lock);
}

static int disk_set_up(void **state) {
  (void)state;
  disk.real = sqlite3_vfs_find(NULL);
  disk.vfs = *disk.real;
  disk.vfs.zName = "failing";
  disk.vfs.szOsFile = sizeof(struct disk_file);
  disk.vfs.xOpen = disk_open;
  return sqlite3_vfs_register(&disk.vfs, 1);
}

static int disk_tear_down(void **state) {
  (void)state;
  forget(0, NULL);
  forget(1, NULL);
  return sqlite3_vfs_unregister(&disk.vfs);
}

/* ---- the ledger ---- */

#define JOBS 400

struct ledger {
  struct world *w;
  int jobs, refused;
  char fault[60];
  int state[JOBS]; /* the last one that was acknowledged, -1: none */
  char id[JOBS][ID_SIZE];
  struct slot {
    struct ledger *l;
    int job, state;
  } slots[2 * JOBS];
};

static void on_ledger(void *arg, int code, const struct store_receipt *r) {
  struct slot *slot = arg;
  (void)r;
  if (code == 0)
    slot->l->state[slot->job] = slot->state;
  else
    slot->l->refused += code == ERR_IO || code == ERR_NO_SPACE;
}

static void write_jobs(struct ledger *l, int count, int group, const char *params) {
  struct store *s = l->w->store;
  for (int i = 0; i < count; i++) {
    struct record_job job = {
        .num = store_next_num(s), .kind = "echo", .client = "", .params_json = params};
    struct store_event_in queued = {EVENT_QUEUED, "{}"}, started = {EVENT_STARTED, "{}"},
                          done = {EVENT_COMPLETED, "{}"};
    struct record_attempt at = attempt_of(1, JOB_RUNNING);
    l->state[i] = -1;
    id_make(&l->w->ids, l->id[i]);
    job.id = l->id[i];
    l->slots[2 * i] = (struct slot){l, i, JOB_RUNNING};
    l->slots[2 * i + 1] = (struct slot){l, i, JOB_COMPLETED};
    store_submit(s, &job, &queued, &at, &started, NULL, on_ledger, &l->slots[2 * i]);
    job.state = JOB_COMPLETED;
    at.state = JOB_COMPLETED;
    store_finish(s, &job, &at, &done, on_ledger, &l->slots[2 * i + 1]);
    if (i % group == group - 1)
      settle(l->w);
  }
  l->jobs = count;
  settle(l->w);
}

/* Every job that was acknowledged is there, in that state or a later one. */
static void check_ledger(struct world *w, const struct ledger *l, const char *when) {
  for (int i = 0; i < l->jobs; i++) {
    int found = l->state[i] >= 0 ? look(w, l->id[i], NULL) : 0;
    if (l->state[i] >= 0 && found < l->state[i])
      fail_msg("%s, fault %s: job %d was acknowledged %d and is %d", when, l->fault, i, l->state[i],
               found);
  }
}

static void copy_file(const char *from_dir, const char *to_dir, const char *name) {
  char from[200], to[200], block[65536];
  snprintf(from, sizeof from, "%s/%s", from_dir, name);
  snprintf(to, sizeof to, "%s/%s", to_dir, name);
  int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT, 0600);
  ssize_t n;
  assert_true(out >= 0);
  while (in >= 0 && (n = read(in, block, sizeof block)) > 0)
    assert_int_equal(write(out, block, (size_t)n), n);
  close(in);
  close(out);
}

/* What a restart finds after the process was killed now. */
static void check_after_crash(const struct ledger *l) {
  struct world *crashed = world_dir();
  void *state = crashed;
  copy_file(l->w->dir, crashed->dir, "lathe.db");
  copy_file(l->w->dir, crashed->dir, "lathe.db-wal");
  world_must_open(crashed);
  check_ledger(crashed, l, "after a crash");
  world_tear_down(&state);
}

static void round_of(enum fault kind, int at, int length, int count, int group, const char *params,
                     bool *reached) {
  struct world *w = world_dir();
  struct ledger *l = mem_alloc(sizeof *l);
  void *state = w;
  world_must_open(w);
  l->w = w;
  snprintf(l->fault, sizeof l->fault, "%d at calls %d to %d", kind, at, at + length - 1);
  fault(kind, at, length);
  write_jobs(l, count, group, params);
  pthread_mutex_lock(&disk.lock); /* the thread that moves the log is still at work */
  *reached = disk.calls >= at;
  pthread_mutex_unlock(&disk.lock);
  int refused = l->refused;
  fault(FAULT_NONE, 0, 0);
  check_after_crash(l);
  check_ledger(w, l, "afterwards");
  assert_true((refused > 0) == (w->health_calls > 0));
  for (int i = 0; i < 3 && put(w, "echo", false) == 0; i++) /* it heals, without a restart */
    ;
  assert_int_equal(w->health, 0);
  world_close(w);
  world_must_open(w);
  check_ledger(w, l, "after a restart");
  world_tear_down(&state);
  free(l);
}

/* The at-th call fails, for at = 1, 1 + step, ...; returns how often there was such a call. */
static int each_call(enum fault kind, int length, int group, int step) {
  bool reached = true;
  int rounds = -1;
  for (int at = 1; reached; at += step, rounds++)
    round_of(kind, at, length, 8, group, "{}", &reached);
  return rounds;
}

static void test_full(void **state) {
  (void)state;
  assert_true(each_call(FAULT_FULL, 1, 1, 3) > 8);
  assert_true(each_call(FAULT_SHORT, 30, 4, 2) > 8);
}

static void test_write_error(void **state) {
  (void)state;
  assert_true(each_call(FAULT_WRITE, 1, 1, 3) > 8);
  /* Many in a row: the connection is given up and opened again. */
  assert_true(each_call(FAULT_WRITE, 100, 2, 4) > 4);
}

static void test_sync_error(void **state) {
  (void)state;
  assert_true(each_call(FAULT_SYNC, 1, 1, 1) >= 8);
  assert_true(each_call(FAULT_SYNC, 5, 4, 1) >= 2);
}

/* Enough pages that checkpoints run meanwhile, and fail. */
static void test_checkpoint_error(void **state) {
  (void)state;
  static char params[24000];
  memset(params, 'x', sizeof params - 1);
  bool reached = true;
  int rounds = 0;
  for (int at = 1; at <= 5 && reached; at++, rounds++)
    round_of(FAULT_MOVE_SYNC, at, 1 + at % 2, JOBS, 1, params, &reached);
  assert_true(rounds > 3);
  for (int at = 1; at < 3000 && reached; at += 600, rounds++)
    round_of(FAULT_MOVE_WRITE, at, 2, JOBS, 1, params, &reached);
  assert_true(rounds > 7);
}

static void on_unused(void *arg, int code, const char *const *unused, size_t count) {
  (void)unused;
  *(int *)arg += code == 0 && count == 1;
}

static int try_to_put(struct world *w) {
  struct record_job job = new_job(w, "echo");
  struct answer a = {0};
  send_submit(w, &job, false, NULL, &a);
  settle(w);
  return a.code;
}

/* What writes nothing works on a disk that fails; that is not the news that writes work again. */
static void test_a_question_heals_nothing(void **state) {
  (void)state;
  struct world *w = world_dir();
  void *world = w;
  const char *name = "01M8GX197CA61BFFB5E1MVBKY5";
  int answers = 0;
  world_must_open(w);
  fault(FAULT_SYNC, 1, 1000);
  assert_int_equal(try_to_put(w), ERR_IO);
  assert_int_equal(w->health, ERR_IO);
  for (int i = 0; i < 3; i++) {
    store_unowned(w->store, &name, 1, on_unused, &answers);
    settle(w);
    assert_int_equal(try_to_put(w), ERR_IO);
  }
  assert_int_equal(answers, 3);
  assert_int_equal(w->health_calls, 1);
  fault(FAULT_NONE, 0, 0);
  assert_int_equal(try_to_put(w), 0);
  assert_int_equal(w->health, 0);
  world_tear_down(&world);
}

/* A checkpoint failed, too, so all connections are to be opened anew: but not before a commit wrote
 * over the frames of the one that was answered with an error. */
static void test_a_question_publishes_nothing(void **state) {
  (void)state;
  struct world *w = world_dir();
  void *world = w;
  const char *name = "01M8GX197CA61BFFB5E1MVBKY5", *refused;
  int answers = 0, code;
  world_must_open(w);
  fault(FAULT_MOVE_LAST, 1, 1000);
  do /* until a checkpoint begins */
    code = try_to_put(w);
  while (code == 0);
  assert_int_equal(code, ERR_IO);
  refused = w->id[store_next_num(w->store) - 1];
  for (int i = 0; i < 50; i++) {
    store_unowned(w->store, &name, 1, on_unused, &answers);
    settle(w);
    assert_int_equal(look(w, refused, NULL), ERR_NOT_FOUND);
    usleep(1000); /* the checkpoint has its own thread */
  }
  assert_int_equal(answers, 50);
  fault(FAULT_NONE, 0, 0);
  assert_int_equal(try_to_put(w), 0);
  assert_int_equal(look(w, refused, NULL), ERR_NOT_FOUND);
  world_tear_down(&world);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_full),
      cmocka_unit_test(test_write_error),
      cmocka_unit_test(test_sync_error),
      cmocka_unit_test(test_checkpoint_error),
      cmocka_unit_test(test_a_question_heals_nothing),
      cmocka_unit_test(test_a_question_publishes_nothing),
  };
  return cmocka_run_group_tests(tests, disk_set_up, disk_tear_down);
}
