/* SPDX-License-Identifier: MIT
 *
 * What the store needs of a database, as one table of functions.  The store has the queue, the
 * group commit, the answers and the rules (rules.h); an engine has the tables, the statements, and
 * what makes a commit durable.
 *
 *   loop:    open, recover, settings, kept ............................... close
 *   writer:        ready begin (apply | mark apply undo? release)* commit|rollback between
 *   reader:        read read read ...
 *
 * Threads.  open, recover, settings, kept and close come from the loop thread while no other thread is in the
 * engine.  Then the writer and the reader thread call at the same time, each the functions that are
 * marked so below and no others.  A thread that the engine starts itself is its own matter; signals
 * are blocked in it, for they are the loop's.
 *
 * Durable.  What a transaction changed is on the disk once commit returned 0: a crash of the
 * machine right after it loses nothing.  Before that nothing of it is visible to recover, to read
 * or after a crash, with one exception: a transaction whose commit failed may turn up whole after a
 * crash (it reached the disk, and that could not be told).
 *
 * Errors.  0, or a negative code of base/err.h with `err` set once, where it happened.  Two sorts:
 * - engine_broken(code): the disk, the file or the connection failed.  Nothing of the transaction
 *   holds; the store rolls back, fails the whole group with this code, and goes on with the next
 *   group.  The engine heals by itself, at the latest in the next ready().
 * - any other code of apply(): this operation is refused, the others of the group go on.
 */
#ifndef STORE_ENGINE_H
#define STORE_ENGINE_H

#include "base/err.h"
#include "store/files.h"
#include "store/op.h"

#include <stdbool.h>
#include <stdint.h>

struct engine; /* one open database; the engine's own */

struct engine_options {
  const char *path; /* as in struct store_options, and the same for all that follow */
  bool files_lie_there;
  bool accept_empty;
  int64_t cache_bytes; /* > 0 */
  /* Any thread: the writer is to call between() soon, also where no operation comes. */
  void (*attention)(void *ctx);
  void *ctx;
};

enum { ENGINE_AGAIN = 1 }; /* of read(): not over */

struct engine_ops {
  const char *name;

  /* Opens or makes the database and brings its schema up to date.  The strings of the options stay
   * valid until close.  Fails as store_open says.  After a failure nothing is left open. */
  int (*open)(struct engine **out, const struct engine_options *options, struct err *err);
  /* As store_recover. */
  int (*recover)(struct engine *e, int (*each)(void *ctx, const struct record_job *job), void *ctx,
                 struct err *err);
  /* As store_settings. */
  int (*settings)(struct engine *e, store_setting_seen *seen, void *ctx, struct err *err);
  /* As store_kept. */
  int (*kept)(struct engine *e, store_kept_seen *seen, void *ctx, struct err *err);
  /* No transaction is open.  Frees. */
  void (*close)(struct engine *e);

  /* ---- writer ---- */

  /* As of the last commit; also from the loop before the threads run. */
  const struct totals *(*totals)(const struct engine *e);
  /* Before begin: the connection is made or mended, if that is needed.  May change the totals, to
   * those of a later commit that had been reported as failed. */
  int (*ready)(struct engine *e, struct err *err);
  int (*begin)(struct engine *e, struct err *err);
  /* Carries out one operation within the transaction.  A group may run twice: what is set of the
   * answer is set anew each time.  When the operation is refused, what it changed until then stays
   * and shows in changes(); the store then runs the group again, with a mark before each. */
  int (*apply)(struct engine *e, struct op *op, struct err *err);
  /* How many rows were changed; grows, and means something only as a difference. */
  int64_t (*changes)(const struct engine *e);
  /* A point in the transaction to which undo() returns; release() forgets it.  They do not nest:
   * mark, apply, undo where the operation was refused, release. */
  int (*mark)(struct engine *e, struct err *err);
  int (*undo)(struct engine *e, struct err *err);
  int (*release)(struct engine *e, struct err *err);
  /* Makes the transaction durable.  One that changed nothing makes no new generation in the totals,
   * and need not touch the disk. */
  int (*commit)(struct engine *e, struct err *err);
  /* Drops the transaction, if one is open.  code: the failure of the disk that is the reason, which
   * the engine may count; 0: the group runs again at once. */
  void (*rollback)(struct engine *e, int code);
  /* Between two groups: the engine's own housekeeping.  No transaction is open. */
  void (*between)(struct engine *e);

  /* ---- reader ---- */

  /* Answers one read, or a piece of it: ENGINE_AGAIN asks to be called again with it once others
   * had their turn.  Each call sees one moment of the database, not before the last commit that
   * ended before the call. */
  int (*read)(struct engine *e, struct read *r, struct err *err);

  /* ---- any thread ---- */

  /* As store_sets_aside and store_set_aside_over. */
  bool (*sets_aside)(const struct engine *e);
  void (*set_aside_over)(struct engine *e);
  /* Bytes on the disk: of the database, of its log.  Blocking. */
  void (*sizes)(const struct engine *e, int64_t *file_bytes, int64_t *log_bytes);

  /* ---- of a database that this program has not open (files.h); blocking ---- */
  int (*copy)(const char *from, const char *to, struct err *err);
  int (*copy_forget)(const char *copy, const char *live, struct err *err);
  int (*files)(const char *path, store_file_seen *seen, void *ctx, struct err *err);
  int (*settings_of)(const char *path, store_setting_seen *seen, void *ctx, struct err *err);
};

/* Nothing of the transaction can be trusted. */
static inline bool engine_broken(int code) {
  return code == ERR_IO || code == ERR_NO_SPACE;
}

/* The engines there are. */
extern const struct engine_ops engine_sqlite;

#endif
