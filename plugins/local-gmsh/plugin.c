/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * local-gmsh: surface previews and tetrahedral meshes of CAD files with Gmsh, on this machine.
 * This is what a host sees of it; the work is in mesher.so, which create() loads (mesher.h).
 */
#include "mesher.h"

#include <dlfcn.h>
#include <gmshc.h> /* its version: nothing of it is called here */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct plugin {
  const struct mesher *mesher;
  void *self; /* the mesher's */
};

static const char *const KINDS[] = {"preview", "mesh", NULL};

static const struct lathe_option THREADS = {
    .struct_size = sizeof THREADS,
    .type = LATHE_INT,
    .key = "threads",
    .fallback = "1",
    .range = "1..64",
    .help =
        "Threads of one job; a job's own parameter `threads` takes its place. Above 1 the elements "
        "differ a little from run to run",
};
static const struct lathe_option *const OPTIONS[] = {&THREADS, NULL};

/* The folder of this file, wherever it was installed and by what links it was found; ends with '/'.
 * Empty: it is not known. */
static void own_folder(char folder[PATH_MAX]) {
  Dl_info own;
  char *slash = dladdr(KINDS, &own) && realpath(own.dli_fname, folder) ? strrchr(folder, '/')
                                                                       : NULL;
  if (slash)
    slash[1] = '\0';
  else
    folder[0] = '\0';
}

/* NULL: `error` says why. */
static const struct mesher *load_mesher(char *error, size_t size) {
  char folder[PATH_MAX], path[PATH_MAX + sizeof MESHER_FILE];
  own_folder(folder);
  snprintf(path, sizeof path, "%s" MESHER_FILE, folder);
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  const struct mesher *mesher = library ? dlsym(library, MESHER_SYMBOL) : NULL;
  if (!mesher)
    snprintf(error, size, "%s; it belongs to local-gmsh: install both anew", dlerror());
  return mesher;
}

static int32_t plugin_create(const struct lathe_host *host, void **self) {
  char error[2 * PATH_MAX];
  struct plugin *p = calloc(1, sizeof *p);
  if (!p)
    return LATHE_RETRY_MEM;
  p->mesher = load_mesher(error, sizeof error);
  if (!p->mesher)
    host->error(NULL, error);
  int32_t rc = p->mesher ? p->mesher->create(host, &p->self) : LATHE_PERMANENT;
  if (rc != LATHE_OK)
    free(p);
  else
    *self = p;
  return rc;
}

/* The library stays: Gmsh and OpenCASCADE leave behind what calls into them at exit. */
static void plugin_destroy(void *self) {
  struct plugin *p = self;
  p->mesher->destroy(p->self);
  free(p);
}

static int32_t plugin_run(void *self, struct lathe_job *job, const struct lathe_request *request) {
  const struct plugin *p = self;
  return p->mesher->run(p->self, job, request);
}

static const struct lathe_plugin PLUGIN = {
    LATHE_PLUGIN_INIT,
    .name = "local-gmsh",
    .version = LATHE_VERSION "+gmsh" GMSH_API_VERSION,
    .summary = "Surface previews and tetrahedral meshes of CAD files, with Gmsh on this machine",
    .license = "GPL-2.0-or-later",
    .kinds = KINDS,
    .options = OPTIONS,
    .device = "cpu",
    .isolation = LATHE_FORK,
    .flags = LATHE_REPEATABLE,
    .create = plugin_create,
    .destroy = plugin_destroy,
    .run = plugin_run,
};

const struct lathe_plugin *lathe_plugin_v1(void) {
  return &PLUGIN;
}
