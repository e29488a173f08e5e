/* SPDX-License-Identifier: MIT
 *
 * The breaker of a backend, by a clock that the test turns.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "routing/breaker.h"

#include "base/backoff.h"

#include <stdio.h>
#include <string.h>

#define SECOND INT64_C(1000000)
#define LEASE  (60 * SECOND)

static struct breaker b;
static int64_t now;
static uint64_t dice;

static int setup(void **state) {
  (void)state;
  b = (struct breaker){0};
  now = 1000 * SECOND;
  dice = 88172645463325252U;
  return 0;
}

static bool end(struct breaker_permit permit, enum breaker_outcome outcome) {
  return breaker_end(&b, permit, outcome, "connection refused", now, random_next(&dice));
}

static struct breaker_permit take(void) {
  assert_true(breaker_admits(&b, now, false));
  return breaker_take(&b, now, LEASE);
}

/* A job from its start to its end. */
static bool job(enum breaker_outcome outcome) {
  return end(breaker_take(&b, now, LEASE), outcome);
}

static void failures(int times) {
  for (int i = 0; i < times; i++)
    job(BREAKER_FAILURE);
}

static void open_it(void) {
  failures(BREAKER_IN_A_ROW);
  assert_int_equal(b.state, BREAKER_OPEN);
}

static void half_open(void) {
  open_it();
  now = b.until_us;
  assert_int_equal(breaker_state_at(&b, now), BREAKER_HALF_OPEN);
}

/* ---- what opens it ---- */

static void test_five_in_a_row(void **state) {
  (void)state;
  failures(4);
  job(BREAKER_SUCCESS); /* and from the start again */
  failures(4);
  job(BREAKER_NEUTRAL); /* says nothing: it neither counts nor breaks the row */
  assert_int_equal(b.state, BREAKER_CLOSED);
  assert_true(job(BREAKER_FAILURE));
  assert_int_equal(b.state, BREAKER_OPEN);
  assert_false(breaker_admits(&b, now, false));
  assert_string_equal(b.reason, "connection refused");
  assert_int_equal(b.openings, 1);
}

/* 10 of 20 within a minute, never five in a row. */
static void test_share_of_the_window(void **state) {
  (void)state;
  for (int i = 0; i < 19; i++)
    job(i % 2 ? BREAKER_FAILURE : BREAKER_SUCCESS);
  assert_int_equal(b.state, BREAKER_CLOSED); /* 9 of 19 */
  assert_true(job(BREAKER_FAILURE));
  assert_int_equal(b.state, BREAKER_OPEN);
}

static void test_share_below_half(void **state) {
  (void)state;
  for (int i = 0; i < 1000; i++) {
    job(i % 20 < 9 ? i % 2 ? BREAKER_FAILURE : BREAKER_SUCCESS : BREAKER_SUCCESS);
    job(i % 20 < 9 ? BREAKER_SUCCESS : BREAKER_FAILURE);
    if (b.state == BREAKER_OPEN)
      break;
    job(BREAKER_SUCCESS);
  }
  assert_int_equal(b.state, BREAKER_CLOSED);
}

static void test_window_forgets(void **state) {
  (void)state;
  for (int i = 0; i < 18; i++)
    job(i % 2 ? BREAKER_FAILURE : BREAKER_SUCCESS);
  now += 60 * SECOND; /* ten buckets later */
  job(BREAKER_FAILURE);
  job(BREAKER_FAILURE);
  assert_int_equal(b.state, BREAKER_CLOSED);
}

static void test_neutral_never_counts(void **state) {
  (void)state;
  for (int i = 0; i < 1000; i++)
    assert_false(job(BREAKER_NEUTRAL));
  assert_int_equal(b.state, BREAKER_CLOSED);
  struct breaker_bucket none[BREAKER_BUCKETS] = {0};
  assert_memory_equal(b.window, none, sizeof none);
}

/* Every attempt reports to its own backend. */
static void test_two_backends_one_job(void **state) {
  (void)state;
  struct breaker other = {0};
  struct breaker_permit p = breaker_take(&b, now, LEASE), q = breaker_take(&other, now, LEASE);
  breaker_end(&b, p, BREAKER_FAILURE, "", now, 1);
  breaker_end(&other, q, BREAKER_FAILURE, "", now, 1);
  assert_int_equal(b.in_a_row, 1);
  assert_int_equal(other.in_a_row, 1);
}

/* ---- asking, and the permit ---- */

