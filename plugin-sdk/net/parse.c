/* SPDX-License-Identifier: MIT
 *
 * Values of headers, read strictly: what is not as the RFCs have it is not there.
 */
#include "private.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* 1 to `most` digits; the number, and *text behind it.  -1: no number, or over 18 digits. */
static int64_t digits(const char **text, int most) {
  int64_t n = 0;
  int len = 0;
  while (**text >= '0' && **text <= '9') {
    if (++len > most || len > 18)
      return -1;
    n = n * 10 + (*(*text)++ - '0');
  }
  return len ? n : -1;
}

static int one_of(const char *const *names, int count, const char **text) {
  for (int i = 0; i < count; i++)
    if (!strncmp(*text, names[i], strlen(names[i]))) {
      *text += strlen(names[i]);
      return i;
    }
  return -1;
}

/* Reads by a pattern: w weekday, W its long form, m month, 2 and 4 digits, _ a day with a space or
 * a digit before it; the rest stands for itself. */
static bool date_by(const char *pattern, const char *text, struct tm *tm) {
  static const char *const days[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
  static const char *const long_days[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                          "Friday", "Saturday", "Sunday"};
  static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  int *const place[] = {['d'] = &tm->tm_mday, ['h'] = &tm->tm_hour, ['i'] = &tm->tm_min,
                        ['s'] = &tm->tm_sec,  ['y'] = &tm->tm_year, ['Y'] = &tm->tm_year};
  for (; *pattern; pattern++) {
    const char *before = text;
    int64_t n = 0;
    switch (*pattern) {
    case 'w':
      n = one_of(days, 7, &text);
      break;
    case 'W':
      n = one_of(long_days, 7, &text);
      break;
    case 'm':
      n = tm->tm_mon = one_of(months, 12, &text);
      break;
    case '_':
      text += *text == ' ';
      n = tm->tm_mday = (int)digits(&text, 2);
      if (text - before != 2)
        return false;
      break;
    case 'd':
    case 'h':
    case 'i':
    case 's':
    case 'y':
    case 'Y': {
      int want = *pattern == 'Y' ? 4 : 2;
      n = *place[(unsigned char)*pattern] = (int)digits(&text, want);
      if (text - before != want)
        return false;
      break;
    }
    default:
      n = *text++ == *pattern ? 0 : -1;
    }
    if (n < 0)
      return false;
  }
  return *text == '\0';
}

int64_t net_date(const char *text) {
  static const struct {
    const char *pattern;
    bool short_year;
  } forms[] = {
      {"w, d m Y h:i:s GMT", false}, {"W, d-m-y h:i:s GMT", true}, {"w m _ h:i:s Y", false}};
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
    struct tm tm = {0};
    if (!date_by(forms[i].pattern, text, &tm))
      continue;
    int day = tm.tm_mday;
    if (day < 1 || day > 31 || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
      return -1;
    if (forms[i].short_year)
      tm.tm_year += tm.tm_year < 70 ? 100 : 0;
    else
      tm.tm_year -= 1900;
    time_t at = timegm(&tm);
    return tm.tm_mday == day && at >= 0 ? (int64_t)at : -1; /* no 31 February */
  }
  return -1;
}

int64_t net_retry_after(const char *value, int64_t now_s) {
  enum { HOUR = 3600 };
  const char *p = value;
  int64_t s = digits(&p, 18);
  if (s < 0 || *p) {
    s = net_date(value);
    if (s < 0)
      return -1;
    s = s > now_s ? s - now_s : 0;
  }
  return (s < HOUR ? s : HOUR) * 1000;
}

bool net_content_range(const char *value, int64_t range[3]) {
  static const char ends[] = "-/";
  if (strncasecmp(value, "bytes ", 6) != 0)
    return false;
  const char *p = value + 6;
  p += strspn(p, " ");
  for (int i = 0; i < 3; i++) {
    range[i] = digits(&p, 18);
    if (range[i] < 0 || *p != ends[i])
      return false;
    p += i < 2;
  }
  return range[0] <= range[1] && range[1] < range[2];
}

bool net_is_strong_tag(const char *value) {
  size_t len = strlen(value);
  if (len < 2 || len > 250 || value[0] != '"' || value[len - 1] != '"')
    return false;
  for (size_t i = 1; i < len - 1; i++)
    if (value[i] <= 0x20 || value[i] == 0x7f || value[i] == '"')
      return false;
  return true;
}

const char *lathe_net_escape(const char *text, char *buf, size_t size) {
  size_t at = 0;
  if (!strcmp(text, ".") || !strcmp(text, ".."))
    return NULL;
  for (const char *p = text; *p; p++) {
    unsigned char c = (unsigned char)*p;
    bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                 (c && strchr("-._~", c));
    size_t need = plain ? 1 : 3;
    if (at + need >= size)
      return NULL;
    if (plain)
      buf[at] = (char)c;
    else
      snprintf(buf + at, size - at, "%%%02X", c);
    at += need;
  }
  if (at >= size)
    return NULL;
  buf[at] = '\0';
  return buf;
}
