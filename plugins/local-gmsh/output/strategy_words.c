/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "output/strategy_words.h"

#include "base/out.h"

#include <string.h>

struct words {
  const char *name, *says;
};

/* The strategies of search/strategies.c. */
static const struct words RUNGS[] = {
    {"as asked", "as the job asks"},
    {"faces one by one", "each face alone, by the CAD kernel or else by Gmsh"},
    {"nearer", "half of the distance from the CAD that was asked for"},
    {"remeshed facets", "the faces of the STL meshed anew"},
    {"no curvature", "without the smaller elements on curved faces that were asked for"},
    {"Delaunay faces", "the faces by Delaunay's algorithm"},
    {"frontal faces", "the faces by the frontal algorithm"},
    {"MeshAdapt faces", "the faces by MeshAdapt, the most robust algorithm"},
    {"24 edges a turn", "at least 24 edges around each circle"},
    {"48 edges a turn", "at least 48 edges around each circle"},
    {"96 edges a turn", "at least 96 edges around each circle"},
    {"facets", "the triangles of the STL"},
    {"facets as they are", "the triangles of the STL as the faces"},
    {"nearer than walls", "nearer to curved faces than a third of the thinnest wall"},
    {"finer", "half of the size that was asked for"},
    {"triangles", "without the quadrangles that were asked for"},
    {"facets of the CAD kernel", "the triangles of the CAD kernel as the faces"},
    {"finer facets of the CAD kernel", "smaller triangles of the CAD kernel as the faces"},
    {"healed", "after repairs of the CAD (small edges and faces, gaps)"},
};

/* The parts of plan.c's names. */
static const struct words FACES[] = {
    {"frontal", "faces by the frontal algorithm"},
    {"delaunay", "faces by Delaunay's algorithm"},
    {"meshadapt", "faces by MeshAdapt"},
    {"facets", "the triangles of the STL as the faces"},
    {"rounder", "frontal faces with at least 24 edges around each circle"},
    {"roundest", "frontal faces with at least 60 edges around each circle"},
    {"curved", "frontal faces with 12 elements a turn on curved faces"},
    {"flat", "frontal faces without smaller elements on curved faces"},
    {"finer", "frontal faces of half of the size"},
    {"kernel", "the triangles of the CAD kernel as the faces"},
    {"healed", "frontal faces after repairs of the CAD"},
};
static const struct words FILLS[] = {{"delaunay", "tetrahedra by Delaunay's algorithm"},
                                     {"hxt", "tetrahedra by HXT"}};
static const struct words FINISHES[] = {
    {"", "improved once"}, {"raw", "as they were filled"}, {"polished", "improved three times"}};

static const char *strategy_words_find(const struct words *table, size_t count, const char *name,
                                       size_t len) {
  for (size_t i = 0; i < count; i++)
    if (strlen(table[i].name) == len && strncmp(table[i].name, name, len) == 0)
      return table[i].says;
  return NULL;
}
#define FIND(table, name, len)                                                                     \
  strategy_words_find(table, sizeof(table) / sizeof *(table), name, len)

void strategy_words(struct out *o, const char *name) {
  size_t first = strcspn(name, "-");
  const char *rest = name[first] ? name + first + 1 : "";
  size_t second = strcspn(rest, "-");
  const char *last = rest[second] ? rest + second + 1 : "";
  const char *strategy = FIND(RUNGS, name, strlen(name)), *faces = FIND(FACES, name, first);
  const char *fill = FIND(FILLS, rest, second), *finish = FIND(FINISHES, last, strlen(last));
  if (strategy || !faces || !fill || !finish)
    out_text(o, strategy ? strategy : name);
  else
    out_printf(o, "%s, %s, %s", faces, fill, finish);
}
