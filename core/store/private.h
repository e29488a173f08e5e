/* SPDX-License-Identifier: MIT
 *
 * What the files of this room share, those of the engines aside.  Who may touch what is said at
 * each field: (loop) the loop thread only, (writer) the writer thread only, (lock) whoever holds
 * `lock`.
 */
#ifndef STORE_PRIVATE_H
#define STORE_PRIVATE_H

#include "store/arena.h"
#include "store/engine.h"
#include "store/op.h"
#include "store/store.h"

#include "base/poll_time.h"

#include <pthread.h>
#include <stdatomic.h>

/* instance.c */
enum { INSTANCE_SIZE = 17 };
/* database_id: of the totals; path: of the file. */
void instance_make(const char *database_id, const char *path, char out[INSTANCE_SIZE]);

/* What the writer gives back after one commit. */
struct commit_group {
  struct commit_group *next;
  struct op *ops;
  struct totals totals;
  bool health_changed;
  struct err health;
};

struct store {
  struct store_options options;
  char *path;
  const struct engine_ops *ops;
  struct engine *engine; /* as engine.h says */
  char instance[INSTANCE_SIZE];

  uv_loop_t *loop; /* (loop) from here on */
  uv_async_t async;
  uv_prepare_t prepare;
  uv_check_t check;
  uv_timer_t patience;
  uv_idle_t polling;     /* active: the loop does not sleep */
  int64_t lone_since_us; /* an operation is under way that was alone; 0: none is */
  struct poll_time commit_poll;
  int handles; /* still open */
  bool hurry;  /* somebody waits for one of the gathered */
  struct op *gathered, **gathered_tail;
  size_t outstanding; /* operations and reads whose callback is due */
  int64_t next_num;
  struct totals totals; /* as of the last batch delivered */
  int64_t commits, operations;

  atomic_bool loop_polls; /* it looks at `news` and needs no call */
  atomic_bool news;       /* something is to be delivered */
  atomic_bool queued;     /* something is to be written */

  pthread_mutex_t lock;
  pthread_cond_t work, read_work, idle;
  struct op *queue, **queue_tail; /* (lock) from here on */
  struct read *reads, **reads_tail;
  struct commit_group *groups, **groups_tail;
  struct read *reads_done, **reads_done_tail;
  bool writer_sleeps, reader_sleeps, stop;
  bool attention; /* the engine wants its between() */

  pthread_t writer, reader;

  struct poll_time work_poll; /* (writer) from here on */
  struct err health;          /* code 0: well */
};

/* queue.c */
void store_notify(struct store *s); /* any thread: something is to be delivered */
void store_expect(struct store *s); /* (loop) one more callback is due: keeps the loop alive */
void store_push(struct store *s, struct op *op); /* (loop) */

/* calls.c (loop) */
struct op *op_of_job(enum op_type type, const struct record_job *job,
                     const struct store_event_in *queued, store_done *done, void *arg);
struct op *op_of_cached(const struct record_job *job, int64_t source_num,
                        const struct store_event_in *queued, const struct store_event_in *completed,
                        store_done *done, void *arg);
void op_copy_key(struct op *op, const struct store_idempotency *in);
struct op *op_new(enum op_type type, int64_t num, store_done *done, void *arg);

/* writer.c */
void *writer_main(void *arg);           /* the store */
void writer_wake_for_engine(void *arg); /* the store; any thread */

/* reader.c */
void *reader_main(void *arg); /* the store */
struct read *read_new(enum read_type type, void *arg);
void read_push(struct store *s, struct read *r);
void read_deliver(struct read *r); /* (loop) calls back and frees */

/* batch.c (loop) */
void deliver_batches(struct read *r);
void deliver_items(struct read *r);

/* costs.c (loop) */
void deliver_costs(struct read *r);

/* changes.c (loop) */
void changes_tell(const struct op *op);
void deliver_audit(struct read *r);

#endif
