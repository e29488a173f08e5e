/* SPDX-License-Identifier: MIT */
#include "routing/breaker.h"

#include "base/backoff.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const state_words[] = {
    [BREAKER_CLOSED] = "closed", [BREAKER_OPEN] = "open", [BREAKER_HALF_OPEN] = "half-open"};
static const char *const hand_words[] = {[BREAKER_BY_ITSELF] = "itself",
                                         [BREAKER_FORCED_OPEN] = "forced-open",
                                         [BREAKER_FORCED_CLOSED] = "forced-closed"};
#define COUNT(list) ((int)(sizeof(list) / sizeof *(list)))

const char *breaker_state_word(enum breaker_state s) {
  return state_words[s];
}

/* ---- questions ---- */

bool breaker_is_forced(const struct breaker *b, int64_t now_us) {
  return b->hand != BREAKER_BY_ITSELF && now_us < b->hand_until_us;
}

enum breaker_state breaker_state_at(const struct breaker *b, int64_t now_us) {
  if (breaker_is_forced(b, now_us))
    return b->hand == BREAKER_FORCED_OPEN ? BREAKER_OPEN : BREAKER_CLOSED;
  return b->state == BREAKER_OPEN && now_us >= b->until_us ? BREAKER_HALF_OPEN : b->state;
}

bool breaker_is_closed(const struct breaker *b) {
  return b->hand == BREAKER_BY_ITSELF ? b->state == BREAKER_CLOSED
                                      : b->hand == BREAKER_FORCED_CLOSED;
}

const char *breaker_reason(const struct breaker *b) {
  if (breaker_is_closed(b))
    return NULL;
  return b->hand == BREAKER_FORCED_OPEN ? "a person opened it" : b->reason;
}

/* Where jobs have no other candidate, a long probe must not hold them all: one more goes beside it
 * every now and then. */
static int64_t next_probe_us(const struct breaker *b, bool last) {
  if (!b->leased)
    return INT64_MIN;
  return last ? b->leased_us + BREAKER_FIRST_US : b->lease_end_us;
}

int64_t breaker_reopens_us(const struct breaker *b, bool last) {
  if (b->hand == BREAKER_FORCED_OPEN)
    return b->hand_until_us;
  switch (b->state) {
  case BREAKER_OPEN:
    return last ? b->last_us : b->until_us;
  case BREAKER_HALF_OPEN:
    return next_probe_us(b, last);
  case BREAKER_CLOSED:
    break;
  }
  return INT64_MIN;
}

bool breaker_admits(const struct breaker *b, int64_t now_us, bool last) {
  if (breaker_is_forced(b, now_us))
    return b->hand == BREAKER_FORCED_CLOSED;
  switch (b->state) {
  case BREAKER_OPEN:
    return now_us >= (last ? b->last_us : b->until_us);
  case BREAKER_HALF_OPEN:
    return !b->leased || (last && now_us >= next_probe_us(b, last));
  case BREAKER_CLOSED:
    break;
  }
  return true;
}

/* ---- transitions ---- */

static void become(struct breaker *b, enum breaker_state state, int64_t now_us) {
  b->state = state;
  b->since_us = now_us;
  b->generation++;
  b->leased = false;
  b->in_a_row = 0;
  memset(b->window, 0, sizeof b->window);
}

static int64_t open_time(int step) {
  return backoff_delay(step + 1, BREAKER_FIRST_US, BREAKER_LAST_US);
}

/* Half of it for sure, the other half by chance. */
static int64_t with_jitter(int64_t time, uint64_t random) {
  return time - random_up_to(random, time / 2);
}

/* For each open time that it was well, the next one is a step shorter. */
static void decay(struct breaker *b, int64_t now_us) {
  for (; b->step > 0 && now_us - b->well_us >= open_time(b->step); b->step--)
    b->well_us += open_time(b->step);
}

static void keep_open(struct breaker *b, int step, int64_t now_us, uint64_t random) {
  int64_t until = now_us + with_jitter(open_time(step), random);
  int64_t last = now_us + with_jitter(BREAKER_FIRST_US, random);
  if (until > b->until_us)
    b->until_us = until;
  if (last > b->last_us)
    b->last_us = last;
  if (b->last_us > b->until_us)
    b->last_us = b->until_us;
}

/* b->step is that of the next opening. */
static void open_it(struct breaker *b, const char *reason, int64_t now_us, uint64_t random) {
  if (b->state == BREAKER_CLOSED)
    decay(b, now_us);
  become(b, BREAKER_OPEN, now_us);
  b->openings++;
  b->until_us = b->last_us = 0;
  keep_open(b, b->step, now_us, random);
  if (open_time(b->step) < BREAKER_LAST_US)
    b->step++;
  snprintf(b->reason, sizeof b->reason, "%s", reason && reason[0] ? reason : "no reason was given");
}

