/* SPDX-License-Identifier: MIT
 *
 * Two instances of a plugin run side by side whenever two backends use it, or a worker is being
 * replaced; a LATHE_SHARED one has many calls in one process besides.
 */
#include "child.h"
#include "life.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INSTANCES = 2, THREADS_MOST = 8, MEET_MS = 10000 };

struct instance {
  struct tool *tool;
  int number;
  struct record *record;
  _Atomic int *started; /* shared memory: how many are */
};

static void run_instance(void *arg) {
  struct instance *me = arg;
  struct tool *t = me->tool;
  struct example e;
  char name[NAME_SIZE];
  if (!sim_open(t, HOST_OF_TODAY)) {
    fail(t, "that was instance %d of %d started at once", me->number + 1, INSTANCES);
    return;
  }
  ++*me->started;
  int64_t until = now_ms() + MEET_MS + 4 * t->facts->create_ms;
  while (*me->started < INSTANCES && now_ms() < until)
    nap_ms(1);
  for (int i = 0; i < t->facts->kind_count; i++) {
    snprintf(name, sizeof name, "job%d-%d", me->number, i);
    if (example_make(t, t->facts->kinds[i], name, &e) && !life_must(t, &e, me->record))
      fail(t, "that was a job of instance %d of %d at once", me->number + 1, INSTANCES);
    example_free(&e);
  }
  sim_destroy(t);
}

static void run_processes(struct tool *t) {
  struct instance instances[INSTANCES];
  struct child children[INSTANCES];
  _Atomic int *started = shared_memory(sizeof *started);
  for (int i = 0; i < INSTANCES; i++) {
    instances[i] = (struct instance){t, i, shared_memory(sizeof(struct record)), started};
    children[i] = child_start(run_instance, &instances[i], -1);
  }
  int64_t until = now_ms() + t->limit_ms;
  for (int i = 0; i < INSTANCES; i++) {
    struct ending e = child_wait(&children[i], until);
    if (!ending_is_clean(&e))
      fail(t, "instance %d of %d at once %s", i + 1, INSTANCES, ending_text(&e));
  }
}

/* ---- many calls in one process ---- */

struct caller {
  struct tool *tool;
  struct example example;
  struct record *record;
  pthread_t thread;
  bool completed;
};

static void *call(void *arg) {
  struct caller *c = arg;
  c->completed = life_whole(c->tool, &c->example, c->record);
  return NULL;
}

static void run_threads(void *arg) {
  struct tool *t = arg;
  static struct caller callers[THREADS_MOST];
  uint32_t most = t->facts->max_concurrency;
  int count = 0, wanted = most && most < THREADS_MOST ? (int)most : THREADS_MOST;
  char name[NAME_SIZE];
  if (!sim_open(t, HOST_OF_TODAY))
    return;
  for (int i = 0; i < wanted; i++) {
    struct caller *c = &callers[count];
    *c = (struct caller){.tool = t, .record = shared_memory(sizeof *c->record)};
    snprintf(name, sizeof name, "call%d", i);
    count += example_make(t, t->facts->kinds[i % t->facts->kind_count], name, &c->example);
  }
  for (int i = 0; i < count; i++)
    pthread_create(&callers[i].thread, NULL, call, &callers[i]);
  for (int i = 0; i < count; i++) {
    const struct record *r = callers[i].record;
    pthread_join(callers[i].thread, NULL);
    if (!callers[i].completed && r->returned)
      fail(t, "with %d jobs at once in one process a job of %s gave %d: %s", count,
           callers[i].example.kind, r->result, r->error[0] ? r->error : "no message");
    life_judge(t, &callers[i].example, r);
  }
  sim_destroy(t);
}

void check_two(struct tool *t) {
  run_processes(t);
  if (t->facts->isolation != LATHE_SHARED || t->facts->max_concurrency == 1)
    return;
  struct ending e = child_run(run_threads, t, t->limit_ms);
  if (!ending_is_clean(&e))
    fail(t, "with several jobs at once in one process it %s in %s", ending_text(&e),
         t->finding->where);
}
