/* SPDX-License-Identifier: MIT
 *
 * The process is killed at a random moment while it writes: whatever it
 * acknowledged through a pipe is found again, whole, and the counters fit.
 *
 * This program is its own child: `--write DATABASE FD` writes jobs without end and
 * puts one line of the ledger into FD for each acknowledgement.
 */
#include "store_help.h"

#include <signal.h>
#include <sys/wait.h>

#define CALLERS      24
#define ROUNDS       12
#define ROUND_MAX_MS 60

/* ---- the child ---- */

struct line { /* of the ledger; one write, so never torn */
  int64_t num;
  char id[ID_SIZE];
  int state;
};

struct writer {
  struct store *store;
  struct id_maker ids;
  int fd;
};

struct caller {
  struct writer *w;
  struct line line;
};

static void write_next(struct caller *c);

static void on_written(void *arg, int code, const struct store_receipt *r) {
  struct caller *c = arg;
  (void)r;
  if (code != 0 || write(c->w->fd, &c->line, sizeof c->line) != sizeof c->line)
    _exit(3);
  write_next(c);
}

static void write_next(struct caller *c) {
  struct store *s = c->w->store;
  struct record_attempt at = attempt_of(1, JOB_RUNNING);
  struct store_event_in queued = {EVENT_QUEUED, "{}"}, started = {EVENT_STARTED, "{}"},
                        completed = {EVENT_COMPLETED, "{}"};
  struct record_artifact out = {
      .name = "out", .media_type = "text/plain", .sha256 = "00", .bytes = 3};
  struct record_job job = {.kind = "echo", .client = "", .params_json = "{}"};
  if (c->line.state == JOB_RUNNING) {
    at.state = job.state = JOB_COMPLETED;
    job.num = c->line.num;
    job.id = c->line.id;
    job.artifacts = &out;
    job.artifact_count = 1;
    c->line.state = JOB_COMPLETED;
    store_finish(s, &job, &at, &completed, on_written, c);
    return;
  }
  job.num = c->line.num = store_next_num(s);
  id_make(&c->w->ids, c->line.id);
  job.id = c->line.id;
  c->line.state = JOB_RUNNING;
  store_submit(s, &job, &queued, &at, &started, NULL, on_written, c);
}

static int write_without_end(const char *path, int fd) {
  static struct writer w;
  static struct caller callers[CALLERS];
  struct store_options options = {.path = path};
  struct err err;
  uv_loop_t *loop = uv_default_loop();
  w.fd = fd;
  if (store_open(&w.store, loop, &options, &err) < 0) {
    fprintf(stderr, "%s\n", err.text);
    return 2;
  }
  for (int i = 0; i < CALLERS; i++) {
    callers[i] = (struct caller){.w = &w, .line.state = JOB_COMPLETED};
    write_next(&callers[i]);
  }
  return uv_run(loop, UV_RUN_DEFAULT);
}

/* ---- the parent ---- */

struct ledger {
  struct line *lines; /* by number */
  size_t cap, acknowledged;
};

static void note(struct ledger *l, const struct line *line) {
  while ((size_t)line->num >= l->cap) {
    size_t cap = l->cap > 0 ? l->cap * 2 : 1024;
    l->lines = mem_grow(l->lines, cap * sizeof *l->lines);
    memset(l->lines + l->cap, 0, (cap - l->cap) * sizeof *l->lines);
    l->cap = cap;
  }
  assert_true(line->state > l->lines[line->num].state); /* nothing completes twice */
  l->lines[line->num] = *line;
  l->acknowledged++;
}

static void run_and_kill(struct world *w, struct ledger *l, const char *self) {
  int ends[2];
  struct line line;
  char fd[20];
  assert_int_equal(pipe(ends), 0);
  snprintf(fd, sizeof fd, "%d", ends[1]);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    execl(self, self, "--write", w->path, fd, (char *)NULL);
    _exit(4);
  }
  close(ends[1]);
  assert_int_equal(read(ends[0], &line, sizeof line), sizeof line); /* it is at work */
  note(l, &line);
  int64_t until = clock_mono_us() + rand() % (ROUND_MAX_MS * 1000);
  while (clock_mono_us() < until && read(ends[0], &line, sizeof line) == sizeof line)
    note(l, &line);
  kill(child, SIGKILL);
  while (read(ends[0], &line, sizeof line) == sizeof line)
    note(l, &line);
  close(ends[0]);
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void see_whole(const struct record_job *job) {
  bool done = job->state == JOB_COMPLETED;
  assert_int_equal(job->attempt_count, 1);
  assert_int_equal(job->attempts[0].state, job->state);
  assert_int_equal(job->artifact_count, done);
}

static int count_open(void *ctx, const struct record_job *job) {
  (void)job;
  ++*(int64_t *)ctx;
  return 0;
}

static void check(struct world *w, const struct ledger *l) {
  struct store_stats stats;
  struct err err;
  int64_t open_jobs = 0;
  world_must_open(w);
  for (size_t num = 0; num < l->cap; num++) {
    const struct line *line = &l->lines[num];
    if (line->state != 0 && look(w, line->id, see_whole) < line->state)
      fail_msg("job %zu was acknowledged as %s and is not", num,
               job_state_word((enum job_state)line->state));
  }
  store_stats(w->store, &stats);
  assert_int_equal(store_recover(w->store, count_open, &open_jobs, &err), 0);
  assert_int_equal(stats.jobs_by_state[JOB_RUNNING], open_jobs);
  /* Two events of each job and one of each that ended; numbers and seqs without a hole. */
  assert_int_equal(stats.last_seq,
                   2 * stats.jobs_by_state[JOB_RUNNING] + 3 * stats.jobs_by_state[JOB_COMPLETED]);
  assert_true(store_next_num(w->store) >
              stats.jobs_by_state[JOB_RUNNING] + stats.jobs_by_state[JOB_COMPLETED]);
  world_close(w);
}

static void test_killed_at_random(void **state) {
  struct world *w = *state;
  struct ledger l = {0};
  char self[400];
  ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
  assert_true(n > 0);
  self[n] = '\0';
  world_close(w);
  unsigned seed = (unsigned)clock_wall_us();
  srand(seed);
  print_message("seed %u\n", seed);
  for (int i = 0; i < ROUNDS; i++) {
    run_and_kill(w, &l, self);
    check(w, &l);
  }
  assert_true(l.acknowledged > ROUNDS);
  free(l.lines);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_killed_at_random, world_set_up, world_tear_down),
  };
  if (argc == 4 && strcmp(argv[1], "--write") == 0)
    return write_without_end(argv[2], atoi(argv[3]));
  return cmocka_run_group_tests(tests, NULL, NULL);
}
