/* SPDX-License-Identifier: MIT
 *
 * A world for the tests of jobs: the real store, storage and routing in a folder of
 * their own, and workers that this file plays.  A test says how each step ends.
 */
#ifndef TESTS_JOBS_HELP_H
#define TESTS_JOBS_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/path.h"
#include "jobs/jobs.h"
#include "jobs/loop_turn.h"

#include <limits.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- workers, played ---- */

struct backend {
  const char *name, *device, *identity, *version;
  enum backend_state state;
  const char *kinds[5];
  int slots, running, threads;
  bool remote;
};

struct workers_step {
  struct list link;
  struct backend *b;
  void *owner;
  char job_id[27], kind[20], spec[600];
  int attempt, threads;
  struct step_limits limits;
  enum step_go go;
  char key[60], ref[60];
  bool cancelled;
  int answers, answer; /* of its checkpoints */
};

enum { BACKENDS_MAX = 4 };

static struct fake {
  struct backend backends[BACKENDS_MAX];
  int count, releases, renewals;
  const char *gone;  /* a backend that went a moment ago, and did every kind */
  struct list steps; /* handed over, not ended */
  int steps_count;
  struct workers_events events;
} fake;

const char *backend_name(const struct backend *b) {
  return b->name;
}
int backend_threads(const struct backend *b) {
  return b->threads;
}

const char *backend_device(const struct backend *b) {
  return b->device;
}
const char *backend_plugin_version(const struct backend *b) {
  return b->version;
}
enum backend_state backend_state(const struct backend *b) {
  return b->state;
}
bool backend_goes_on(const struct backend *b) {
  return b->state == BACKEND_READY;
}
bool backend_is_remote(const struct backend *b) {
  return b->remote;
}
const char *backend_message(const struct backend *b) {
  return b->state == BACKEND_READY ? NULL : "as the test says";
}
const char *backend_state_word(enum backend_state s) {
  return s == BACKEND_FAILED ? "failed" : "as the test says";
}
const char *const *backend_kinds(const struct backend *b) {
  return b->kinds;
}
const char *const *backend_offers(const struct backend *b) {
  return b->kinds;
}
bool backend_does(const struct backend *b, const char *kind) {
  for (int i = 0; b->kinds[i]; i++)
    if (strcmp(b->kinds[i], kind) == 0)
      return true;
  return false;
}
const char *backend_identity(const struct backend *b) {
  return b->identity;
}
int backend_slots(const struct backend *b) {
  return b->slots;
}
int backend_running(const struct backend *b) {
  return b->running;
}
int backend_room(const struct backend *b) {
  return b->slots - b->running;
}
struct backend *workers_find(const struct workers *w, const char *name) {
  (void)w;
  for (int i = 0; i < fake.count; i++)
    if (strcmp(fake.backends[i].name, name) == 0)
      return &fake.backends[i];
  return NULL;
}
struct backend *workers_next(const struct workers *w, const struct backend *previous) {
  (void)w;
  ptrdiff_t i = previous ? previous - fake.backends + 1 : 0;
  return i < fake.count ? &fake.backends[i] : NULL;
}
const char *workers_next_gone(const struct workers *w, size_t *pos, const char *const **kinds) {
  static const char *const all[] = {"echo", "mesh", "preview", NULL};
  (void)w;
  *kinds = all;
  return (*pos)++ == 0 ? fake.gone : NULL;
}
struct workers_step *workers_run(struct backend *b, const struct step *step) {
  struct workers_step *s = mem_alloc(sizeof *s);
  assert_true(b->running < b->slots || step->go > STEP_SUBMIT);
  s->b = b;
  s->owner = step->owner;
  s->attempt = step->attempt;
  s->limits = step->limits;
  s->threads = step->threads;
  s->go = step->go;
  snprintf(s->key, sizeof s->key, "%s", step->idem_key ? step->idem_key : "");
  snprintf(s->ref, sizeof s->ref, "%s", step->ref ? step->ref : "");
  snprintf(s->job_id, sizeof s->job_id, "%.26s", step->job_id);
  snprintf(s->kind, sizeof s->kind, "%s", step->kind);
  snprintf(s->spec, sizeof s->spec, "%s", step->spec_json);
  b->running++;
  fake.steps_count++;
  list_push_back(&fake.steps, &s->link);
  return s;
}
void workers_cancel(struct workers_step *s) {
  s->cancelled = true;
}
void workers_checkpointed(struct workers_step *s, int code) {
  s->answers++;
  s->answer = code;
}
bool backend_parks(const struct backend *b, enum backend_park_share *share) {
  (void)b;
  *share = BACKEND_PARK_CLIENT;
  return true;
}

void workers_release_workdir(struct workers *w, const char *workdir) {
  (void)w, (void)workdir;
  fake.releases++;
}

