/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * STL, binary (80 bytes of header, a count, 50 bytes a facet) and text.
 */
#include "import/sniff_stl.h"

#include "base/file_view.h"
#include "import/coordinates.h"
#include "task/task.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HEADER 84
#define FACET  50

static uint32_t facet_count(struct view v) {
  const unsigned char *p = (const unsigned char *)v.data + 80;
  return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

bool view_is_binary_stl(struct view v) {
  return v.size > HEADER && facet_count(v) > 0 &&
         HEADER + (uint64_t)FACET * facet_count(v) == v.size;
}

int32_t sniff_stl_binary(struct task *t, struct view v) {
  uint32_t count = facet_count(v);
  if (HEADER + (uint64_t)FACET * count != v.size)
    return task_fail(
        t, LATHE_BAD_INPUT,
        "%s is not an STL file, or a damaged one: as binary STL it announces %u facets and "
        "has room for %zu; send the whole file",
        t->name, count, (v.size - HEADER) / FACET);
  for (uint32_t i = 0; i < count; i++) {
    float xyz[9];
    memcpy(xyz, v.data + HEADER + (size_t)FACET * i + 12, sizeof xyz);
    for (int k = 0; k < 9; k++)
      if (!(fabsf(xyz[k]) <= (float)COORDINATE_MAX))
        return task_fail(
            t, LATHE_BAD_INPUT,
            "%s: facet %u has a coordinate that is not a number or is above %g; export the "
            "part again",
            t->name, i + 1, COORDINATE_MAX);
  }
  return LATHE_OK;
}

/* Three numbers up to the end of the line. */
static bool three_numbers(const char *p, const char *end) {
  for (int i = 0; i < 3; i++) {
    while (p < end && (*p == ' ' || *p == '\t'))
      p++;
    const char *from = p;
    bool digit = false;
    while (p < end && strchr("+-.0123456789eE", *p) && *p)
      digit |= isdigit((unsigned char)*p++) != 0;
    if (!digit || p - from > 40)
      return false;
    if (p < end && !isspace((unsigned char)*p))
      return false;
    /* Short numbers without an exponent cannot be too large: parsing them all would take longer. */
    size_t len = (size_t)(p - from);
    bool suspect = len > 10 || memchr(from, 'e', len) || memchr(from, 'E', len);
    if (suspect && !(fabs(strtod(from, NULL)) <= COORDINATE_MAX))
      return false;
  }
  return true;
}

static int32_t broken(struct task *t, struct view v, const char *at, const char *what) {
  return task_fail(t, LATHE_BAD_INPUT,
                   "%s is a damaged STL file: %s in line %zu; export the part again", t->name, what,
                   view_line(v, at));
}

int32_t sniff_stl_ascii(struct task *t, struct view v) {
  const char *end = v.data + v.size, *p = v.data;
  size_t vertices = 0, facets = 0;
  while (p < end) {
    const char *eol = memchr(p, '\n', (size_t)(end - p));
    const char *stop = eol ? eol : end, *line = p;
    while (line < stop && (*line == ' ' || *line == '\t'))
      line++;
    size_t len = (size_t)(stop - line);
    if (len >= 6 && memcmp(line, "vertex", 6) == 0) {
      vertices++;
      if (!eol)
        break; /* cut off */
      if (!three_numbers(line + 6, stop))
        return broken(t, v, line, "a vertex without three numbers (up to 1e9)");
    } else if (len >= 8 && memcmp(line, "endfacet", 8) == 0) {
      facets++;
      if (vertices != 3 * facets)
        return broken(t, v, line, "a facet without three corners");
    }
    p = stop + 1;
  }
  if (facets == 0)
    return task_fail(
        t, LATHE_BAD_INPUT,
        "%s begins like an STL file but holds not a single facet; export the part again", t->name);
  const char *tail = v.size > 600 ? end - 600 : v.data;
  if (vertices != 3 * facets || !view_find(tail, end, "endsolid"))
    return task_fail(
        t, LATHE_BAD_INPUT,
        "%s is cut off: an STL file ends with \"endsolid\", this one stops at line %zu; "
        "send the whole file",
        t->name, view_line(v, end));
  return LATHE_OK;
}
