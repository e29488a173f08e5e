/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * gmsh-bare: the yardstick for local-gmsh's overhead.
 *
 *   gmsh-bare preview|mesh FILE COUNT
 *       the same import, options, meshing and writing by plain in-process calls, COUNT times after
 *       one that is not counted; prints {"milliseconds": [...], "triangles": N, "tetrahedra": N}
 *   gmsh-bare --plugin PLUGIN.so [--out DIR] [--repeat N] [--attempt N] [--quiet] [--here]
 *             KIND FILE [key=value...]
 *       the plugin's own job without a daemon, in a fork each (--here: in this process); prints one
 *       JSON object a job
 */
#include "host.h"
#include "sizes/size_options.h"

#include <gmshc.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void set(const char *name, double value) {
  int e = 0;
  gmshOptionSetNumber(name, value, &e);
}

static bool begins(const char *path, const char *text) {
  char head[64] = "";
  FILE *f = fopen(path, "r");
  if (f && fgets(head, sizeof head, f) == NULL)
    head[0] = '\0';
  if (f)
    fclose(f);
  return strncmp(head, text, strlen(text)) == 0;
}

static const char *format_of(const char *path) {
  return begins(path, "ISO-10303") ? "step"
         : begins(path, "DBRep")   ? "brep"
         : begins(path, "solid")   ? "stl"
                                   : "iges";
}

static size_t count_of(int type) {
  size_t *tags = NULL, *nodes = NULL, n = 0, m = 0;
  int e = 0;
  gmshModelMeshGetElementsByType(type, &tags, &n, &nodes, &m, -1, 0, 1, &e);
  gmshFree(tags);
  gmshFree(nodes);
  return n;
}

/* Import, 1D, 2D, for a mesh also 3D and optimise, and Gmsh's own writer. */
static double once(const char *path, const char *format, bool solid, const char *out) {
  int e = 0, *tags = NULL;
  size_t n = 0;
  double b[6] = {0}, sum = 0, began = now_ms();
  if (strcmp(format, "stl") == 0) {
    gmshMerge(path, &e);
  } else {
    gmshModelOccImportShapes(path, &tags, &n, solid, format, &e);
    gmshFree(tags);
    gmshModelOccSynchronize(&e);
  }
  gmshModelGetBoundingBox(-1, -1, &b[0], &b[1], &b[2], &b[3], &b[4], &b[5], &e);
  for (int i = 0; i < 3; i++)
    sum += (b[i + 3] - b[i]) * (b[i + 3] - b[i]);
  set("Mesh.MeshSizeMax", sqrt(sum) / (solid ? 25 : 15));
  if (!solid)
    size_options_loosen_planes();
  for (int dim = 1; dim <= (solid ? 3 : 2) && strcmp(format, "stl") != 0; dim++)
    gmshModelMeshGenerate(dim, &e);
  if (solid)
    gmshModelMeshOptimize("", 0, 1, NULL, 0, &e);
  gmshWrite(out, &e);
  double ms = now_ms() - began;
  return ms;
}

static int bare(const char *kind, const char *path, int count) {
  const char *format = format_of(path);
  bool solid = strcmp(kind, "mesh") == 0;
  char out[4096];
  int e = 0;
  size_t triangles = 0, tets = 0;
  snprintf(out, sizeof out, "%s/gmsh-bare-%d.msh", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp",
           (int)getpid());
#ifdef GMSH_INITIALIZE_HAS_RUN
  gmshInitialize(0, NULL, 0, 0, &e);
#else
  gmshInitialize(0, NULL, 0, &e);
#endif
  set("General.NumThreads", 1);
  set("General.AbortOnError", 0);
  set("General.Terminal", 0);
  set("Mesh.Algorithm", solid ? 6 : 5);
  set("Mesh.Smoothing", solid);
  set("Mesh.Algorithm3D", 1);
  set("Mesh.MinimumCirclePoints", 12);
  set("Mesh.LcIntegrationPrecision", SIZE_OPTIONS_EDGE_PRECISION);
  set("Mesh.Optimize", 0);
  set("Mesh.Binary", 1);
  set("Mesh.MshFileVersion", 4.1);
  printf("{\"kind\":\"%s\",\"milliseconds\":[", kind);
  for (int i = 0; i <= count; i++) {
    double ms = once(path, format, solid, out);
    if (i)
      printf("%s%.3f", i > 1 ? "," : "", ms);
    triangles = count_of(2);
    tets = count_of(4);
    gmshClear(&e);
  }
  printf("],\"triangles\":%zu,\"tetrahedra\":%zu}\n", triangles, tets);
  unlink(out);
  return triangles ? 0 : 1;
}

static int usage(void) {
  fprintf(stderr, "gmsh-bare preview|mesh FILE COUNT\n"
                  "gmsh-bare --plugin PLUGIN.so [--out DIR] [--repeat N] [--attempt N] [--quiet] "
                  "[--here] KIND FILE [key=value...]\n");
  return 2;
}

int main(int argc, char **argv) {
  struct bare_job job = {.repeat = 1, .attempt = 1};
  int i = 1;
  for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
    if (strcmp(argv[i], "--quiet") == 0 || strcmp(argv[i], "--here") == 0) {
      *(argv[i][2] == 'q' ? &job.quiet : &job.here) = 1;
      continue;
    }
    if (i + 1 >= argc)
      return usage();
    const char *value = argv[++i];
    if (strcmp(argv[i - 1], "--plugin") == 0)
      job.plugin = value;
    else if (strcmp(argv[i - 1], "--out") == 0)
      job.out = value;
    else if (strcmp(argv[i - 1], "--repeat") == 0)
      job.repeat = atoi(value);
    else if (strcmp(argv[i - 1], "--attempt") == 0)
      job.attempt = atoi(value);
    else
      return usage();
  }
  if (argc - i < 2)
    return usage();
  if (!job.plugin)
    return argc - i == 3 ? bare(argv[i], argv[i + 1], atoi(argv[i + 2])) : usage();
  job.kind = argv[i];
  job.input = argv[i + 1];
  job.params = argv + i + 2;
  job.param_count = (size_t)(argc - i - 2);
  return host_run(&job) == 0 ? 0 : 1;
}