static void test_asking_takes_nothing(void **state) {
  (void)state;
  half_open();
  struct breaker before = b;
  for (int i = 0; i < 100; i++)
    assert_true(breaker_admits(&b, now, false));
  assert_memory_equal(&before, &b, sizeof b);
  take();
  assert_false(breaker_admits(&b, now, false));
}

/* ---- half-open ---- */

static void test_three_successes_close(void **state) {
  (void)state;
  half_open();
  for (int i = 0; i < BREAKER_PROBES; i++) {
    assert_int_not_equal(breaker_state_at(&b, now), BREAKER_CLOSED);
    struct breaker_permit p = take();
    assert_false(breaker_admits(&b, now, false)); /* one at a time */
    assert_int_equal(end(p, BREAKER_SUCCESS), i == BREAKER_PROBES - 1);
  }
  assert_int_equal(b.state, BREAKER_CLOSED);
}

/* One failure, no minimum of samples. */
static void test_one_failure_reopens(void **state) {
  (void)state;
  half_open();
  end(take(), BREAKER_SUCCESS);
  end(take(), BREAKER_SUCCESS);
  assert_true(end(take(), BREAKER_FAILURE));
  assert_int_equal(b.state, BREAKER_OPEN);
}

/* Cancelled, bad input, out of time: any end frees the probe's place. */
static void test_neutral_probe_frees(void **state) {
  (void)state;
  half_open();
  for (int i = 0; i < 50; i++)
    assert_false(end(take(), BREAKER_NEUTRAL));
  assert_int_equal(b.state, BREAKER_HALF_OPEN);
  for (int i = 0; i < BREAKER_PROBES; i++)
    end(take(), BREAKER_SUCCESS);
  assert_int_equal(b.state, BREAKER_CLOSED);
}

static void test_lost_probe_is_a_failure(void **state) {
  (void)state;
  half_open();
  struct breaker_permit lost = take();
  assert_int_equal(breaker_look_us(&b), now + LEASE);
  now += LEASE - 1;
  assert_false(breaker_look(&b, now, 1));
  now++;
  assert_true(breaker_look(&b, now, 1));
  assert_int_equal(b.state, BREAKER_OPEN);
  /* It comes after all, into the next half-open time: it does not count there, and frees nothing. */
  now = b.until_us;
  take();
  assert_false(end(lost, BREAKER_SUCCESS));
  assert_false(breaker_admits(&b, now, false));
  assert_int_equal(b.in_a_row, 0);
  assert_false(end(lost, BREAKER_FAILURE));
  assert_int_equal(b.state, BREAKER_HALF_OPEN);
}

static void test_old_results_do_not_decide(void **state) {
  (void)state;
  struct breaker_permit old[10];
  for (int i = 0; i < 10; i++)
    old[i] = take();
  half_open();
  struct breaker_permit probe = take();
  for (int i = 0; i < 10; i++)
    assert_false(end(old[i], i % 2 ? BREAKER_FAILURE : BREAKER_SUCCESS));
  assert_int_equal(b.state, BREAKER_HALF_OPEN);
  assert_false(breaker_admits(&b, now, false)); /* the probe's place is the probe's */
  end(probe, BREAKER_SUCCESS);
  assert_true(breaker_admits(&b, now, false));
  /* Nor do those of an earlier life of the daemon, which have no permit. */
  assert_false(end((struct breaker_permit){0}, BREAKER_FAILURE));
  assert_int_equal(b.state, BREAKER_HALF_OPEN);
}

static void test_counters_are_zeroed(void **state) {
  (void)state;
  half_open();
  for (int i = 0; i < BREAKER_PROBES; i++)
    end(take(), BREAKER_SUCCESS);
  assert_int_equal(b.in_a_row, 0);
  failures(4); /* the five before have gone */
  assert_int_equal(b.state, BREAKER_CLOSED);
  failures(1);
  assert_int_equal(b.state, BREAKER_OPEN);
  assert_int_equal(b.in_a_row, 0);
}

/* ---- how long ---- */

static void test_open_time_doubles(void **state) {
  (void)state;
  int64_t longest = BREAKER_FIRST_US;
  bool apart = false;
  half_open();
  for (int i = 0; i < 12; i++) {
    int64_t open = b.until_us - b.since_us;
    assert_true(open >= longest / 2 && open <= longest); /* equal jitter */
    apart |= open != longest && open != longest / 2;
    longest = longest * 2 < BREAKER_LAST_US ? longest * 2 : BREAKER_LAST_US;
    now = b.until_us;
    end(take(), BREAKER_FAILURE);
    assert_int_equal(b.state, BREAKER_OPEN);
  }
  assert_true(apart);
  assert_int_equal(longest, BREAKER_LAST_US);
}

