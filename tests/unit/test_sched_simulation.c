/* SPDX-License-Identifier: MIT
 *
 * A million virtual jobs in virtual time: many clients, kinds, priorities and backends that fail,
 * come back and are too small.  What must hold is checked at each start, by counts of this file's
 * own:
 *
 *   no slot, memory or thread is given twice          fair turns between clients
 *   within a flow: priority and ageing, then FIFO     nobody starves
 *   excluded, pinned and bound jobs go where they may nothing is lost, nothing runs twice
 *
 * Everything is seeded, so each run is the same.  The time that it took is printed and never
 * asserted: docs/benchmarks.md has the figure.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/mem.h"
#include "sched/sched.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  JOBS = 1000000,
  FAIR_JOBS = 200000, /* of these: queued at once by FAIR_CLIENTS, for the fair turns */
  FAIR_CLIENTS = 100,
  CLIENTS = 500,
  LANES = 8,
  BACKENDS = 6,
  MS = 1000,       /* a turn of the loop, in us */
  AGEING_MS = 500, /* small against the whole, so that ranks move */
  MAX_WAIT_MS = 2000,
  ARRIVALS = 40,   /* at most, in a turn */
  BACKLOG = 20000, /* jobs that wait or run */
  WHEEL = 512,     /* ms ahead that an end may lie */
  RANKS = 8192,    /* slices of ageing in a run, and the span of priorities */
  PRIORITY = 5,    /* -PRIORITY .. PRIORITY */
  TRIES = 3,
  STARVED_MS = 10000, /* the span of priorities in slices, and as long again */
};

enum life { NEW, QUEUED, STARTING, RUNNING, DONE, GIVEN_UP };

struct vjob { /* a virtual job */
  struct sched_job sched;
  struct list link; /* in a bucket of the wheel, or of those whose commit is under way */
  struct sched_tried tried[TRIES];
  uint8_t life, lane, tries;
  uint16_t client;
  bool counted; /* in the ranks of its lane */
  uint8_t backend;
};

struct vbackend {
  const char *name;
  int64_t memory, threads, memory_used, threads_used;
  int64_t back_at; /* the turn in which it is ready again; 0: it is ready */
  int slots, running, starting;
  bool local, remote;
};

struct vlane {
  struct sched_lane sched;
  int64_t memory; /* at most, of a job */
  int threads;
  bool strict;        /* its jobs need a slot alone, so that their order is exact */
  int waiting[RANKS]; /* jobs that were never tried, by rank */
  int64_t count;
  int lowest;
};

static struct sim {
  struct routing *routing;
  struct sched *sched;
  struct vjob *jobs;
  int made, over, given_up, open;
  bool attempts_fail;
  struct sched_client clients[CLIENTS];
  int64_t starts[FAIR_CLIENTS];
  struct vlane lanes[LANES];
  int64_t last[CLIENTS][LANES][2 * PRIORITY + 1]; /* number of the last first start */
  struct list wheel[WHEEL], committing;
  int64_t turn; /* ms */
  int64_t machine_memory, machine_threads;
  uint64_t random;
  int64_t retries, rounds, longest_wait_ms;
} sim;

static const char *const echo[] = {"echo", NULL}, *const both[] = {"echo", "mesh", NULL},
                         *const remote_kinds[] = {"mesh", "paint", NULL};

static struct vbackend backends[BACKENDS] = {
    {.name = "local", .slots = 64, .memory = 4000, .threads = 48, .local = true},
    {.name = "second", .slots = 32, .threads = 16, .local = true},
    {.name = "small", .slots = 8, .memory = 500, .local = true},
    {.name = "cloud", .slots = 400, .remote = true},
    {.name = "paint", .slots = 200, .remote = true},
    {.name = "broken", .slots = 4, .local = true, .back_at = INT64_MAX},
};
static const char *const *const kinds_of[BACKENDS] = {both,         both,         echo,
                                                      remote_kinds, remote_kinds, echo};
enum { MACHINE_MEMORY = 6000, MACHINE_THREADS = 64 };

static struct vjob *vjob_of(struct sched_job *job) {
  return container_of(job, struct vjob, sched);
}

