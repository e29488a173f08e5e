/* SPDX-License-Identifier: MIT
 *
 * A file of the database (RFC 9636) has the changes of the offset up to some year, and a rule in
 * POSIX's words for the time after them.
 */
#include "base/zone.h"

#include "base/mem.h"
#include "base/zone_rule.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = 1 << 20, HEADER = 44, DAY = 86400, OFFSET_MAX = 26 * 3600 };

struct change { /* from `at` on the clock is so far east */
  int64_t at;
  int32_t offset;
};

struct zone {
  char *name;
  int32_t first; /* before the first change */
  struct change *changes;
  size_t count;
  bool has_rule; /* after the last change */
  struct zone_rule rule;
};

static int64_t floor_div(int64_t a, int64_t b) {
  return a / b - (a % b < 0);
}

/* Of days since 1970-01-01. */
static struct zone_date date_of(int64_t days) {
  days += 719468;
  int64_t era = floor_div(days, 146097), of_era = days - era * 146097;
  int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
  int64_t m = (5 * of_year + 2) / 153;
  int64_t month = m < 10 ? m + 3 : m - 9;
  return (struct zone_date){.year = (int)(year + era * 400 + (month <= 2)),
                            .month = (int)month,
                            .day = (int)(of_year - (153 * m + 2) / 5 + 1)};
}

/* ---- the file ---- */

static int64_t number(const unsigned char *p, int bytes) {
  uint64_t v = p[0] & 0x80 ? ~UINT64_C(0) : 0;
  for (int i = 0; i < bytes; i++)
    v = v << 8 | p[i];
  return (int64_t)v;
}

struct block { /* a header, and the sizes of what follows it */
  int64_t isut, isstd, leap, times, types, chars;
};

static bool read_header(const unsigned char *p, const unsigned char *end, struct block *b) {
  if (end - p < HEADER || memcmp(p, "TZif", 4) != 0)
    return false;
  int64_t *const into[] = {&b->isut, &b->isstd, &b->leap, &b->times, &b->types, &b->chars};
  for (size_t i = 0; i < 6; i++) {
    *into[i] = number(p + 20 + i * 4, 4);
    if (*into[i] < 0 || *into[i] > FILE_MAX)
      return false;
  }
  return true;
}

static int64_t block_size(const struct block *b, int width) {
  return b->times * (width + 1) + b->types * 6 + b->chars + b->leap * (width + 4) + b->isstd +
         b->isut;
}

/* Of the body behind a header, whose times have `width` bytes. */
static bool read_changes(struct zone *z, const unsigned char *p, const struct block *b, int width) {
  const unsigned char *types = p + b->times * width, *infos = types + b->times;
  if (b->types < 1)
    return false;
  z->first = (int32_t)number(infos, 4);
  z->changes = mem_array((size_t)b->times + 1, sizeof *z->changes);
  for (int64_t i = 0; i < b->times; i++) {
    int64_t offset = types[i] < b->types ? number(infos + types[i] * 6, 4) : OFFSET_MAX + 1;
    struct change c = {.at = number(p + i * width, width), .offset = (int32_t)offset};
    if (offset > OFFSET_MAX || offset < -OFFSET_MAX ||
        (z->count > 0 && c.at <= z->changes[z->count - 1].at))
      return false;
    z->changes[z->count++] = c;
  }
  return true;
}

static bool parse(struct zone *z, const unsigned char *p, size_t size) {
  const unsigned char *end = p + size;
  struct block b;
  if (!read_header(p, end, &b))
    return false;
  int version = p[4], width = 4;
  if (version >= '2') { /* the whole once more, with wider times */
    int64_t first = HEADER + block_size(&b, 4);
    if (first > end - p || !read_header(p + first, end, &b))
      return false;
    p += first;
    width = 8;
  }
  int64_t body = HEADER + block_size(&b, width);
  if (body > end - p || !read_changes(z, p + HEADER, &b, width))
    return false;
  p += body;
  const unsigned char *stop = width == 8 && p < end && *p == '\n'
                                  ? memchr(p + 1, '\n', (size_t)(end - p - 1))
                                  : NULL;
  if (!stop || stop == p + 1)
    return width == 4 || stop;
  char *rule = mem_dup_n((const char *)p + 1, (size_t)(stop - p - 1));
  z->has_rule = zone_rule_parse(rule, &z->rule);
  free(rule);
  return z->has_rule;
}