/* Jobs that it had fail one after the other: not shorter, and not doubled. */
static void test_open_until_is_the_later(void **state) {
  (void)state;
  struct breaker_permit old = take();
  open_it();
  int64_t until = b.until_us;
  assert_false(end(old, BREAKER_FAILURE));
  assert_true(b.until_us >= until);
  int step = b.step;
  for (int i = 0; i < 100; i++) {
    now += SECOND / 100;
    until = b.until_us;
    end(old, BREAKER_FAILURE);
    assert_true(b.until_us >= until && b.until_us <= now + BREAKER_FIRST_US);
  }
  assert_int_equal(b.step, step);
  assert_int_equal(b.openings, 1);
}

static void reopen(int times) {
  for (int i = 0; i < times; i++) {
    now = b.until_us;
    end(take(), BREAKER_FAILURE);
  }
}

static void close_it(void) {
  now = b.until_us;
  for (int i = 0; i < BREAKER_PROBES; i++)
    end(take(), BREAKER_SUCCESS);
  assert_int_equal(b.state, BREAKER_CLOSED);
}

static void test_open_time_decays(void **state) {
  (void)state;
  open_it();
  reopen(3);
  close_it();
  assert_int_equal(b.step, 4);
  now += 80 * SECOND + 40 * SECOND; /* the open times of steps 4 and 3 */
  open_it();
  int64_t open = b.until_us - b.since_us;
  assert_true(open >= 10 * SECOND && open <= 20 * SECOND);
  /* After a long time that it was well it is as the first time. */
  close_it();
  now += 3600 * SECOND;
  open_it();
  open = b.until_us - b.since_us;
  assert_true(open <= BREAKER_FIRST_US);
}

/* ---- by hand ---- */

static void test_forced(void **state) {
  (void)state;
  breaker_force(&b, BREAKER_FORCED_OPEN, now + 10 * SECOND, now);
  assert_int_equal(breaker_state_at(&b, now), BREAKER_OPEN);
  assert_false(breaker_admits(&b, now, false));
  assert_false(breaker_admits(&b, now, true)); /* the last one too: a person said so */
  assert_int_equal(breaker_look_us(&b), now + 10 * SECOND);
  now += 10 * SECOND;
  assert_true(breaker_admits(&b, now, false));
  assert_true(breaker_look(&b, now, 1));
  assert_int_equal(breaker_state_at(&b, now), BREAKER_CLOSED);

  open_it();
  breaker_force(&b, BREAKER_FORCED_CLOSED, now + 10 * SECOND, now);
  failures(50);
  assert_int_equal(breaker_state_at(&b, now), BREAKER_CLOSED);
  now += 10 * SECOND;
  breaker_look(&b, now, 1);
  failures(1); /* the fifty count from here on */
  assert_int_equal(b.state, BREAKER_OPEN);

  breaker_force(&b, BREAKER_FORCED_OPEN, BREAKER_FOR_EVER, now);
  now += 100000 * SECOND;
  assert_false(breaker_look(&b, now, 1));
  assert_false(breaker_admits(&b, now, true));
  breaker_reset(&b, now);
  assert_true(breaker_admits(&b, now, false));
  assert_int_equal(b.step, 0);
}

/* ---- over a restart ---- */

static const char *written(int64_t wall) {
  static struct buf text;
  buf_clear(&text);
  buf_puts(&text, "");
  breaker_write(&b, now, wall, &text);
  return text.data ? text.data : "";
}

static void test_restart(void **state) {
  (void)state;
  const int64_t wall = INT64_C(1790000000) * SECOND;
  char text[512];
  assert_string_equal(written(wall), "");
  failures(4);
  assert_string_equal(written(wall), ""); /* nothing to keep */
  failures(1);
  b.until_us = now + 30 * SECOND;
  snprintf(text, sizeof text, "%s", written(wall));
  /* 29 of the 30 s later, by another monotonic clock */
  now = 7 * SECOND;
  assert_true(breaker_read(&b, text, now, wall + 29 * SECOND));
  assert_int_equal(b.state, BREAKER_OPEN);
  assert_int_equal(b.until_us, now + SECOND);
  assert_false(breaker_admits(&b, now, false));
  assert_int_equal(b.step, 1);
  assert_string_equal(b.reason, "connection refused");
  assert_true(breaker_admits(&b, now + SECOND, false));
  /* what is past is dropped; a wall clock that was set back does not keep it open for days */
  assert_true(breaker_read(&b, text, now, wall + 86400 * SECOND));
  assert_true(breaker_admits(&b, now, false));
  assert_true(breaker_read(&b, text, now, wall - 86400 * SECOND));
  assert_int_equal(b.until_us, now + BREAKER_LAST_US);
}

