/* SPDX-License-Identifier: MIT
 *
 * What is known of the backends, as plain facts: the choice is made from these, so it needs no
 * worker and can be tested without one.  Whoever has the workers tells all facts anew before it
 * asks; that costs a few comparisons where nothing has changed.
 *
 *   facts_begin -> facts_tell* (in the order of the configuration), facts_tell_gone* -> facts_end
 */
#ifndef ROUTING_FACTS_H
#define ROUTING_FACTS_H

#include "base/buf.h"
#include "routing/bar.h"
#include "routing/breaker.h"
#include "routing/cost.h"

#include <stdbool.h>
#include <stddef.h>

enum facts_state {
  FACTS_ABSENT, /* not in the configuration, or not enabled */
  FACTS_COMING, /* it may be ready later: starting, restarting, paused */
  FACTS_READY,
  FACTS_FAILED, /* not before somebody mends it */
};

struct kind_cost { /* of jobs of one kind on one backend */
  struct kind_cost *next;
  char *kind;
  struct cost_price price;
  int64_t mean;  /* of the last ones; MONEY_UNKNOWN: too few are known */
  bool reported; /* by the plugin, and not by the price */
};

struct backend_facts {
  const char *name;
  enum facts_state state;
  const char *state_word;        /* of the state, for people; static */
  const char *message;           /* why it is not ready, or NULL */
  const char *const *kinds;      /* NULL-terminated; empty: not known */
  const char *const *gone_kinds; /* it did these until a moment ago; empty: it did not go */
  int slots, running, room;      /* room: steps that may be handed over now */
  int64_t queued;                /* jobs that wait for it alone; kept by whoever queues them */
  struct bar *bars;              /* likewise kept apart from what is told: facts_bar() */
  struct kind_cost *costs;       /* likewise: facts_cost() */
  double ahead_s, late;    /* likewise; what is left of its jobs, and the latest: facts_busy() */
  struct breaker *breaker; /* likewise; whoever hears how jobs end keeps it */
  int threads;             /* that a job keeps busy which says nothing itself; 0: not known */
  bool local;              /* it takes memory and threads of this machine */
  bool remote;             /* it works by submit, find, poll, fetch and cancel */
  size_t index;            /* 0, 1, ..: of its name, for the life of the table */
};

struct facts {                /* zeroed: empty */
  struct backend_facts **all; /* by index; a name stays for ever */
  size_t count, cap;
  struct backend_facts **there; /* those told last, in the order of the configuration */
  size_t there_count;
  unsigned long *told, *told_gone; /* by index: the round in which it was told last */
  unsigned long round;
};

/* The row of a name; valid until facts_free.  NULL: it was never told of. */
struct backend_facts *facts_find(const struct facts *f, const char *name);
/* The same, made if new.  Not for names that clients choose. */
struct backend_facts *facts_of(struct facts *f, const char *name);
void facts_begin(struct facts *f);
/* Strings are copied; `gone_kinds`, `queued`, `bars`, `breaker` and `index` are not read. */
void facts_tell(struct facts *f, const struct backend_facts *told);
void facts_tell_gone(struct facts *f, const char *name, const char *const *kinds);
void facts_end(struct facts *f); /* those that were not told are absent */
void facts_free(struct facts *f);

/* Keeps jobs from a backend, or lets them go there again; false: there was nothing to lift.  Whoever
 * has the queue is to be woken then. */
void facts_bar(struct facts *f, const char *name, const struct bar *bar);
bool facts_unbar(struct facts *f, const char *name, enum admission reason, const char *kind);

void facts_busy(struct facts *f, const char *name, double ahead_s, double late);
/* One for each kind: a second one takes the place of the first.  `next` is not read. */
void facts_cost(struct facts *f, const char *name, const struct kind_cost *cost);
const struct kind_cost *facts_cost_of(const struct backend_facts *b,
                                      const char *kind); /* or NULL */

/* Does it do the kind, as far as is known? */
bool facts_does(const struct backend_facts *b, const char *kind);
/* May it do the kind, now or later?  Before a backend's first word its kinds are not known. */
bool facts_may_do(const struct backend_facts *b, const char *kind);
/* Is it known not to do the kind? */
bool facts_is_unfit(const struct backend_facts *b, const char *kind);
/* Is it ready for the kind, busy or not, and nothing keeps jobs from it? */
bool facts_takes(const struct backend_facts *b, const char *kind);
/* "backend 'a' has failed: ...": why it is not ready. */
void facts_blame(const struct backend_facts *b, struct buf *out);
/* It did the kind until a moment ago, so it may be on its way back. */
bool facts_may_return(const struct backend_facts *b, const char *kind);

#endif
