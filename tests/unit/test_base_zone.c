/* SPDX-License-Identifier: MIT
 *
 * Our reading of the time zone database against the C library's, which knows one zone at a time.
 */
#include "base/zone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/zone_rule.h"

/* With summer time north and south, none, half hours, midnights that are skipped or shown twice, and
 * a day that never was (Apia, 2011-12-30). */
static const char *const names[] = {"UTC",
                                    "Europe/Berlin",
                                    "America/New_York",
                                    "America/Sao_Paulo",
                                    "America/Havana",
                                    "Asia/Beirut",
                                    "Africa/Cairo",
                                    "Asia/Kathmandu",
                                    "Australia/Lord_Howe",
                                    "Pacific/Apia",
                                    "Africa/Casablanca",
                                    "America/Nuuk",
                                    "Asia/Tehran",
                                    "Pacific/Chatham",
                                    "Etc/GMT+12"};

static struct zone *loaded(const char *name) {
  struct zone *z = NULL;
  struct err err = {0};
  if (zone_load(name, &z, &err) != 0)
    fail_msg("%s", err.text);
  return z;
}

static struct tm local(int64_t at) {
  struct tm tm;
  time_t t = (time_t)at;
  localtime_r(&t, &tm);
  return tm;
}

static void offsets_and_dates_are_those_of_the_c_library(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    struct zone *z = loaded(names[i]);
    setenv("TZ", names[i], 1);
    tzset();
    for (int64_t at = -2200000000; at < 6000000000; at += 99991) {
      struct tm want = local(at);
      struct zone_date have = zone_date(z, at);
      if (zone_offset(z, at) != want.tm_gmtoff || have.year != want.tm_year + 1900 ||
          have.month != want.tm_mon + 1 || have.day != want.tm_mday)
        fail_msg("%s at %lld: %lld, %d-%d-%d", names[i], (long long)at,
                 (long long)zone_offset(z, at), have.year, have.month, have.day);
    }
    assert_string_equal(zone_name(z), names[i]);
    zone_free(z);
  }
}

static void a_month_begins_and_ends_with_its_dates(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    struct zone *z = loaded(names[i]);
    int64_t from = 0, to = 0, before;
    setenv("TZ", names[i], 1);
    tzset();
    zone_month(z, -1000000000, &from, &before);
    for (int64_t at = before; at < 5000000000; at = to) {
      zone_month(z, at, &from, &to);
      assert_int_equal(from, at); /* months follow each other without a gap */
      struct tm first = local(from), last = local(to - 1), earlier = local(from - 1);
      assert_int_equal(first.tm_mon, last.tm_mon);
      assert_int_not_equal(first.tm_mon, earlier.tm_mon);
      assert_in_range(to - from, 27 * 86400, 32 * 86400);
      int64_t middle_from, middle_to;
      zone_month(z, from + (to - from) / 2, &middle_from, &middle_to);
      assert_int_equal(middle_from, from);
      assert_int_equal(middle_to, to);
    }
    zone_free(z);
  }
}

static void known_months(void **state) {
  struct zone *z = loaded("Europe/Berlin");
  int64_t from, to;
  (void)state;
  zone_month(z, 1793145600, &from, &to); /* 2026-10-28: the clock went back on the 25th */
  assert_int_equal(from, 1790805600);    /* 2026-09-30T22:00Z */
  assert_int_equal(to, 1793487600);      /* 2026-10-31T23:00Z */
  assert_int_equal(to - from, 31 * 86400 + 3600);
  assert_int_equal(zone_begin(z, (struct zone_date){2026, 3, 29}), 1774738800);
  assert_int_equal(zone_begin(z, (struct zone_date){2026, 3, 30}) - 1774738800, 23 * 3600);
  assert_int_equal(zone_begin(z, (struct zone_date){2026, 13, 1}),
                   zone_begin(z, (struct zone_date){2027, 1, 1}));
  assert_int_equal(zone_begin(z, (struct zone_date){2026, 3, 0}),
                   zone_begin(z, (struct zone_date){2026, 2, 28}));
  zone_free(z);
}

static void what_is_no_zone_is_refused(void **state) {
  static const char *const bad[] = {"Mars/Olympus",     "",       "/etc/passwd",
                                    "../../etc/passwd", "Europe", "CET-1CEST,M3.5.0,M10.5.0",
                                    "tzdata.zi"};
  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct zone *z = NULL;
    struct err err = {0};
    assert_true(zone_load(bad[i], &z, &err) < 0);
    assert_null(z);
    assert_non_null(strstr(err.text, "time zone"));
  }
}

/* Every file that is cut short, or has a byte changed, is refused or read; nothing else happens. */
static void spoilt_files_do_no_harm(void **state) {
  static char data[1 << 16];
  char folder[] = "/tmp/zonesXXXXXX", path[100];
  FILE *in = fopen("/usr/share/zoneinfo/Europe/Berlin", "rb");
  (void)state;
  assert_non_null(in);
  size_t size = fread(data, 1, sizeof data, in);
  fclose(in);
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/Zone", folder);
  setenv("TZDIR", folder, 1);
  for (size_t i = 0; i < size * 2; i++) {
    FILE *out = fopen(path, "wb");
    size_t cut = i < size ? i : size;
    char kept = data[i % size];
    if (i >= size)
      data[i - size] = (char)(kept ^ 0x5a);
    fwrite(data, 1, cut, out);
    fclose(out);
    data[i % size] = kept;
    struct zone *z = NULL;
    struct err err;
    if (zone_load("Zone", &z, &err) == 0) {
      int64_t from, to;
      zone_month(z, 1793145600, &from, &to);
      zone_free(z);
    }
  }
  unsetenv("TZDIR");
  unlink(path);
  rmdir(folder);
}

static void rules_that_are_none_are_refused(void **state) {
  static const char *const bad[] = {"",
                                    "C-1",
                                    "CET",
                                    "CET-1CEST",
                                    "CET-1CEST,M3.5.0",
                                    "CET-1CEST,M13.5.0,M10.5.0",
                                    "CET-1CEST,M3.6.0,M10.5.0",
                                    "CET-1CEST,J0,J1",
                                    "CET-1CEST,M3.5.0,M10.5.0x",
                                    "<+03-3",
                                    "CET-200"};
  struct zone_rule r;
  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_false(zone_rule_parse(bad[i], &r));
  assert_true(zone_rule_parse("<+0330>-3:30<+0430>,J79/24,J263/24", &r));
  assert_int_equal(r.winter, 12600);
  assert_int_equal(r.summer, 16200);
  assert_true(zone_rule_parse("IST-2IDT,M3.4.4/26,M10.5.0", &r));
}

int main(void) {
  if (access("/usr/share/zoneinfo/Europe/Berlin", R_OK) != 0) {
    puts("skipped: the package tzdata is not installed");
    return 0;
  }
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(offsets_and_dates_are_those_of_the_c_library),
      cmocka_unit_test(a_month_begins_and_ends_with_its_dates),
      cmocka_unit_test(known_months),
      cmocka_unit_test(what_is_no_zone_is_refused),
      cmocka_unit_test(spoilt_files_do_no_harm),
      cmocka_unit_test(rules_that_are_none_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