static void test_restart_while_half_open(void **state) {
  (void)state;
  char text[512];
  half_open();
  take();
  snprintf(text, sizeof text, "%s", written(50 * SECOND));
  assert_true(breaker_read(&b, text, now, 51 * SECOND));
  assert_true(breaker_admits(&b, now, false)); /* nobody will tell of that probe: a new one */
  take();
  assert_false(breaker_admits(&b, now, false));
}

static void test_restart_while_forced(void **state) {
  (void)state;
  char text[512];
  breaker_force(&b, BREAKER_FORCED_OPEN, now + 10 * SECOND, now);
  snprintf(text, sizeof text, "%s", written(50 * SECOND));
  assert_true(breaker_read(&b, text, now, 55 * SECOND));
  assert_int_equal(b.hand_until_us, now + 5 * SECOND);
  assert_false(breaker_admits(&b, now, false));
  breaker_force(&b, BREAKER_FORCED_CLOSED, BREAKER_FOR_EVER, now);
  snprintf(text, sizeof text, "%s", written(50 * SECOND));
  assert_true(breaker_read(&b, text, 0, 1));
  assert_int_equal(b.hand, BREAKER_FORCED_CLOSED);
  assert_int_equal(b.hand_until_us, BREAKER_FOR_EVER);
}

static void test_bad_text(void **state) {
  (void)state;
  static const char *const bad[] = {"1",
                                    "2 open 1 1 1 1 itself 1 x",
                                    "1 ajar 1 1 1 1 itself 1 x",
                                    "1 open 1 1 1 1 nobody 1 x",
                                    "1 open 1 1 -1 1 itself 1 x",
                                    "1 open 1 1 99 1 itself 1 x",
                                    "1 open one 1 1 1 itself 1 x",
                                    "{}"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_false(breaker_read(&b, bad[i], now, now));
    assert_int_equal(b.state, BREAKER_CLOSED);
    assert_true(breaker_admits(&b, now, false));
  }
  const char *far = "1 open 9223372036854775807 -9223372036854775808 1 -9223372036854775808 itself "
                    "-9223372036854775808 ";
  assert_true(breaker_read(&b, far, now, now));
}

/* ---- of a route ---- */

static struct breaker many[3];

static void open_first(size_t count) {
  setup(NULL);
  open_it();
  reopen(4);
  for (size_t i = 0; i < 3; i++)
    many[i] = i < count ? b : (struct breaker){0};
  many[0].last_us += SECOND; /* another one is the first to be asked */
}

static size_t admitted(size_t count, int stay, int64_t at, int64_t *next) {
  struct breaker_candidate list[3];
  size_t n = 0;
  for (size_t i = 0; i < count; i++)
    list[i] = (struct breaker_candidate){.breaker = &many[i], .able = true};
  int64_t again = breaker_admit_all(list, count, stay, at);
  for (size_t i = 0; i < count; i++)
    n += list[i].admitted;
  if (next)
    *next = again;
  return n;
}

/* Of routes of 1, 2 and 3 backends, all of them dead: one is asked again after the first pause,
 * though its own would be longer. */
static void test_one_stays(void **state) {
  (void)state;
  for (size_t n = 1; n <= 3; n++) {
    int64_t next = 0;
    open_first(n);
    assert_int_equal(admitted(n, 1, now, &next), 0);
    assert_true(next > now && next <= now + BREAKER_FIRST_US + SECOND);
    assert_int_equal(admitted(n, 1, next, NULL), 1);
    assert_int_equal(admitted(n, 0, next, &next), 0); /* min_backends = 0 */
    assert_true(next > now + BREAKER_FIRST_US);
  }
}

/* Others do the jobs: those that are open stay out for their whole time. */
static void test_ejected_where_others_are(void **state) {
  (void)state;
  int64_t next = 0;
  open_first(2);
  assert_int_equal(admitted(3, 1, now + BREAKER_FIRST_US, &next), 1);
  assert_true(next > now + BREAKER_FIRST_US && next < INT64_MAX);
  assert_int_equal(admitted(3, 2, now + BREAKER_FIRST_US, NULL), 2); /* two are to stay */
  open_first(0);
  assert_int_equal(admitted(3, 1, now, &next), 3);
  assert_int_equal(next, INT64_MAX);
}

