/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The libraries of CGNS and HDF5 bring thirty others along, a quarter of the time in which a worker
 * starts: they are loaded by the job that wants them.
 */
#include "writer_module.h"

#include "files.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_SIZE 16

/* Anything of this file's library, to know where it lies. */
static const char HERE = 0;

/* By the module of this name, beside mesher.so. */
static bool write_by(const char *module, const struct export *x, const char *path) {
  char folder[PATH_MAX], file[PATH_MAX + NAME_SIZE];
  Dl_info own;
  char *slash = dladdr(&HERE, &own) && realpath(own.dli_fname, folder) ? strrchr(folder, '/')
                                                                       : NULL;
  if (!slash)
    return false;
  slash[1] = '\0';
  snprintf(file, sizeof file, "%s%s", folder, module);
  void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
  module_writer *const *write = library ? dlsym(library, WRITER_SYMBOL) : NULL;
  return write && (*write)(x, path);
}

bool cgns_write(const struct export *x, const char *path) {
  return write_by("cgns.so", x, path);
}

bool med_write(const struct export *x, const char *path) {
  return write_by("med.so", x, path);
}
