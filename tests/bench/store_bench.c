/* SPDX-License-Identifier: MIT
 *
 * What the store alone can do: store_bench [--dir DIR] [--seconds S] [--preload N]
 *
 * N callers each keep one operation outstanding, as N HTTP clients would.  One
 * table row: what, N, operations a second, CPU of the store's threads for one
 * operation, latency of one operation (p50, p99), operations in a commit.
 * The first rows are raw figures of the same disk and library.
 */
#include "store/store.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SAMPLES 400000

enum step { STEP_SUBMIT, STEP_SUBMIT_START, STEP_FINISH, STEP_CYCLE };

struct bench {
  uv_loop_t loop;
  struct store *store;
  enum step step;
  int64_t until_us, stop_after, operations, events;
  int64_t finish_next; /* number of the next job to be finished */
  struct id_maker ids;
  uint32_t *latency;
  size_t samples;
};

struct caller {
  struct bench *b;
  int64_t begun_us, num;
  bool running; /* of a cycle: its job was started */
};

static int64_t now_us(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void on_done(void *arg, int code, const struct store_receipt *receipt);

static void call_submit(struct caller *c, bool start) {
  struct bench *b = c->b;
  char id[ID_SIZE];
  id_make(&b->ids, id);
  struct record_job job = {
      .num = store_next_num(b->store),
      .id = id,
      .kind = "echo",
      .client = "",
      .params_json = "{\"sleep_ms\":0,\"steps\":0,\"log_lines\":0,\"output_bytes\":0}",
      .created_us = now_us(CLOCK_REALTIME),
  };
  struct store_event_in queued = {EVENT_QUEUED, "{\"status\":\"queued\",\"kind\":\"echo\"}"};
  struct store_event_in started = {EVENT_STARTED, "{\"attempt\":1,\"backend\":\"echo\"}"};
  struct record_attempt attempt = {
      .number = 1, .state = JOB_RUNNING, .backend = "echo", .started_us = job.created_us};
  c->num = job.num;
  store_submit(b->store, &job, &queued, start ? &attempt : NULL, start ? &started : NULL, NULL,
               on_done, c);
}

static void call_finish(struct caller *c, int64_t num) {
  int64_t now = now_us(CLOCK_REALTIME);
  struct record_job job = {.num = num,
                           .id = "01JD0000000000000000000000",
                           .state = JOB_COMPLETED,
                           .result_json = "{\"echo\":null}",
                           .backend = "echo",
                           .ended_us = now};
  struct record_attempt attempt = {.number = 1, .state = JOB_COMPLETED, .ended_us = now};
  struct store_event_in event = {EVENT_COMPLETED, "{\"status\":\"completed\",\"artifacts\":0}"};
  store_finish(c->b->store, &job, &attempt, &event, on_done, c);
}

static void call(struct caller *c) {
  struct bench *b = c->b;
  c->begun_us = now_us(CLOCK_MONOTONIC);
  if (b->step == STEP_CYCLE) {
    c->running = !c->running;
    if (c->running)
      call_submit(c, true);
    else
      call_finish(c, c->num);
  } else if (b->step == STEP_FINISH) {
    call_finish(c, b->finish_next++);
  } else {
    call_submit(c, b->step == STEP_SUBMIT_START);
  }
}

static void on_done(void *arg, int code, const struct store_receipt *receipt) {
  struct caller *c = arg;
  struct bench *b = c->b;
  int64_t now = now_us(CLOCK_MONOTONIC);
  if (code != 0) {
    fprintf(stderr, "store_bench: job %lld: %s\n", (long long)receipt->job_num, receipt->text);
    exit(1);
  }
  b->operations++;
  if (b->samples < SAMPLES)
    b->latency[b->samples++] = (uint32_t)(now - c->begun_us);
  bool over = b->stop_after > 0 ? b->operations + 64 > b->stop_after : now >= b->until_us;
  if (!over || (b->step == STEP_CYCLE && c->running))
    call(c);
}

static void on_event(void *ctx, const struct record_event *event) {
  (void)event;
  ((struct bench *)ctx)->events++;
}

static int compare(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

static int64_t cpu_of_store(void) {
  return now_us(CLOCK_PROCESS_CPUTIME_ID) - now_us(CLOCK_THREAD_CPUTIME_ID);
}

static void print_row(const char *what, int callers, double ops, double us, double cpu,
                      uint32_t *latency, size_t samples, double group) {
  qsort(latency, samples, sizeof *latency, compare);
  printf("%-24s %5d %10.0f %9.1f %8u %8u %8.1f\n", what, callers, ops / us * 1e6, cpu / ops,
         samples > 0 ? latency[samples / 2] : 0, samples > 0 ? latency[samples * 99 / 100] : 0,
         group);
  fflush(stdout);
}

/* Runs until the time is over, or `count` operations were done. */
static int64_t measure(struct bench *b, const char *what, enum step step, int callers,
                       double seconds, int64_t count) {
  struct caller *all = calloc((size_t)callers, sizeof *all);
  struct store_stats before, after;
  store_stats(b->store, &before);
  int64_t begun = now_us(CLOCK_MONOTONIC), cpu = cpu_of_store();
  b->step = step;
  b->until_us = begun + (int64_t)(seconds * 1e6);
  b->stop_after = count;
  b->operations = 0;
  b->samples = 0;
  for (int i = 0; i < callers; i++) {
    all[i].b = b;
    call(&all[i]);
  }
  uv_run(&b->loop, UV_RUN_DEFAULT);
  store_stats(b->store, &after);
  if (what != NULL)
    print_row(what, callers, (double)b->operations, (double)(now_us(CLOCK_MONOTONIC) - begun),
              (double)(cpu_of_store() - cpu), b->latency, b->samples,
              (double)b->operations / (double)(after.commits - before.commits));
  free(all);
  return b->operations;
}

static void raw_disk(const char *dir, struct bench *b) {
  char path[500], block[4096] = {0};
  snprintf(path, sizeof path, "%s/raw.bin", dir);
  int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  for (int i = 0; fd >= 0 && i < 2048; i++)
    if (write(fd, block, sizeof block) < 0)
      exit(1);
  fsync(fd);
  int64_t begun = now_us(CLOCK_MONOTONIC);
  for (b->samples = 0; b->samples < 1000; b->samples++) {
    int64_t at = now_us(CLOCK_MONOTONIC);
    if (pwrite(fd, block, sizeof block, (off_t)b->samples * 4096) < 0 || fdatasync(fd) != 0)
      exit(1);
    b->latency[b->samples] = (uint32_t)(now_us(CLOCK_MONOTONIC) - at);
  }
  print_row("raw: write + fdatasync", 1, 1000, (double)(now_us(CLOCK_MONOTONIC) - begun), 0,
            b->latency, b->samples, 1);
  close(fd);
  unlink(path);
}

static void raw_sqlite(const char *dir, struct bench *b, int group, int groups) {
  char path[500];
  sqlite3 *db;
  sqlite3_stmt *st[3];
  const char *sql[] = {"BEGIN", "INSERT INTO t(b) VALUES(?1)", "COMMIT"};
  snprintf(path, sizeof path, "%s/raw.db", dir);
  unlink(path);
  sqlite3_open(path, &db);
  sqlite3_exec(db,
               "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t(a INTEGER "
               "PRIMARY KEY, b TEXT)",
               NULL, NULL, NULL);
  for (int i = 0; i < 3; i++)
    sqlite3_prepare_v2(db, sql[i], -1, &st[i], NULL);
  int64_t begun = now_us(CLOCK_MONOTONIC), cpu = now_us(CLOCK_THREAD_CPUTIME_ID);
  for (b->samples = 0; b->samples < (size_t)groups; b->samples++) {
    int64_t at = now_us(CLOCK_MONOTONIC);
    sqlite3_step(st[0]);
    sqlite3_reset(st[0]);
    for (int i = 0; i < group; i++) {
      sqlite3_bind_text(st[1], 1,
                        "{\"some\":\"job of about a hundred bytes, as small as they are "
                        "when nothing is in them\"}",
                        -1, SQLITE_STATIC);
      sqlite3_step(st[1]);
      sqlite3_reset(st[1]);
    }
    sqlite3_step(st[2]);
    sqlite3_reset(st[2]);
    b->latency[b->samples] = (uint32_t)(now_us(CLOCK_MONOTONIC) - at);
  }
  print_row("raw: SQLite, one table", group, (double)group * groups,
            (double)(now_us(CLOCK_MONOTONIC) - begun),
            (double)(now_us(CLOCK_THREAD_CPUTIME_ID) - cpu), b->latency, b->samples, group);
  for (int i = 0; i < 3; i++)
    sqlite3_finalize(st[i]);
  sqlite3_close(db);
  unlink(path);
}

static int count_job(void *ctx, const struct record_job *job) {
  (void)job;
  ++*(int64_t *)ctx;
  return 0;
}

static void open_store(struct bench *b, const char *path, bool print) {
  struct err err;
  struct rusage usage;
  int64_t open_jobs = 0, begun = now_us(CLOCK_MONOTONIC);
  struct store_options options = {.path = path, .on_event = on_event, .ctx = b};
  if (store_open(&b->store, &b->loop, &options, &err) < 0) {
    fprintf(stderr, "store_bench: %s\n", err.text);
    exit(1);
  }
  int64_t opened = now_us(CLOCK_MONOTONIC);
  store_recover(b->store, count_job, &open_jobs, &err);
  int64_t recovered = now_us(CLOCK_MONOTONIC);
  getrusage(RUSAGE_SELF, &usage);
  struct store_stats stats;
  int64_t file_bytes, log_bytes;
  store_stats(b->store, &stats);
  store_sizes(b->store, &file_bytes, &log_bytes);
  int64_t jobs = stats.jobs_by_state[0] + stats.jobs_by_state[1] + stats.jobs_by_state[2];
  if (print)
    printf("opened %lld jobs (%.1f MB) in %.2f ms, recovered %lld unfinished in %.2f ms, peak "
           "resident %.1f MB\n",
           (long long)jobs, (double)file_bytes / 1e6, (double)(opened - begun) / 1e3,
           (long long)open_jobs, (double)(recovered - opened) / 1e3, (double)usage.ru_maxrss / 1e3);
}

static void close_store(struct bench *b) {
  store_close(b->store);
  uv_run(&b->loop, UV_RUN_DEFAULT);
}

static void on_listed(void *arg, int code, const struct record_job *jobs, size_t count, bool more) {
  (void)jobs;
  (void)count;
  (void)more;
  *(int *)arg = code;
}

/* The time of one list, the second time it is asked. */
static void time_list(struct bench *b, const char *what, const struct store_filter *filter) {
  int code = 0;
  int64_t begun = 0;
  for (int i = 0; i < 2; i++) {
    begun = now_us(CLOCK_MONOTONIC);
    store_list(b->store, filter, on_listed, &code);
    uv_run(&b->loop, UV_RUN_DEFAULT);
  }
  printf("%-24s %.2f ms%s\n", what, (double)(now_us(CLOCK_MONOTONIC) - begun) / 1e3,
         code == 0 ? "" : " (failed)");
}

static void run(struct bench *b, const char *dir, double seconds, int64_t preload) {
  static const int groups[] = {1, 16, 64};
  char path[500];
  snprintf(path, sizeof path, "%s/store.db", dir);
  open_store(b, path, false);
  if (preload > 0) {
    measure(b, NULL, STEP_CYCLE, 512, 0, preload * 2);
    sync(); /* else the kernel still writes that back while the rates are taken */
    close_store(b);
    open_store(b, path, true);
    time_list(b, "list: newest 50", &(struct store_filter){.state = -1, .limit = 50});
    time_list(b, "list: 50 failed", &(struct store_filter){.state = JOB_FAILED, .limit = 50});
    time_list(b, "list: of no job's kind",
              &(struct store_filter){.state = -1, .kind = "none", .limit = 50});
  }
  printf("%-24s %5s %10s %9s %8s %8s %8s\n", "", "n", "ops/s", "us CPU", "p50 us", "p99 us",
         "group");
  raw_disk(dir, b);
  for (int i = 0; i < 3; i++)
    raw_sqlite(dir, b, groups[i], 3000);
  for (int i = 0; i < 3; i++) {
    measure(b, "submit", STEP_SUBMIT, groups[i], seconds, 0);
    b->finish_next = store_next_num(b->store) + 1;
    store_next_num(b->store);
    b->finish_next = store_next_num(b->store) + 1;
    int64_t n = measure(b, "submit+start", STEP_SUBMIT_START, groups[i], seconds, 0);
    measure(b, "finish", STEP_FINISH, groups[i], 0, n);
    measure(b, "cycle: 2 operations", STEP_CYCLE, groups[i], seconds, 0);
  }
  close_store(b);
  open_store(b, path, true);
  close_store(b);
  const char *ends[] = {"", "-wal", "-shm", ".lock"};
  for (int i = 0; i < 4; i++) {
    char name[520];
    snprintf(name, sizeof name, "%s%s", path, ends[i]);
    unlink(name);
  }
}

int main(int argc, char **argv) {
  static struct bench b;
  char made[] = "/tmp/store-bench-XXXXXX";
  const char *dir = NULL;
  double seconds = 1;
  int64_t preload = 0;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (strcmp(argv[i], "--dir") == 0)
      dir = argv[i + 1];
    else if (strcmp(argv[i], "--seconds") == 0)
      seconds = atof(argv[i + 1]);
    else if (strcmp(argv[i], "--preload") == 0)
      preload = atoll(argv[i + 1]);
  }
  bool temporary = dir == NULL;
  if (temporary && (dir = mkdtemp(made)) == NULL)
    return 1;
  b.latency = calloc(SAMPLES, sizeof *b.latency);
  uv_loop_init(&b.loop);
  run(&b, dir, seconds, preload);
  uv_loop_close(&b.loop);
  free(b.latency);
  if (temporary)
    rmdir(dir);
  return 0;
}
