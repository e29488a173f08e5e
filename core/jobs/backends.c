/* SPDX-License-Identifier: MIT
 *
 * The backends as this room sees them: what it tells routing and the scheduler of them, and what it
 * keeps for each name that ever had a job.
 */
#include "jobs/backends.h"

#include "base/mem.h"
#include "jobs/life.h"
#include "jobs/price.h"

#include <stdlib.h>
#include <string.h>

/* ---- facts ---- */

static enum facts_state state_of(const struct backend *b) {
  switch (backend_state(b)) {
  case BACKEND_READY:
    return FACTS_READY;
  case BACKEND_STARTING:
  case BACKEND_RESTARTING:
  case BACKEND_PAUSED:
    return FACTS_COMING;
  case BACKEND_FAILED:
    return FACTS_FAILED;
  case BACKEND_STOPPING:
    break;
  }
  return FACTS_ABSENT;
}

/* Remote backends, and those whose device is "net", compute elsewhere. */
static bool is_local(const struct backend *b) {
  const char *device = backend_device(b);
  return !backend_is_remote(b) && (!device || strcmp(device, "net") != 0);
}

static void tell(struct facts *facts, const struct backend *b) {
  facts_tell(facts, &(struct backend_facts){
                        .name = backend_name(b),
                        .state = state_of(b),
                        .state_word = backend_state_word(backend_state(b)),
                        .message = backend_message(b),
                        .kinds = backend_offers(b),
                        .slots = backend_slots(b),
                        .running = backend_running(b),
                        .room = backend_room(b),
                        .threads = backend_threads(b),
                        .local = is_local(b),
                        .remote = backend_is_remote(b),
                    });
}

void backends_tell(struct jobs *j) {
  struct facts *facts = routing_facts(j->routing);
  const char *const *kinds;
  const char *name;
  size_t pos = 0;
  facts_begin(facts);
  for (struct backend *b = NULL; j->workers && (b = workers_next(j->workers, b));)
    tell(facts, b);
  while (j->workers && (name = workers_next_gone(j->workers, &pos, &kinds)))
    facts_tell_gone(facts, name, kinds);
  facts_end(facts);
}

void jobs_bar(struct jobs *j, const char *backend, const struct bar *bar) {
  facts_bar(routing_facts(j->routing), backend, bar);
  life_wake(j); /* those that wait for it alone begin to count the time */
}

bool jobs_unbar(struct jobs *j, const char *backend, enum admission reason, const char *kind) {
  bool any = facts_unbar(routing_facts(j->routing), backend, reason, kind);
  if (any)
    life_wake(j);
  return any;
}

/* ---- what is kept for a name ---- */

static const struct jobs_backend_budget *find_budget(const struct jobs *j, const char *name) {
  for (size_t i = 0; i < j->o.budget_count; i++)
    if (strcmp(j->o.budgets[i].backend, name) == 0)
      return &j->o.budgets[i];
  return NULL;
}

struct backend_usage *usage_find(struct jobs *j, const char *name) {
  for (struct backend_usage *p = j->usages; p; p = p->next)
    if (strcmp(p->name, name) == 0)
      return p;
  struct backend_usage *p = mem_alloc(sizeof *p);
  p->facts = facts_of(routing_facts(j->routing), name);
  p->name = p->facts->name;
  p->budget = find_budget(j, name);
  p->spending.spent = MONEY_UNKNOWN;
  list_init(&p->away);
  list_init(&p->at_work);
  p->next = j->usages;
  j->usages = p;
  return p;
}

const char *usage_version(struct backend_usage *p, const char *text) {
  if (!text)
    return NULL;
  for (struct version *v = p->versions; v; v = v->next)
    if (strcmp(v->text, text) == 0)
      return v->text;
  size_t size = strlen(text) + 1;
  struct version *v = mem_alloc(sizeof *v + size);
  memcpy(v->text, text, size);
  v->next = p->versions;
  p->versions = v;
  return v->text;
}

void backends_limit(struct jobs *j) {
  struct facts *facts = routing_facts(j->routing);
  for (size_t i = 0; i < j->o.budget_count; i++)
    facts_of(facts, j->o.budgets[i].backend);
  for (size_t i = 0; i < facts->count; i++) {
    const struct jobs_backend_budget *budget = find_budget(j, facts->all[i]->name);
    sched_limit_backend(j->sched, facts->all[i], budget ? budget->memory : 0,
                        budget ? budget->threads : 0);
  }
  for (struct backend_usage *p = j->usages; p; p = p->next)
    p->budget = find_budget(j, p->name);
}

static void cost_meters_free(struct cost_meter *m) {
  for (struct cost_meter *next; m; m = next) {
    next = m->next;
    free(m->kind);
    free(m);
  }
}

static void meters_free(struct meter *m) {
  for (struct meter *next; m; m = next) {
    next = m->next;
    free(m);
  }
}

void usages_free(struct jobs *j) {
  for (struct backend_usage *p = j->usages, *next; p; p = next) {
    next = p->next;
    meters_free(p->meters);
    free(p->identity);
    cost_meters_free(p->costs);
    for (struct version *v = p->versions, *older; v; v = older) {
      older = v->next;
      free(v);
    }
    free(p);
  }
  meters_free(j->without_backend);
}