static unsigned char *read_file(const char *path, size_t *size) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat st;
  unsigned char *data = NULL;
  if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= FILE_MAX) {
    data = mem_array((size_t)st.st_size + 1, 1);
    ssize_t n = read(fd, data, (size_t)st.st_size);
    *size = n > 0 ? (size_t)n : 0;
  }
  if (fd >= 0)
    close(fd);
  return data;
}

static bool is_name(const char *name) {
  static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/";
  return *name && *name != '/' && name[strspn(name, set)] == '\0' && strlen(name) < 100;
}

int zone_load(const char *name, struct zone **out, struct err *err) {
  struct zone *z = mem_alloc(sizeof *z);
  const char *folder = getenv("TZDIR");
  size_t size = 0;
  int code = 0;
  z->name = mem_dup(name);
  if (strcmp(name, "UTC") == 0) {
    *out = z;
    return 0;
  }
  char *path = mem_printf("%s/%s", folder && *folder ? folder : "/usr/share/zoneinfo", name);
  unsigned char *data = is_name(name) ? read_file(path, &size) : NULL;
  if (!data)
    code =
        err_set(err, ERR_NOT_FOUND,
                "there is no time zone \"%.80s\" (%.200s); write a name as Europe/Berlin, or UTC; "
                "the package tzdata has them",
                name, path);
  else if (!parse(z, data, size))
    code = err_set(err, ERR_INVAL, "%.200s is not a file of the time zone database", path);
  free(data);
  free(path);
  if (code == 0)
    *out = z;
  else
    zone_free(z);
  return code;
}

void zone_free(struct zone *z) {
  if (!z)
    return;
  free(z->name);
  free(z->changes);
  free(z);
}

const char *zone_name(const struct zone *z) {
  return z->name;
}

/* ---- questions ---- */

int64_t zone_offset(const struct zone *z, int64_t at) {
  size_t low = 0, high = z->count; /* the first change after `at` */
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (z->changes[middle].at <= at)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == z->count && z->has_rule)
    return zone_rule_offset(&z->rule, at);
  return low > 0 ? z->changes[low - 1].offset : z->first;
}

struct zone_date zone_date(const struct zone *z, int64_t at) {
  return date_of(floor_div(at + zone_offset(z, at), DAY));
}

/* The first moment at which the clock there shows `local` or later: before the change of an evening
 * on which it shows an hour twice, and the change itself where it skips that hour. */
static int64_t first_moment(const struct zone *z, int64_t local) {
  int64_t before = zone_offset(z, local - 2 * DAY), after = zone_offset(z, local + 2 * DAY);
  if (zone_offset(z, local - before) == before)
    return local - before;
  if (zone_offset(z, local - after) == after)
    return local - after;
  int64_t low = local - OFFSET_MAX, high = local + OFFSET_MAX; /* shows less; shows no less */
  while (high - low > 1) {
    int64_t middle = low + (high - low) / 2;
    if (middle + zone_offset(z, middle) >= local)
      high = middle;
    else
      low = middle;
  }
  return high;
}

int64_t zone_begin(const struct zone *z, struct zone_date day) {
  return first_moment(z, zone_days_of(day.year, day.month, day.day) * DAY);
}

void zone_month(const struct zone *z, int64_t at, int64_t *from, int64_t *to) {
  struct zone_date d = zone_date(z, at);
  *from = zone_begin(z, (struct zone_date){d.year, d.month, 1});
  *to = zone_begin(z, (struct zone_date){d.year, d.month + 1, 1});
}
