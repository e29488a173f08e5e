/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Gmsh says in its log what its return codes keep quiet about.  The first error decides; known ones
 * are explained, and the face, edge or solid they name is located.
 */
#include "task/log.h"

#include "task/outcome.h"

#include <gmshc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CUT                                                                                        \
  "triangles of two faces cut or touch each other: they are too large for a thin wall or a gap "   \
  "there, or the faces themselves overlap"

static const struct explanation {
  const char *says, *means;
  enum reason reason; /* 0: REASON_LOG */
} EXPLANATIONS[] = {
    {"overlapping facets", CUT, REASON_OVERLAP},
    {"Invalid boundary mesh", CUT, REASON_OVERLAP},
    {"self-intersecting", CUT, REASON_OVERLAP},
    {"PLC Error", CUT, REASON_OVERLAP},
    {"1D mesh not watertight", "edges of a face do not meet: the CAD has a gap there", REASON_NONE},
    {"Impossible to recover", "an edge or face could not be kept in the mesh", REASON_NONE},
    {"Could not recover", "an edge or face could not be kept in the mesh", REASON_NONE},
    {"Could not read", "the CAD kernel cannot read it", REASON_NONE},
    {"Could not merge", "the file cannot be read", REASON_NONE},
    {"No elements in volume", "a solid stayed empty", REASON_NONE},
    {"Unable to recover", "an edge or face could not be kept in the mesh", REASON_NONE},
    {"periodic", "a closed face could not be unrolled", REASON_NONE},
    {"No facets found", "it holds no facets", REASON_NONE},
    {"I'm busy", "the mesher was left in an unusable state by what went before", REASON_NONE},
};

void log_begin(void) {
  static bool started; /* Gmsh warns when a logger is stopped that was not started */
  int e = 0;
  if (started)
    gmshLoggerStop(&e);
  gmshLoggerStart(&e);
  started = true;
}

/* The text of an error; NULL where the line is none. */
static const char *error_in(const char *line) {
  if (strncmp(line, "Error", 5) != 0 && strncmp(line, "Fatal", 5) != 0)
    return strstr(line, "I'm busy");
  const char *colon = strchr(line, ':');
  return colon ? colon + 1 + (colon[1] == ' ') : line;
}

static bool says_where(const char *text) {
  return strstr(text, "intersection (") || strstr(text, " surface ") || strstr(text, " curve ");
}

/* The first, or the first that says where if the very first does not. */
void log_first_error(char *text, size_t size) {
  char **lines = NULL;
  size_t count = 0;
  int e = 0;
  text[0] = '\0';
  gmshLoggerGet(&lines, &count, &e);
  for (size_t i = 0; e == 0 && i < count; i++) {
    const char *error = error_in(lines[i]);
    if (error && (!text[0] || (says_where(error) && !says_where(text))))
      snprintf(text, size, "%s", error);
    gmshFree(lines[i]);
  }
  gmshFree(lines);
}

/* Where the entity lies that a message names; nothing is written if it names none. */
static void locate(const char *text, char *where, size_t size) {
  static const struct {
    const char *word, *ours;
    int dim;
  } ENTITIES[] = {{"surface", "face", 2}, {"curve", "edge", 1}, {"volume", "solid", 3}};
  where[0] = '\0';
  for (size_t i = 0; i < 3; i++) {
    const char *at = strstr(text, ENTITIES[i].word);
    int tag = at ? atoi(at + strlen(ENTITIES[i].word)) : 0, e = 0;
    double a[3], b[3];
    if (tag <= 0)
      continue;
    gmshModelGetBoundingBox(ENTITIES[i].dim, tag, &a[0], &a[1], &a[2], &b[0], &b[1], &b[2], &e);
    if (e == 0)
      snprintf(where, size, ", at %s %d near (%.6g, %.6g, %.6g)", ENTITIES[i].ours, tag,
               (a[0] + b[0]) / 2, (a[1] + b[1]) / 2, (a[2] + b[2]) / 2);
    return;
  }
}

bool log_check(struct outcome *o) {
  char text[300], where[120];
  log_first_error(text, sizeof text);
  if (!text[0])
    return true;
  locate(text, where, sizeof where);
  for (size_t i = 0; i < sizeof EXPLANATIONS / sizeof *EXPLANATIONS; i++)
    if (strstr(text, EXPLANATIONS[i].says))
      return outcome_fail(o, EXPLANATIONS[i].reason ? EXPLANATIONS[i].reason : REASON_LOG,
                          "%s%s (Gmsh: %s)", EXPLANATIONS[i].means, where, text);
  return outcome_fail(o, REASON_LOG, "Gmsh reported: %s%s", text, where);
}
