/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * STEP (ISO 10303-21): whole, with a data section, and with numbers that are numbers.
 */
#include "import/sniff_step.h"

#include "base/file_view.h"
#include "import/coordinates.h"
#include "task/task.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int32_t check_frame(struct task *t, struct view v) {
  const char *end = v.data + v.size;
  const char *tail = v.size > 4096 ? end - 4096 : v.data;
  if (!view_find(v.data, end, "DATA;") && !view_find(v.data, end, "DATA(") &&
      !view_find(v.data, end, "DATA "))
    return task_fail(
        t, LATHE_BAD_INPUT,
        "%s is a STEP file without a DATA section: the header is there, the part is not; "
        "export it again and send the whole file",
        t->name);
  if (!view_find(tail, end, "END-ISO-10303-21"))
    return task_fail(
        t, LATHE_BAD_INPUT,
        "%s is cut off: a STEP file ends with END-ISO-10303-21, this one stops at line "
        "%zu; send the whole file",
        t->name, view_line(v, end));
  return LATHE_OK;
}

/* Reads one number of a point; *p is behind it.  NAN: it is none. */
static double sniff_step_number(const char **p, const char *end) {
  char text[64];
  size_t n = 0;
  while (*p < end && (isspace((unsigned char)**p) || **p == '('))
    ++*p;
  while (*p < end && n + 1 < sizeof text && !strchr(",) \t\r\n", **p))
    text[n++] = *(*p)++;
  text[n] = '\0';
  while (*p < end && (isspace((unsigned char)**p) || **p == ','))
    ++*p;
  bool looks = n > 0 && strspn(text, "+-.0123456789eE") == n;
  return looks ? strtod(text, NULL) : NAN;
}

/* Past "CARTESIAN_POINT": ('label',(x,y,z)) */
static bool point_ok(const char *p, const char *end, double *worst) {
  while (p < end && isspace((unsigned char)*p))
    p++;
  if (p == end || *p++ != '(')
    return true; /* a name in a text, not an entity */
  while (p < end && isspace((unsigned char)*p))
    p++;
  if (p < end && *p == '\'') {
    const char *quote = memchr(p + 1, '\'', (size_t)(end - p - 1));
    while (quote && quote + 1 < end && quote[1] == '\'')
      quote = memchr(quote + 2, '\'', (size_t)(end - quote - 2));
    p = quote ? quote + 1 : end;
  }
  while (p < end && (isspace((unsigned char)*p) || *p == ',' || *p == '$'))
    p++;
  if (p == end || *p != '(')
    return true;
  p++;
  for (int i = 0; i < 3 && p < end && *p != ')'; i++) {
    double x = sniff_step_number(&p, end);
    if (!(fabs(x) <= COORDINATE_MAX)) {
      *worst = x;
      return false;
    }
  }
  return true;
}

static int32_t check_points(struct task *t, struct view v) {
  static const char WORD[] = "CARTESIAN_POINT";
  const char *end = v.data + v.size;
  for (const char *p = v.data; (p = view_find(p, end, WORD)) != NULL;) {
    const char *at = p;
    double worst = 0;
    p += sizeof WORD - 1;
    if (point_ok(p, end, &worst))
      continue;
    if (isnan(worst))
      return task_fail(
          t, LATHE_BAD_INPUT,
          "%s has a point with a coordinate that is not a number, in line %zu; export the "
          "part again",
          t->name, view_line(v, at));
    return task_fail(
        t, LATHE_BAD_INPUT,
        "%s has a point at %g in line %zu; coordinates up to %g can be meshed: check the "
        "unit of the export",
        t->name, worst, view_line(v, at), COORDINATE_MAX);
  }
  return LATHE_OK;
}

/* "#12": *p is behind it.  0: no number there. */
static unsigned long reference(const char **p, const char *end) {
  unsigned long n = 0;
  for (++*p; *p < end && isdigit((unsigned char)**p) && n < 1000000000ul; ++*p)
    n = 10 * n + (unsigned long)(**p - '0');
  return n;
}

/* From behind "=" to the end of the entity: does it name itself? */
static bool names_itself(const char **p, const char *end, unsigned long id) {
  while (*p < end && **p != ';') {
    if (**p == '\'') { /* a text, and a doubled quote is two of them */
      const char *quote = memchr(*p + 1, '\'', (size_t)(end - *p - 1));
      *p = quote ? quote + 1 : end;
    } else if (**p != '#') {
      ++*p;
    } else if (reference(p, end) == id) {
      return true;
    }
  }
  return false;
}

/* OpenCASCADE follows an entity that is part of itself until its memory or time is over. */
static int32_t check_references(struct task *t, struct view v) {
  const char *end = v.data + v.size;
  for (const char *p = v.data; (p = memchr(p, '#', (size_t)(end - p))) != NULL;) {
    const char *at = p;
    unsigned long id = reference(&p, end);
    while (p < end && isspace((unsigned char)*p))
      p++;
    if (id && p < end && *p == '=' && names_itself(&p, end, id))
      return task_fail(t, LATHE_BAD_INPUT,
                       "%s is damaged: its entity #%lu, in line %zu, is part of itself; export the "
                       "part again",
                       t->name, id, view_line(v, at));
  }
  return LATHE_OK;
}

size_t step_long_text(struct view v) {
  const char *end = v.data + v.size;
  for (const char *p = v.data; p < end; p++) {
    if (*p == '/' && p + 1 < end && p[1] == '*') {
      p = view_find(p, end, "*/");
      if (!p)
        return 0;
    }
    if (*p != '\'')
      continue;
    const char *from = p;
    do /* a doubled quote is one of the text */
      p = memchr(p + 1, '\'', (size_t)(end - p - 1));
    while (p && p + 1 < end && p[1] == '\'' && ++p);
    if (!p || p - from > STEP_TEXT_MAX)
      return view_line(v, from);
  }
  return 0;
}

int32_t sniff_step(struct task *t, struct view v) {
  int32_t rc = check_frame(t, v);
  if (rc == LATHE_OK)
    rc = check_points(t, v);
  return rc == LATHE_OK ? check_references(t, v) : rc;
}