static int64_t below(int64_t n) {
  return (int64_t)(random_next(&sim.random) % (uint64_t)n);
}

static int64_t now_us(void) {
  return (sim.turn + 1) * MS;
}

/* ---- the world outside of the scheduler ---- */

static void tell(void) {
  struct facts *f = routing_facts(sim.routing);
  facts_begin(f);
  for (int i = 0; i < BACKENDS; i++) {
    const struct vbackend *b = &backends[i];
    bool ready = b->back_at == 0;
    if (b->back_at == INT64_MAX)
      continue;
    facts_tell(f, &(struct backend_facts){
                      .name = b->name,
                      .state = ready ? FACTS_READY : FACTS_COMING,
                      .state_word = ready ? "ready" : "restarting",
                      .kinds = kinds_of[i],
                      .slots = b->slots,
                      .running = b->running,
                      .room = ready ? b->slots - b->running : 0,
                      .local = b->local,
                      .remote = b->remote,
                  });
  }
  facts_end(f);
}

static int backend_index(const struct backend_facts *b) {
  for (int i = 0; i < BACKENDS; i++)
    if (strcmp(backends[i].name, b->name) == 0)
      return i;
  fail_msg("an unknown backend: %s", b->name);
  return -1;
}

static void open_sim(void) {
  static const struct {
    const char *kind, *pin;
    int64_t memory;
    int threads;
    bool strict;
  } lanes[LANES] = {
      {"echo", NULL, 0, 0, true},        {"mesh", NULL, 900, 4, false},
      {"paint", NULL, 0, 0, true},       {"echo", "local", 0, 0, true},
      {"mesh", "local", 2000, 8, false}, {"mesh", "cloud", 0, 0, true},
      {"echo", "small", 300, 1, false},  {"echo", "broken", 0, 0, true}, /* given up, all of them */
  };
  static const char *const mesh_route[] = {"second", "local", "cloud", "paint", NULL};
  static const char *const paint_route[] = {"paint", "cloud", NULL};
  const struct route_options routes[] = {
      {.kind = "mesh", .backends = mesh_route, .policy = ROUTE_ORDERED},
      {.kind = "paint", .backends = paint_route, .policy = ROUTE_SPREAD},
  };
  sim = (struct sim){.random = 20261129};
  sim.routing = routing_new();
  routing_configure(sim.routing, routes, 2);
  sim.sched = sched_new(sim.routing);
  sim.jobs = mem_array(JOBS, sizeof *sim.jobs);
  list_init(&sim.committing);
  for (int i = 0; i < WHEEL; i++)
    list_init(&sim.wheel[i]);
  for (int i = 0; i < CLIENTS; i++)
    sched_client_init(&sim.clients[i]);
  for (int i = 0; i < LANES; i++) {
    struct vlane *lane = &sim.lanes[i];
    lane->sched = (struct sched_lane){.kind = lanes[i].kind, .pin = lanes[i].pin};
    lane->memory = lanes[i].memory;
    lane->threads = lanes[i].threads;
    lane->strict = lanes[i].strict;
    sched_add_lane(sim.sched, &lane->sched);
  }
  sched_configure(sim.sched, &(struct sched_options){.ageing_us = (int64_t)AGEING_MS * MS,
                                                     .max_wait_us = (int64_t)MAX_WAIT_MS * MS,
                                                     .memory = MACHINE_MEMORY,
                                                     .threads = MACHINE_THREADS});
  for (int i = 0; i < BACKENDS; i++)
    sched_limit_backend(sim.sched, facts_of(routing_facts(sim.routing), backends[i].name),
                        backends[i].memory, backends[i].threads);
}

static void close_sim(void) {
  for (int i = 0; i < LANES; i++) {
    assert_true(sched_lane_is_empty(&sim.lanes[i].sched));
    sched_drop_lane(&sim.lanes[i].sched);
  }
  sched_free(sim.sched);
  routing_free(sim.routing);
  free(sim.jobs);
}

/* ---- what must hold ---- */

/* The rank as docs/configuration.md tells it: the slice in which it was queued, less its priority.
 */