static void close_it(struct breaker *b, int64_t now_us) {
  become(b, BREAKER_CLOSED, now_us);
  b->well_us = now_us;
  b->until_us = b->last_us = 0;
}

/* ---- outcomes ---- */

static void count(struct breaker *b, bool good, int64_t now_us) {
  int64_t number = now_us / BREAKER_BUCKET_US;
  struct breaker_bucket *bucket = &b->window[(uint64_t)number % BREAKER_BUCKETS];
  if (bucket->number != number)
    *bucket = (struct breaker_bucket){.number = number};
  *(good ? &bucket->good : &bucket->bad) += 1;
}

static bool is_too_bad(const struct breaker *b, int64_t now_us) {
  int64_t oldest = now_us / BREAKER_BUCKET_US - BREAKER_BUCKETS + 1, good = 0, bad = 0;
  for (int i = 0; i < BREAKER_BUCKETS; i++)
    if (b->window[i].number >= oldest) {
      good += b->window[i].good;
      bad += b->window[i].bad;
    }
  return b->in_a_row >= BREAKER_IN_A_ROW ||
         (good + bad >= BREAKER_SAMPLES && bad * 100 >= (good + bad) * BREAKER_PERCENT);
}

static bool end_closed(struct breaker *b, bool good, const char *reason, int64_t now_us,
                       uint64_t random) {
  count(b, good, now_us);
  if (good) {
    b->in_a_row = 0;
    return false;
  }
  b->in_a_row++;
  if (breaker_is_forced(b, now_us) || !is_too_bad(b, now_us)) {
    decay(b, now_us);
    b->well_us = now_us;
    return false;
  }
  open_it(b, reason, now_us, random);
  return true;
}

/* One of a generation before says nothing of how it is now. */
static bool end_half_open(struct breaker *b, bool is_mine, bool good, const char *reason,
                          int64_t now_us, uint64_t random) {
  if (!is_mine)
    return false;
  if (!good) {
    open_it(b, reason, now_us, random);
    return true;
  }
  if (++b->in_a_row < BREAKER_PROBES)
    return false;
  close_it(b, now_us);
  return true;
}

bool breaker_end(struct breaker *b, struct breaker_permit permit, enum breaker_outcome outcome,
                 const char *reason, int64_t now_us, uint64_t random) {
  bool is_mine = permit.generation == b->generation + 1;
  if (is_mine && permit.lease && permit.lease == b->lease)
    b->leased = false;
  if (outcome == BREAKER_NEUTRAL)
    return false;
  bool good = outcome == BREAKER_SUCCESS;
  switch (b->state) {
  case BREAKER_CLOSED:
    return end_closed(b, good, reason, now_us, random);
  case BREAKER_HALF_OPEN:
    return end_half_open(b, is_mine, good, reason, now_us, random);
  case BREAKER_OPEN: /* jobs that it had: it is as bad as before, and not for a longer time */
    if (!good)
      keep_open(b, b->step > 0 ? b->step - 1 : 0, now_us, random);
    break;
  }
  return false;
}

struct breaker_permit breaker_take(struct breaker *b, int64_t now_us, int64_t lease_us) {
  if (!breaker_is_forced(b, now_us)) {
    if (b->state == BREAKER_OPEN)
      become(b, BREAKER_HALF_OPEN, now_us);
    if (b->state == BREAKER_HALF_OPEN) {
      b->leased = true;
      b->leased_us = now_us;
      b->lease_end_us = now_us + lease_us;
      if (++b->lease == 0)
        b->lease = 1;
      return (struct breaker_permit){b->generation + 1, b->lease};
    }
  }
  return (struct breaker_permit){b->generation + 1, 0};
}

/* ---- time ---- */

bool breaker_look(struct breaker *b, int64_t now_us, uint64_t random) {
  bool news = false;
  if (b->hand != BREAKER_BY_ITSELF && now_us >= b->hand_until_us) {
    b->hand = BREAKER_BY_ITSELF;
    news = true;
  }
  if (b->leased && now_us >= b->lease_end_us && b->hand == BREAKER_BY_ITSELF) {
    open_it(b, "a probe did not end in its time", now_us, random);
    news = true;
  }
  return news;
}

int64_t breaker_look_us(const struct breaker *b) {
  int64_t at = b->hand != BREAKER_BY_ITSELF ? b->hand_until_us : INT64_MAX;
  return b->leased && b->lease_end_us < at ? b->lease_end_us : at;
}

/* ---- by a person ---- */

void breaker_force(struct breaker *b, enum breaker_hand hand, int64_t until_us, int64_t now_us) {
  b->hand = hand;
  b->hand_until_us = until_us;
  if (hand == BREAKER_FORCED_CLOSED)
    close_it(b, now_us);
}