/* One that is not ready does not count as one that stays. */
static void test_not_able(void **state) {
  (void)state;
  open_first(1);
  struct breaker_candidate list[2] = {{.breaker = &many[0], .able = true},
                                      {.breaker = &many[1], .able = false}};
  breaker_admit_all(list, 2, 1, now + BREAKER_FIRST_US);
  assert_true(list[0].last && list[0].admitted);
}

/* The last one's probe is a long job: another one goes beside it in a while. */
static void test_last_with_a_long_probe(void **state) {
  (void)state;
  half_open();
  struct breaker_permit first = take();
  assert_false(breaker_admits(&b, now, true));
  now += BREAKER_FIRST_US;
  assert_false(breaker_admits(&b, now, false));
  assert_true(breaker_admits(&b, now, true));
  struct breaker_permit second = breaker_take(&b, now, LEASE);
  end(first, BREAKER_SUCCESS); /* counts, and does not free the second one's place */
  assert_int_equal(b.in_a_row, 1);
  assert_false(breaker_admits(&b, now, false));
  end(second, BREAKER_SUCCESS);
  assert_true(breaker_admits(&b, now, false));
}

/* ---- anything at any time ---- */

static void test_random_walk(void **state) {
  (void)state;
  struct breaker_permit permits[8] = {{0, 0}};
  bool held[8] = {0};
  for (int i = 0; i < 200000; i++) {
    uint64_t r = random_next(&dice);
    size_t at = r % 8;
    now += (int64_t)(r >> 20) % (2 * SECOND);
    breaker_look(&b, now, r);
    if (!held[at] && breaker_admits(&b, now, r & 64)) {
      permits[at] = breaker_take(&b, now, LEASE);
      held[at] = true;
    } else if (held[at] && r & 128) {
      end(permits[at], (enum breaker_outcome)(r >> 8 & 3) % 3);
      held[at] = false;
    }
    /* It is never shut for good: */
    int64_t free_us = now + BREAKER_LAST_US + LEASE;
    struct breaker later = b;
    breaker_look(&later, free_us, 1);
    assert_true(breaker_admits(&later, free_us + BREAKER_LAST_US, false));
    assert_true(b.step >= 0 && b.until_us <= now + BREAKER_LAST_US);
    assert_true(b.last_us <= now + BREAKER_FIRST_US);
  }
}

int main(void) {
  static const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(test_five_in_a_row, setup),
      cmocka_unit_test_setup(test_share_of_the_window, setup),
      cmocka_unit_test_setup(test_share_below_half, setup),
      cmocka_unit_test_setup(test_window_forgets, setup),
      cmocka_unit_test_setup(test_neutral_never_counts, setup),
      cmocka_unit_test_setup(test_two_backends_one_job, setup),
      cmocka_unit_test_setup(test_asking_takes_nothing, setup),
      cmocka_unit_test_setup(test_three_successes_close, setup),
      cmocka_unit_test_setup(test_one_failure_reopens, setup),
      cmocka_unit_test_setup(test_neutral_probe_frees, setup),
      cmocka_unit_test_setup(test_lost_probe_is_a_failure, setup),
      cmocka_unit_test_setup(test_old_results_do_not_decide, setup),
      cmocka_unit_test_setup(test_counters_are_zeroed, setup),
      cmocka_unit_test_setup(test_open_time_doubles, setup),
      cmocka_unit_test_setup(test_open_until_is_the_later, setup),
      cmocka_unit_test_setup(test_open_time_decays, setup),
      cmocka_unit_test_setup(test_forced, setup),
      cmocka_unit_test_setup(test_restart, setup),
      cmocka_unit_test_setup(test_restart_while_half_open, setup),
      cmocka_unit_test_setup(test_restart_while_forced, setup),
      cmocka_unit_test_setup(test_bad_text, setup),
      cmocka_unit_test_setup(test_one_stays, setup),
      cmocka_unit_test_setup(test_ejected_where_others_are, setup),
      cmocka_unit_test_setup(test_not_able, setup),
      cmocka_unit_test_setup(test_last_with_a_long_probe, setup),
      cmocka_unit_test_setup(test_random_walk, setup),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