static int rank_of(const struct vjob *v) {
  int64_t slice = v->sched.queued_us / ((int64_t)AGEING_MS * MS);
  int rank = (int)slice - v->sched.priority + PRIORITY;
  assert_in_range(rank, 0, RANKS - 1);
  return rank;
}

static void count_waiting(struct vjob *v) {
  struct vlane *lane = &sim.lanes[v->lane];
  int rank = rank_of(v);
  v->counted = true;
  lane->waiting[rank]++;
  if (lane->count++ == 0 || rank < lane->lowest)
    lane->lowest = rank;
}

static void count_gone(struct vjob *v) {
  struct vlane *lane = &sim.lanes[v->lane];
  if (!v->counted)
    return;
  v->counted = false;
  lane->waiting[rank_of(v)]--;
  lane->count--;
  while (lane->count > 0 && lane->waiting[lane->lowest] == 0)
    lane->lowest++;
}

/* Of its first attempt, in a lane where each job fits wherever there is a slot. */
static void check_order(struct vjob *v) {
  struct vlane *lane = &sim.lanes[v->lane];
  if (!v->counted || !lane->strict)
    return;
  assert_int_equal(rank_of(v), lane->lowest); /* priority and ageing: none waits that is better */
  int64_t *last = &sim.last[v->client][v->lane][v->sched.priority + PRIORITY];
  assert_true(v->sched.number > *last); /* FIFO */
  *last = v->sched.number;
}

static void check_room(const struct vjob *v, const struct vbackend *b) {
  bool alone = b->memory_used == 0, alone_here = sim.machine_memory == 0;
  assert_int_equal(b->back_at, 0);
  assert_true(b->running + b->starting < b->slots);
  if (b->memory > 0 && v->sched.memory > 0)
    assert_true(alone || b->memory_used + v->sched.memory <= b->memory);
  if (b->threads > 0 && v->sched.threads > 0)
    assert_true(b->threads_used == 0 || b->threads_used + v->sched.threads <= b->threads);
  if (!b->local)
    return;
  if (v->sched.memory > 0)
    assert_true(alone_here || sim.machine_memory + v->sched.memory <= MACHINE_MEMORY);
  if (v->sched.threads > 0)
    assert_true(sim.machine_threads == 0 ||
                sim.machine_threads + v->sched.threads <= MACHINE_THREADS);
}

/* In the mixed part, where the backends can do what comes; large jobs and low priorities too. */
static void check_wait(const struct vjob *v) {
  int64_t waited = sim.turn - v->sched.queued_us / MS;
  if (!sim.attempts_fail)
    return;
  sim.longest_wait_ms = waited > sim.longest_wait_ms ? waited : sim.longest_wait_ms;
  assert_true(waited < STARVED_MS);
}

static bool does(int backend, const char *kind) {
  for (const char *const *k = kinds_of[backend]; *k; k++)
    if (strcmp(*k, kind) == 0)
      return true;
  return false;
}

static void check_place(const struct vjob *v, int backend) {
  const struct sched_lane *lane = &sim.lanes[v->lane].sched;
  assert_true(does(backend, lane->kind));
  if (v->sched.bound)
    assert_string_equal(v->sched.bound->name, backends[backend].name);
  else if (lane->pin)
    assert_string_equal(lane->pin, backends[backend].name);
  for (int i = 0; i < v->sched.tried_count; i++)
    assert_false(v->tried[i].never && backend_index(v->tried[i].backend) == backend);
}

/* ---- the life of a virtual job ---- */

static void use(struct vjob *v, int sign) {
  struct vbackend *b = &backends[v->backend];
  b->memory_used += sign * v->sched.memory;
  b->threads_used += sign * v->sched.threads;
  if (!b->local)
    return;
  sim.machine_memory += sign * v->sched.memory;
  sim.machine_threads += sign * v->sched.threads;
}

static void push(struct vjob *v) {
  v->life = QUEUED;
  bool waits = sched_push(sim.sched, &v->sched, now_us());
  if (waits && v->tries == 0 && !v->counted)
    count_waiting(v);
}