void breaker_reset(struct breaker *b, int64_t now_us) {
  b->hand = BREAKER_BY_ITSELF;
  b->step = 0;
  b->reason[0] = '\0';
  close_it(b, now_us);
}

/* ---- over a restart ---- */

/* "1 STATE UNTIL LAST STEP WELL HAND HAND_UNTIL REASON", times in us since the epoch. */
static int64_t to_wall(int64_t at_us, int64_t now_us, int64_t wall_us) {
  return at_us == BREAKER_FOR_EVER ? at_us : at_us - now_us + wall_us;
}

void breaker_write(const struct breaker *b, int64_t now_us, int64_t wall_us, struct buf *out) {
  bool is_new = b->state == BREAKER_CLOSED && b->step == 0 && !breaker_is_forced(b, now_us);
  bool open = b->state == BREAKER_OPEN; /* of a probe's end nobody will know: a new one is due */
  if (is_new)
    return;
  buf_printf(out, "1 %s %" PRId64 " %" PRId64 " %d %" PRId64 " %s %" PRId64 " %s",
             state_words[b->state], to_wall(open ? b->until_us : now_us, now_us, wall_us),
             to_wall(open ? b->last_us : now_us, now_us, wall_us), b->step,
             to_wall(b->well_us, now_us, wall_us), hand_words[b->hand],
             to_wall(b->hand_until_us, now_us, wall_us), b->reason);
}

static int find_word(const char *const *words, int count, const char *word) {
  for (int i = 0; i < count; i++)
    if (strcmp(words[i], word) == 0)
      return i;
  return -1;
}

static int64_t from_wall(int64_t at_us, int64_t least_us, int64_t most_us, int64_t now_us,
                         int64_t wall_us) {
  int64_t left;
  if (at_us == BREAKER_FOR_EVER)
    return at_us;
  if (__builtin_sub_overflow(at_us, wall_us, &left) || left > most_us)
    left = at_us < wall_us ? least_us : most_us;
  return now_us + (left < least_us ? least_us : left);
}

bool breaker_read(struct breaker *b, const char *text, int64_t now_us, int64_t wall_us) {
  char state[16], hand[16];
  int64_t until, last, well, hand_until;
  int step, at = 0;
  *b = (struct breaker){.well_us = now_us};
  if (!*text)
    return true;
  if (sscanf(text, "1 %15s %" SCNd64 " %" SCNd64 " %d %" SCNd64 " %15s %" SCNd64 " %n", state,
             &until, &last, &step, &well, hand, &hand_until, &at) != 7 ||
      at == 0)
    return false;
  int s = find_word(state_words, COUNT(state_words), state);
  int h = find_word(hand_words, COUNT(hand_words), hand);
  if (s < 0 || h < 0 || step < 0 || step > 16)
    return false;
  b->state = s == BREAKER_CLOSED ? BREAKER_CLOSED : BREAKER_OPEN;
  b->step = step;
  b->since_us = now_us;
  b->until_us = from_wall(until, 0, BREAKER_LAST_US, now_us, wall_us);
  b->last_us = from_wall(last, 0, BREAKER_FIRST_US, now_us, wall_us);
  b->well_us = from_wall(well, -BREAKER_LAST_US * 16, 0, now_us, wall_us);
  b->hand = (enum breaker_hand)h;
  b->hand_until_us = from_wall(hand_until, 0, INT64_MAX / 2, now_us, wall_us);
  snprintf(b->reason, sizeof b->reason, "%s", text + at);
  return true;
}

/* ---- of a route ---- */

static struct breaker_candidate *first_to_probe(struct breaker_candidate *list, size_t count,
                                                int64_t now_us) {
  struct breaker_candidate *best = NULL;
  for (size_t i = 0; i < count; i++) {
    struct breaker_candidate *c = &list[i];
    if (!c->able || c->full || c->admitted || c->last || breaker_is_forced(c->breaker, now_us))
      continue;
    if (!best || breaker_reopens_us(c->breaker, true) < breaker_reopens_us(best->breaker, true))
      best = c;
  }
  return best;
}

int64_t breaker_admit_all(struct breaker_candidate *list, size_t count, int stay, int64_t now_us) {
  int64_t next = INT64_MAX;
  int in = 0;
  for (size_t i = 0; i < count; i++) {
    list[i].last = false;
    list[i].admitted = breaker_admits(list[i].breaker, now_us, false);
    in += list[i].able && list[i].admitted;
  }
  for (struct breaker_candidate *c; in < stay && (c = first_to_probe(list, count, now_us)); in++)
    c->last = true;
  for (size_t i = 0; i < count; i++) {
    struct breaker_candidate *c = &list[i];
    if (c->last)
      c->admitted = breaker_admits(c->breaker, now_us, true);
    int64_t at = c->able && !c->admitted ? breaker_reopens_us(c->breaker, c->last) : INT64_MAX;
    if (at < next)
      next = at;
  }
  return next;
}
