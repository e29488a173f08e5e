/* SPDX-License-Identifier: MIT
 *
 * Fills a store with finished no-op jobs, through the store's own functions:
 *
 *   store_fill FILE COUNT
 */
#include "base/clock.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>

enum { AHEAD = 512 };

struct fill {
  struct store *store;
  struct id_maker ids;
  long submitted, finished, count;
  int failed;
};

static void fill_more(struct fill *f);

static void on_finished(void *arg, int code, const struct store_receipt *receipt) {
  struct fill *f = arg;
  (void)receipt;
  f->finished++;
  f->failed |= code;
  fill_more(f);
}

static void put_one(struct fill *f) {
  char id[ID_SIZE];
  id_make(&f->ids, id);
  int64_t now = clock_wall_us();
  struct record_attempt attempt = {
      .number = 1, .state = JOB_RUNNING, .backend = "echo", .started_us = now};
  struct record_job job = {.num = store_next_num(f->store),
                           .id = id,
                           .kind = "echo",
                           .client = "",
                           .state = JOB_RUNNING,
                           .params_json = "{\"sleep_ms\":0,\"steps\":0}",
                           .backend = "echo",
                           .created_us = now,
                           .started_us = now};
  struct store_event_in queued = {EVENT_QUEUED, "{\"status\":\"queued\"}"};
  struct store_event_in started = {EVENT_STARTED, "{\"attempt\":1,\"backend\":\"echo\"}"};
  struct store_event_in completed = {EVENT_COMPLETED, "{\"status\":\"completed\"}"};
  store_submit(f->store, &job, &queued, &attempt, &started, NULL, NULL, NULL);
  attempt.state = job.state = JOB_COMPLETED;
  attempt.ended_us = job.ended_us = now + 100;
  job.result_json = "{}";
  store_finish(f->store, &job, &attempt, &completed, on_finished, f);
}

static void fill_more(struct fill *f) {
  while (f->submitted < f->count && f->submitted - f->finished < AHEAD) {
    f->submitted++;
    put_one(f);
  }
  if (f->finished == f->count)
    uv_stop(uv_default_loop());
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: store_fill FILE COUNT\n");
    return 2;
  }
  struct fill f = {.count = atol(argv[2])};
  struct err err;
  struct store_options options = {.path = argv[1]};
  if (store_open(&f.store, uv_default_loop(), &options, &err)) {
    fprintf(stderr, "store_fill: %s\n", err.text);
    return 1;
  }
  fill_more(&f);
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  store_close(f.store);
  return f.failed || f.finished != f.count;
}