void workers_renew(struct workers *w) {
  (void)w;
  fake.renewals++;
}

static inline struct workers_step *fake_step(int nth) {
  list_for_each(it, &fake.steps) {
    if (nth-- == 0)
      return container_of(it, struct workers_step, link);
  }
  return NULL;
}

static inline struct workers_step *fake_step_of(const char *job_id) {
  list_for_each(it, &fake.steps) {
    struct workers_step *s = container_of(it, struct workers_step, link);
    if (strcmp(s->job_id, job_id) == 0)
      return s;
  }
  return NULL;
}

static inline void fake_end_with(struct workers_step *s, const struct step_result *r) {
  void *owner = s->owner;
  s->b->running--;
  fake.steps_count--;
  list_remove(&s->link);
  free(s);
  fake.events.done(fake.events.ctx, owner, r);
}

static inline void fake_end(struct workers_step *s, enum step_class class) {
  assert_non_null(s);
  struct step_result r = {.class = class, .message = class == STEP_OK ? NULL : "as the test says"};
  fake_end_with(s, &r);
}

/* ---- a disk that fails on demand ---- */

static atomic_bool disk_fails;
static struct disk_kind { /* the database and its journals have tables of their own */
  sqlite3_io_methods shim;
  const sqlite3_io_methods *real;
} disk_main, disk_other;
static int (*disk_open)(sqlite3_vfs *, const char *, sqlite3_file *, int, int *);

static inline const sqlite3_io_methods *disk_real(const sqlite3_file *f) {
  return f->pMethods == &disk_main.shim ? disk_main.real : disk_other.real;
}
static inline int disk_write(sqlite3_file *f, const void *data, int n, sqlite3_int64 at) {
  return disk_fails ? SQLITE_FULL : disk_real(f)->xWrite(f, data, n, at);
}
static inline int disk_sync(sqlite3_file *f, int flags) {
  return disk_fails ? SQLITE_IOERR_FSYNC : disk_real(f)->xSync(f, flags);
}
static inline int disk_shim_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags,
                                 int *out) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  struct disk_kind *kind = flags & SQLITE_OPEN_MAIN_DB ? &disk_main : &disk_other;
  int rc = disk_open(vfs, name, f, flags, out);
  if (rc != SQLITE_OK || !f->pMethods)
    return rc;
  pthread_mutex_lock(&lock);
  if (!kind->real) {
    kind->real = f->pMethods;
    kind->shim = *f->pMethods;
    kind->shim.xWrite = disk_write;
    kind->shim.xSync = disk_sync;
  }
  if (f->pMethods == kind->real)
    f->pMethods = &kind->shim;
  pthread_mutex_unlock(&lock);
  return rc;
}
static inline void disk_install(void) {
  sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
  if (disk_open)
    return;
  disk_open = vfs->xOpen;
  vfs->xOpen = disk_shim_open;
}

/* ---- the world ---- */

struct seen { /* of one job, by its events */
  char id[27];
  int finals, queued, started, logs, progress;
  int lives; /* how often it became open: accepted, or a client's retry */
  bool open; /* queued or running */
  enum event_type last;
  uint64_t cancelled; /* lives that ended so: a bit each, the first is 1 << 1 */
  char last_data[900];
};

struct world {
  uv_loop_t loop;
  uv_timer_t ticker;
  char dir[64];
  struct store *store;
  struct storage *storage;
  struct metrics *metrics;
  struct routing *routing;
  struct kinds *kinds;
  struct jobs *jobs;
  struct jobs_options options;
  struct map seen;
  /* the last answers */
  int answers, code;
  char id[27], slug[40], text[300];
  enum job_state state;
  bool replayed;
  int retry_after_s;
};

static inline struct seen *world_seen(struct world *w, const char *id) {
  struct seen *s = map_get(&w->seen, id);
  if (!s) {
    s = mem_alloc(sizeof *s);
    snprintf(s->id, sizeof s->id, "%.26s", id);
    map_put(&w->seen, s->id, s);
  }
  return s;
}

static inline void world_event(void *ctx, const struct record_event *e) {
  struct seen *s = world_seen(ctx, e->job_id);
  assert_memory_equal(e->data_json, "{\"job_id\":\"", 11);
  assert_true(s->open || e->type == EVENT_QUEUED); /* nothing follows a final event */
  s->lives += !s->open;
  s->open = !event_is_final(e->type);
  s->finals += event_is_final(e->type);
  s->queued += e->type == EVENT_QUEUED;
  s->started += e->type == EVENT_STARTED;
  s->logs += e->type == EVENT_LOG;
  s->progress += e->type == EVENT_PROGRESS;
  s->last = e->type;
  if (e->type == EVENT_CANCELLED && s->lives < 64)
    s->cancelled |= 1ull << s->lives;
  snprintf(s->last_data, sizeof s->last_data, "%s", e->data_json);
}

