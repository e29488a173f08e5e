/* SPDX-License-Identifier: MIT */
#include "base/units.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Reads digits with an optional fraction, whatever the locale.  Returns what follows, or NULL. */
static const char *units_number(const char *text, double *value) {
  double v = 0, place = 1;
  const char *p = text;
  for (; isdigit((unsigned char)*p); p++)
    v = v * 10 + (*p - '0');
  if (p == text)
    return NULL;
  if (*p == '.') {
    if (!isdigit((unsigned char)*++p))
      return NULL;
    for (; isdigit((unsigned char)*p); p++)
      v += (*p - '0') * (place /= 10);
  }
  *value = v;
  return p;
}

struct unit {
  const char *name;
  double factor;
};

/* Returns false when the text is not a number with one of these units, or too large. */
static bool units_scaled(const char *text, const struct unit *units, size_t count, int64_t *out) {
  double v = 0;
  const char *rest = units_number(text, &v);
  if (!rest)
    return false;
  while (*rest == ' ')
    rest++;
  for (size_t i = 0; i < count; i++) {
    if (strcasecmp(rest, units[i].name) != 0)
      continue;
    v *= units[i].factor;
    if (v > 9e18)
      return false;
    *out = (int64_t)(v + 0.5);
    return true;
  }
  return false;
}

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

int units_size(const char *text, int64_t *bytes, struct err *err) {
  static const struct unit units[] = {
      {"", 1},
      {"B", 1},
      {"K", 1024},
      {"KB", 1024},
      {"KiB", 1024},
      {"M", 1 << 20},
      {"MB", 1 << 20},
      {"MiB", 1 << 20},
      {"G", 1 << 30},
      {"GB", 1 << 30},
      {"GiB", 1 << 30},
      {"T", 1099511627776.0},
      {"TB", 1099511627776.0},
      {"TiB", 1099511627776.0},
  };
  if (units_scaled(text, units, COUNT(units), bytes))
    return 0;
  return err_set(err, ERR_INVAL, "\"%.40s\" is not a size; write it as 512, 64K, 64M or 1.5G",
                 text);
}

int units_duration(const char *text, int64_t *ms, struct err *err) {
  static const struct unit units[] = {
      {"ms", 1}, {"s", 1000}, {"m", 60000}, {"min", 60000}, {"h", 3600000}, {"d", 86400000},
  };
  if (strcmp(text, "0") == 0) {
    *ms = 0;
    return 0;
  }
  if (units_scaled(text, units, COUNT(units), ms))
    return 0;
  return err_set(err, ERR_INVAL, "\"%.40s\" is not a time; write it as 250ms, 30s, 10m, 2h or 7d",
                 text);
}

int units_share(const char *text, double *share, struct err *err) {
  double v = 0;
  const char *rest = units_number(text, &v);
  if (rest && strcmp(rest, "%") == 0 && v <= 100) {
    *share = v / 100;
    return 0;
  }
  return err_set(err, ERR_INVAL, "\"%.40s\" is not a share; write it as 5%% or 12.5%%", text);
}

int units_bool(const char *text, int *value, struct err *err) {
  static const struct {
    const char *word;
    int value;
  } words[] = {{"yes", 1}, {"no", 0},  {"true", 1}, {"false", 0},
               {"on", 1},  {"off", 0}, {"1", 1},    {"0", 0}};
  for (size_t i = 0; i < COUNT(words); i++)
    if (strcasecmp(text, words[i].word) == 0) {
      *value = words[i].value;
      return 0;
    }
  return err_set(err, ERR_INVAL, "\"%.40s\" is neither yes nor no; write one of them", text);
}

int units_int(const char *text, int64_t *value, struct err *err) {
  char *end;
  errno = 0;
  long long v = strtoll(text, &end, 10);
  if (end == text || *end != '\0' || isspace((unsigned char)*text))
    return err_set(err, ERR_INVAL, "\"%.40s\" is not a whole number; write it as 100", text);
  if (errno == ERANGE)
    return err_set(err, ERR_INVAL, "\"%.40s\" is too large a number", text);
  *value = v;
  return 0;
}