static void start(const struct sched_choice *choice) {
  struct vjob *v = vjob_of(choice->job);
  int backend = backend_index(choice->backend);
  assert_int_equal(v->life, QUEUED);
  check_order(v);
  check_place(v, backend);
  check_room(v, &backends[backend]);
  count_gone(v);
  check_wait(v);
  v->backend = (uint8_t)backend;
  v->life = STARTING;
  use(v, 1);
  backends[backend].starting++;
  list_push_back(&sim.committing, &v->link);
}

static void finish(struct vjob *v, enum life how) {
  v->life = (uint8_t)how;
  sim.over++;
  sim.open--;
}

static void give_up(struct vjob *v) {
  assert_int_equal(v->life, QUEUED);
  bool refused_everywhere = v->sched.tried_count > 0;
  assert_true(refused_everywhere || strcmp(sim.lanes[v->lane].sched.pin, "broken") == 0);
  count_gone(v);
  sim.given_up++;
  finish(v, GIVEN_UP);
}

static void dispatch(void) {
  struct sched_choice choice;
  tell();
  sim.rounds++;
  sched_begin_round(sim.sched);
  while (sched_next(sim.sched, now_us(), &choice)) {
    if (choice.backend)
      start(&choice);
    else
      give_up(vjob_of(choice.job));
  }
}

static void launch_committed(void) {
  for (struct list *it; (it = list_pop_front(&sim.committing));) {
    struct vjob *v = container_of(it, struct vjob, link);
    struct vbackend *b = &backends[v->backend];
    v->life = RUNNING;
    b->starting--;
    b->running++;
    sched_started(sim.sched, &v->sched);
    list_push_back(&sim.wheel[(sim.turn + 1 + below(b->remote ? 200 : 20)) % WHEEL], &v->link);
  }
}

/* One in 64 attempts fails: on this backend for good, for now, or nobody knows what it left. */
static void retry(struct vjob *v) {
  const struct backend_facts *b = facts_of(routing_facts(sim.routing), backends[v->backend].name);
  int64_t how = below(3);
  sim.retries++;
  v->sched.bound = NULL;
  if (how == 2 && backends[v->backend].remote) {
    v->sched.bound = b;
  } else {
    v->tried[v->sched.tried_count++] = (struct sched_tried){b, how == 0};
    v->sched.tried = v->tried;
  }
  v->tries++;
  v->sched.due_us = below(2) ? now_us() + below(300) * MS : 0;
  push(v);
}

static void end_due(void) {
  struct list due;
  list_init(&due);
  for (struct list *it; (it = list_pop_front(&sim.wheel[sim.turn % WHEEL]));)
    list_push_back(&due, it);
  for (struct list *it; (it = list_pop_front(&due));) {
    struct vjob *v = container_of(it, struct vjob, link);
    assert_int_equal(v->life, RUNNING);
    backends[v->backend].running--;
    use(v, -1);
    sched_release(sim.sched, &v->sched);
    if (sim.attempts_fail && v->tries < TRIES && below(64) == 0)
      retry(v);
    else
      finish(v, DONE);
  }
}

static void push_due(void) {
  for (struct sched_job *job; (job = sched_pop_due(sim.sched, now_us()));)
    push(vjob_of(job));
}

/* Backends restart now and then. */
static void shake_backends(void) {
  for (int i = 0; i < BACKENDS; i++) {
    struct vbackend *b = &backends[i];
    if (b->back_at == 0 && below(4000) == 0)
      b->back_at = sim.turn + 20 + below(400);
    else if (b->back_at == sim.turn)
      b->back_at = 0;
  }
}

static struct vjob *make(int client, int lane, int priority) {
  struct vjob *v = &sim.jobs[sim.made];
  v->client = (uint16_t)client;
  v->lane = (uint8_t)lane;
  v->sched = (struct sched_job){.lane = &sim.lanes[lane].sched,
                                .client = &sim.clients[client],
                                .number = ++sim.made,
                                .queued_us = now_us(),
                                .priority = (int8_t)priority};
  if (sim.lanes[lane].memory > 0)
    v->sched.memory = 1 + below(sim.lanes[lane].memory);
  if (sim.lanes[lane].threads > 0)
    v->sched.threads = (int32_t)(1 + below(sim.lanes[lane].threads));
  sim.open++;
  return v;
}