static inline void world_health(void *ctx, int code, const char *text) {
  struct world *w = ctx;
  if (w->jobs)
    jobs_store_health(w->jobs, code, text);
}

/* The work folder of an attempt; the caller frees. */
static inline char *world_attempt_folder(struct world *w) {
  char *folder = mem_printf("%s/local-1", storage_work_root(w->storage));
  mkdir(folder, 0700);
  return folder;
}

#define WORLD_INPUT "0000000000000000000000000000000000000000000000000000000000000000"

/* The blob that jobs of this world name as their input. */
static inline void world_put_input(struct world *w) {
  char path[PATH_MAX];
  storage_blob_path(w->storage, WORLD_INPUT, path);
  FILE *f = fopen(path, "w");
  assert_non_null(f);
  fclose(f);
}

static inline void world_start(struct world *w) {
  char path[100];
  struct err err = {.text = ""};
  const char *const folders[] = {TEST_SOURCE_DIR "/plugin-sdk/kinds",
                                 TEST_SOURCE_DIR "/tests/fixtures/kinds", NULL};
  snprintf(path, sizeof path, "%s/lathe.db", w->dir);
  struct store_options so = {
      .path = path, .on_event = world_event, .on_health = world_health, .ctx = w};
  struct storage_options fo = {.data_dir = w->dir};
  assert_int_equal(store_open(&w->store, &w->loop, &so, &err), 0);
  assert_int_equal(storage_open(&w->storage, &w->loop, &fo, &err), 0);
  world_put_input(w);
  w->kinds = kinds_load(folders);
  w->metrics = metrics_new();
  w->routing = routing_new();
  assert_int_equal(jobs_new(&w->jobs, &w->loop, w->store, w->storage, w->kinds, w->routing,
                            w->metrics, &w->options, &err),
                   0);
  assert_int_equal(jobs_recover(w->jobs, &err), 0);
  fake.events = jobs_worker_events(w->jobs);
  jobs_set_workers(w->jobs, (struct workers *)&fake);
}

static inline void world_stop(struct world *w) {
  while (!list_empty(&fake.steps)) {
    struct workers_step *s = container_of(fake.steps.next, struct workers_step, link);
    s->b->running--;
    fake.steps_count--;
    list_remove(&s->link);
    free(s);
  }
  struct jobs *j = w->jobs;
  w->jobs = NULL;
  jobs_free(j);
  store_close(w->store);
  storage_close(w->storage);
  uv_run(&w->loop, UV_RUN_DEFAULT);
  routing_free(w->routing);
  kinds_free(w->kinds);
  metrics_free(w->metrics);
}

/* As a kill and a new start: what is in memory is lost, workers too. */
static inline void world_restart(struct world *w) {
  world_stop(w);
  world_start(w);
}

static inline int world_setup(void **state) {
  struct world *w = mem_alloc(sizeof *w);
  snprintf(w->dir, sizeof w->dir, "/tmp/lathe-jobs-XXXXXX");
  assert_non_null(mkdtemp(w->dir));
  disk_install();
  disk_fails = false;
  fake = (struct fake){.count = 1};
  list_init(&fake.steps);
  fake.backends[0] = (struct backend){
      .name = "a", .device = "cpu", .state = BACKEND_READY, .kinds = {"echo", "mesh"}, .slots = 1};
  uv_loop_init(&w->loop);
  w->options = (struct jobs_options){.queue_max = 1000000,
                                     .attempts = 3,
                                     .backoff_base_ms = 1,
                                     .backoff_max_ms = 4,
                                     .ageing_ms = 60000,
                                     .idempotency_ttl_ms = 60000};
  world_start(w);
  *state = w;
  return 0;
}

static inline int world_teardown(void **state) {
  struct world *w = *state;
  size_t pos = 0;
  disk_fails = false;
  if (!w->jobs) /* the start failed */
    return -1;
  world_stop(w);
  assert_int_equal(uv_loop_close(&w->loop), 0);
  path_remove_tree(w->dir, NULL);
  for (struct seen *s; (s = map_next(&w->seen, &pos));)
    free(s);
  map_free(&w->seen);
  free(w);
  return 0;
}

static inline void world_answered(void *arg, int code, const struct jobs_answer *a) {
  struct world *w = arg;
  w->answers++;
  w->code = code;
  w->state = a->state;
  w->replayed = a->replayed;
  w->retry_after_s = a->retry_after_s;
  snprintf(w->id, sizeof w->id, "%.26s", a->job_id ? a->job_id : "");
  snprintf(w->slug, sizeof w->slug, "%s", a->slug ? a->slug : "");
  snprintf(w->text, sizeof w->text, "%s", a->text ? a->text : "");
}

