/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The unit of length that a STEP or IGES file is written in.  OpenCASCADE turns both into
 * millimetres, so this is for people: "the file is in inches, the numbers here are millimetres".
 */
#include "import/units.h"

#include "base/file_view.h"
#include "task/task.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define UNITS_MAX 64
#define WORD_MAX  24

static const struct {
  const char *word;
  double mm;
} KNOWN[] = {
    {"mm", 1},          {"millimetre", 1},  {"millimeter", 1},
    {"inch", 25.4},     {"in", 25.4},       {"foot", 304.8},
    {"ft", 304.8},      {"yard", 914.4},    {"mile", 1609344},
    {"mi", 1609344},    {"m", 1000},        {"metre", 1000},
    {"meter", 1000},    {"km", 1e6},        {"cm", 10},
    {"centimetre", 10}, {"centimeter", 10}, {"mil", 0.0254},
    {"um", 0.001},      {"micron", 0.001},  {"micrometre", 0.001},
    {"nm", 1e-6},       {"uin", 0.0000254}, {"dm", 100},
};

static void set_unit(struct task *t, const char *word) {
  char lower[WORD_MAX];
  size_t n = 0;
  for (; word[n] && n + 1 < sizeof lower; n++)
    lower[n] = (char)tolower((unsigned char)word[n]);
  lower[n] = '\0';
  for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++)
    if (strcmp(lower, KNOWN[i].word) == 0) {
      snprintf(t->file_unit, sizeof t->file_unit, "%s", lower);
      t->file_unit_mm = KNOWN[i].mm;
    }
}

/* ---- STEP ---- */

struct unit { /* an entity with LENGTH_UNIT */
  long id;
  char word[WORD_MAX];
};

static bool has(const char *from, const char *end, const char *word) {
  return view_find(from, end, word) != NULL;
}

/* 'INCH' of CONVERSION_BASED_UNIT('INCH',#7); .MILLI. and .METRE. of SI_UNIT. */
static bool read_unit(const char *from, const char *end, struct unit *u) {
  static const struct {
    const char *prefix, *word;
  } SI[] = {{".MILLI.", "mm"}, {".CENTI.", "cm"}, {".DECI.", "dm"},
            {".MICRO.", "um"}, {".NANO.", "nm"},  {".KILO.", "km"}};
  const char *name = view_find(from, end, "CONVERSION_BASED_UNIT");
  const char *quote = name ? memchr(name, '\'', (size_t)(end - name)) : NULL;
  u->id = atol(from + 1);
  if (quote) {
    size_t n = 0;
    for (quote++; quote < end && *quote != '\'' && n + 1 < WORD_MAX; quote++)
      u->word[n++] = *quote;
    u->word[n] = '\0';
    return true;
  }
  if (!has(from, end, "SI_UNIT"))
    return false;
  snprintf(u->word, WORD_MAX, "m");
  for (size_t i = 0; i < sizeof SI / sizeof *SI; i++)
    if (has(from, end, SI[i].prefix))
      snprintf(u->word, WORD_MAX, "%s", SI[i].word);
  return true;
}

/* "#12 = (...);" around `at`.  False: it does not look like an entity. */
static bool entity_around(struct view v, const char *at, const char **from, const char **end) {
  const char *low = at - v.data > 400 ? at - 400 : v.data, *high = v.data + v.size;
  const char *semicolon = memrchr(low, ';', (size_t)(at - low));
  *end = memchr(at, ';', (size_t)(high - at) < 400 ? (size_t)(high - at) : 400);
  *from = semicolon ? memchr(semicolon, '#', (size_t)(at - semicolon)) : NULL;
  return *from && *end;
}

static size_t find_units(struct view v, struct unit units[UNITS_MAX]) {
  const char *end = v.data + v.size, *from, *to;
  size_t n = 0;
  for (const char *p = v.data; n < UNITS_MAX && (p = view_find(p, end, "LENGTH_UNIT")); p++)
    if (entity_around(v, p, &from, &to) && read_unit(from, to, &units[n]))
      n++;
  return n;
}

/* The unit that a shape's context names; other units in the file only define it. */
static const char *unit_in_use(struct view v, const struct unit *units, size_t n) {
  const char *end = v.data + v.size;
  for (const char *p = v.data; (p = view_find(p, end, "GLOBAL_UNIT_ASSIGNED_CONTEXT")); p++) {
    const char *to = memchr(p, ')', (size_t)(end - p));
    for (const char *ref = p; to && (ref = memchr(ref, '#', (size_t)(to - ref))); ref++)
      for (size_t i = 0; i < n; i++)
        if (atol(ref + 1) == units[i].id)
          return units[i].word;
  }
  return n == 1 ? units[0].word : NULL;
}

static void step_unit(struct task *t, struct view v) {
  struct unit units[UNITS_MAX];
  const char *word = unit_in_use(v, units, find_units(v, units));
  if (word)
    set_unit(t, word);
}

/* ---- IGES ---- */

/* The columns of the global section, one after the other. */
static size_t global_text(struct view v, char *text, size_t size) {
  size_t n = 0;
  for (const char *line = v.data, *end = v.data + v.size; line + 73 <= end;) {
    const char *next = memchr(line, '\n', (size_t)(end - line));
    if (line[72] == 'G' && n + 72 < size) {
      memcpy(text + n, line, 72);
      n += 72;
    }
    if (line[72] == 'D' || !next)
      break;
    line = next + 1;
  }
  text[n] = '\0';
  return n;
}

/* Copies field `index` (from 0); texts are "4HINCH", and may hold commas. */
static bool global_field(const char *text, size_t len, int index, char *field, size_t size) {
  size_t at = 0;
  for (int i = 0; at < len; i++) {
    while (at < len && text[at] == ' ') /* a card's last columns */
      at++;
    size_t n = 0, digits = at;
    while (digits < len && isdigit((unsigned char)text[digits]))
      digits++;
    size_t skip = digits > at && digits < len && text[digits] == 'H'
                      ? digits + 1 - at + strtoul(text + at, NULL, 10)
                      : 0;
    size_t end = at + skip < len ? at + skip : len;
    while (end < len && text[end] != ',' && text[end] != ';')
      end++;
    for (size_t k = skip ? digits + 1 : at; i == index && k < end && n + 1 < size; k++)
      if (!isspace((unsigned char)text[k]))
        field[n++] = text[k];
    field[n] = '\0';
    if (i == index)
      return true;
    if (end >= len || text[end] == ';')
      return false;
    at = end + 1;
  }
  return false;
}

static void iges_unit(struct task *t, struct view v) {
  static const char *const FLAGS[] = {"",  "inch", "mm",  "",       "ft", "mi",
                                      "m", "km",   "mil", "micron", "cm", "uin"};
  char text[4096], field[WORD_MAX];
  size_t len = global_text(v, text, sizeof text);
  if (!global_field(text, len, 13, field, sizeof field))
    return;
  int flag = atoi(field);
  if (flag >= 1 && flag < (int)(sizeof FLAGS / sizeof *FLAGS) && FLAGS[flag][0])
    set_unit(t, FLAGS[flag]);
  else if (global_field(text, len, 14, field, sizeof field))
    set_unit(t, field);
}

void sniff_unit(struct task *t, struct view v) {
  if (t->format == FORMAT_STEP)
    step_unit(t, v);
  else if (t->format == FORMAT_IGES)
    iges_unit(t, v);
}