static void turn(void) {
  sim.turn++;
  shake_backends();
  launch_committed();
  end_due();
  push_due();
  dispatch();
}

/* ---- the two parts ---- */

/* All of a client's jobs wait from the first turn on, so turns alone decide: no client is ever two
 * starts ahead of another one that still has jobs. */
static void check_turns(int part) {
  int64_t least = INT64_MAX, most = 0;
  for (int i = 0; i < FAIR_CLIENTS; i++) {
    least = sim.starts[i] < least ? sim.starts[i] : least;
    most = sim.starts[i] > most ? sim.starts[i] : most;
  }
  assert_true(most - least <= 1 || most == part);
}

static void fair_part(void) {
  const int part = FAIR_JOBS / FAIR_CLIENTS;
  for (int client = 0; client < FAIR_CLIENTS; client++)
    for (int i = 0; i < part; i++)
      push(make(client, 2, 0)); /* the most eager one first: it gains nothing by that */
  while (sim.over < FAIR_JOBS) {
    struct sched_choice choice;
    sim.turn++;
    launch_committed();
    end_due();
    tell();
    sim.rounds++;
    sched_begin_round(sim.sched);
    while (sched_next(sim.sched, now_us(), &choice)) {
      sim.starts[vjob_of(choice.job)->client]++;
      check_turns(part);
      start(&choice);
    }
  }
}

/* Each lane gets about what its backends can do. */
static int draw_lane(void) {
  static const int shares[LANES] = {30, 10, 25, 10, 1, 22, 1, 1}; /* of 100 */
  int lane = 0;
  for (int64_t draw = below(100); draw >= shares[lane]; lane++)
    draw -= shares[lane];
  return lane;
}

/* The eager client sends every second job; priorities, lanes and needs are mixed. */
static void mixed_part(void) {
  sim.attempts_fail = true;
  while (sim.over < JOBS) {
    for (int64_t n = below(ARRIVALS + 1); n > 0 && sim.open < BACKLOG && sim.made < JOBS; n--) {
      int client = below(2) ? 0 : (int)below(CLIENTS);
      push(make(client, draw_lane(), (int)below(2 * PRIORITY + 1) - PRIORITY));
    }
    turn();
    assert_true(sim.turn < 10000000); /* else something hangs */
  }
}

static void check_nothing_is_left(void) {
  int64_t done = 0, given_up = 0;
  assert_int_equal(sim.made, JOBS);
  for (int i = 0; i < JOBS; i++) {
    done += sim.jobs[i].life == DONE;
    given_up += sim.jobs[i].life == GIVEN_UP;
  }
  assert_int_equal(done + given_up, JOBS);
  assert_int_equal(given_up, sim.given_up);
  assert_int_equal(sim.machine_memory, 0);
  assert_int_equal(sched_reserved_here(sim.sched).memory, 0);
  assert_int_equal(sched_reserved_here(sim.sched).threads, 0);
  for (int i = 0; i < BACKENDS; i++) {
    struct sched_reserved left =
        sched_reserved_on(sim.sched, facts_of(routing_facts(sim.routing), backends[i].name));
    assert_int_equal(left.memory, 0);
    assert_int_equal(left.threads, 0);
    assert_int_equal(left.starting, 0);
    assert_int_equal(backends[i].running, 0);
  }
}

static void test_a_million_jobs(void **state) {
  (void)state;
  open_sim();
  int64_t before = clock_mono_us();
  fair_part();
  mixed_part();
  double seconds = (double)(clock_mono_us() - before) / 1e6;
  check_nothing_is_left();
  printf("%d jobs in %.2f s: %lld virtual s, %lld rounds, %lld retries, %d given up; the longest "
         "wait was %.1f s\n",
         JOBS, seconds, (long long)sim.turn / 1000, (long long)sim.rounds, (long long)sim.retries,
         sim.given_up, (double)sim.longest_wait_ms / 1000);
  close_sim();
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_million_jobs)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