static inline void world_tick(uv_timer_t *t) {
  (void)t;
}

/* Runs the loop until `done` says so; fails the test when nothing comes of it. */
static inline void world_until(struct world *w, bool (*done)(struct world *w, void *arg),
                               void *arg) {
  int64_t stop = clock_mono_ms() + 120000; /* a hang */
  uv_timer_init(&w->loop, &w->ticker);
  uv_timer_start(&w->ticker, world_tick, 2, 2);
  while (!done(w, arg)) {
    assert_true(clock_mono_ms() < stop);
    uv_run(&w->loop, UV_RUN_ONCE);
  }
  uv_close((uv_handle_t *)&w->ticker, NULL);
  uv_run(&w->loop, UV_RUN_NOWAIT);
}

static inline bool has_answers(struct world *w, void *arg) {
  return w->answers >= *(int *)arg;
}

static inline void wait_answers(struct world *w, int n) {
  world_until(w, has_answers, &n);
}

static inline bool has_steps(struct world *w, void *arg) {
  (void)w;
  return fake.steps_count >= *(int *)arg;
}

static inline struct workers_step *wait_step(struct world *w) {
  int n = 1;
  world_until(w, has_steps, &n);
  return fake_step(0);
}

static inline void wait_steps(struct world *w, int n) {
  world_until(w, has_steps, &n);
}

static inline bool has_final(struct world *w, void *arg) {
  struct seen *s = world_seen(w, arg);
  return s->finals >= 1 && event_is_final(s->last) && !jobs_live(w->jobs, arg);
}

static inline struct seen *wait_final(struct world *w, const char *id) {
  world_until(w, has_final, (void *)id);
  return world_seen(w, id);
}

static inline bool is_quiet(struct world *w, void *arg) {
  (void)w;
  return clock_mono_ms() >= *(int64_t *)arg;
}

/* Lets whatever is under way settle: by time, for turns without news go by at once.  Where
 * something has to have happened, wait for that. */
static inline void settle(struct world *w) {
  int64_t until = clock_mono_ms() + 100;
  world_until(w, is_quiet, &until);
}

static inline bool is_queued(struct world *w, void *id) {
  const struct record_job *job = jobs_live(w->jobs, id);
  return job && job->state == JOB_QUEUED;
}

static inline void wait_queued(struct world *w, const char *id) {
  world_until(w, is_queued, (void *)(uintptr_t)id);
}

struct ask { /* a submit in short */
  const char *kind, *client, *pin, *params, *key, *fingerprint;
  int priority;
  int64_t timeout_ms, bytes;
};

static inline void ask_no_wait(struct world *w, struct ask a) {
  struct record_input in = {.name = "part.step", .sha256 = WORLD_INPUT, .bytes = a.bytes};
  struct jobs_request r = {
      .kind = kinds_find(w->kinds, a.kind ? a.kind : "echo"),
      .client = a.client,
      .pin = a.pin,
      .priority = a.priority,
      .timeout_ms = a.timeout_ms,
      .params_json = a.params ? a.params : "{}",
      .inputs = &in,
      .input_count = a.bytes > 0,
      .idem_key = a.key,
      .fingerprint = a.fingerprint,
  };
  jobs_submit(w->jobs, &r, world_answered, w);
}

/* Submits and waits for the answer; the id (valid until the world ends) or NULL when refused. */
static inline const char *ask(struct world *w, struct ask a) {
  w->answers = 0;
  ask_no_wait(w, a);
  wait_answers(w, 1);
  return w->code == 0 ? world_seen(w, w->id)->id : NULL;
}

/* ---- what is in the store ---- */

struct stored {
  int calls, code, attempts, artifacts;
  enum job_state state, first_attempt;
  char error[600], progress[200], backend[40];
};

static inline void on_stored(void *arg, int code, const struct record_job *job) {
  struct stored *s = arg;
  s->calls++;
  s->code = code;
  if (!job)
    return;
  s->state = job->state;
  s->attempts = (int)job->attempt_count;
  s->artifacts = (int)job->artifact_count;
  s->first_attempt = job->attempt_count ? job->attempts[0].state : JOB_QUEUED;
  snprintf(s->error, sizeof s->error, "%s", job->error_json ? job->error_json : "");
  snprintf(s->progress, sizeof s->progress, "%s", job->progress_json ? job->progress_json : "");
  snprintf(s->backend, sizeof s->backend, "%s", job->backend ? job->backend : "");
}

static inline bool was_read(struct world *w, void *arg) {
  (void)w;
  return ((struct stored *)arg)->calls > 0;
}

static inline struct stored look(struct world *w, const char *id) {
  struct stored s = {0};
  jobs_get(w->jobs, id, on_stored, &s);
  world_until(w, was_read, &s);
  return s;
}

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

#endif
