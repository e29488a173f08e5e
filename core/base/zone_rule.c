/* SPDX-License-Identifier: MIT */
#include "base/zone_rule.h"

#include <stddef.h>
#include <string.h>

enum { DAY = 86400 };

/* ---- dates of the Gregorian calendar ---- */

static int64_t floor_div(int64_t a, int64_t b) {
  return a / b - (a % b < 0);
}

int64_t zone_days_of(int64_t year, int64_t month, int64_t day) {
  year += floor_div(month - 1, 12);
  month = month - 1 - floor_div(month - 1, 12) * 12 + 1;
  int64_t y = month > 2 ? year : year - 1; /* years that end with February */
  int64_t era = floor_div(y, 400), of_era = y - era * 400;
  int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* ---- the text ---- */

static bool take(const char **p, char c) {
  if (**p != c)
    return false;
  (*p)++;
  return true;
}

static bool take_number(const char **p, int most, int *out) {
  int v = 0;
  size_t n = strspn(*p, "0123456789");
  if (n == 0 || n > 4)
    return false;
  while (n-- > 0)
    v = v * 10 + *(*p)++ - '0';
  *out = v;
  return v <= most;
}

/* "CET" or "<+03>" */
static bool take_name(const char **p) {
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  bool quoted = take(p, '<');
  size_t n = quoted ? strcspn(*p, ">") : strspn(*p, letters);
  *p += n;
  return n >= 3 && (!quoted || take(p, '>'));
}

/* "[+-]hh[:mm[:ss]]" as seconds. */
static bool take_time(const char **p, int32_t *out) {
  int sign = take(p, '-') ? -1 : 1, h = 0, m = 0, s = 0;
  if (sign > 0)
    take(p, '+');
  if (!take_number(p, 167, &h) ||
      (take(p, ':') && (!take_number(p, 59, &m) || (take(p, ':') && !take_number(p, 59, &s)))))
    return false;
  *out = sign * (h * 3600 + m * 60 + s);
  return true;
}

static bool take_day(const char **p, struct zone_rule_day *d) {
  *d = (struct zone_rule_day){.form = RULE_DAY, .time = 2 * 3600};
  if (take(p, 'M')) {
    d->form = RULE_MONTH;
    if (!take_number(p, 12, &d->month) || d->month < 1 || !take(p, '.') ||
        !take_number(p, 5, &d->week) || d->week < 1 || !take(p, '.') || !take_number(p, 6, &d->day))
      return false;
  } else {
    if (take(p, 'J'))
      d->form = RULE_JULIAN;
    if (!take_number(p, 365, &d->day) || (d->form == RULE_JULIAN && d->day < 1))
      return false;
  }
  return !take(p, '/') || take_time(p, &d->time);
}

bool zone_rule_parse(const char *text, struct zone_rule *out) {
  const char *p = text;
  int32_t west;
  *out = (struct zone_rule){0};
  if (!take_name(&p) || !take_time(&p, &west))
    return false;
  out->winter = -west;
  if (*p == '\0')
    return true;
  out->changes = true;
  out->summer = out->winter + 3600;
  if (!take_name(&p))
    return false;
  if (*p != ',') {
    if (!take_time(&p, &west))
      return false;
    out->summer = -west;
  }
  return take(&p, ',') && take_day(&p, &out->begin) && take(&p, ',') && take_day(&p, &out->end) &&
         *p == '\0';
}

/* ---- the offset ---- */

static int64_t year_of(int64_t local) {
  int64_t days = local / DAY - (local % DAY < 0), year = 1970 + days / 366;
  if (days < 0)
    year = 1970 + days / 365 - 1;
  while (zone_days_of(year + 1, 1, 1) <= days)
    year++;
  return year;
}

static int64_t day_in(const struct zone_rule_day *d, int64_t year) {
  int64_t first = zone_days_of(year, 1, 1);
  bool leap = zone_days_of(year, 3, 1) - zone_days_of(year, 2, 1) == 29;
  if (d->form == RULE_DAY)
    return first + d->day;
  if (d->form == RULE_JULIAN)
    return first + d->day - 1 + (leap && d->day >= 60);
  int64_t start = zone_days_of(year, d->month, 1), next = zone_days_of(year, d->month + 1, 1);
  int64_t weekday = ((start + 4) % 7 + 7) % 7; /* 1970-01-01 was a Thursday */
  int64_t day = start + (d->day - weekday + 7) % 7 + (d->week - 1) * 7;
  return day < next ? day : day - 7;
}

int64_t zone_rule_offset(const struct zone_rule *r, int64_t at) {
  if (!r->changes)
    return r->winter;
  int64_t year = year_of(at + r->winter);
  int64_t begin = day_in(&r->begin, year) * DAY + r->begin.time - r->winter;
  int64_t end = day_in(&r->end, year) * DAY + r->end.time - r->summer;
  /* South of the equator summer goes over the turn of the year. */
  bool summer = begin < end ? at >= begin && at < end : at >= begin || at < end;
  return summer ? r->summer : r->winter;
}
