/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/module.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Anything of this file's library, to know where it lies. */
static const char HERE = 0;

void *module_symbol(const char *file, const char *symbol) {
  char folder[PATH_MAX], path[PATH_MAX + 64];
  Dl_info own;
  char *slash = dladdr(&HERE, &own) && realpath(own.dli_fname, folder) ? strrchr(folder, '/')
                                                                       : NULL;
  if (!slash)
    return NULL;
  slash[1] = '\0';
  snprintf(path, sizeof path, "%s%.60s", folder, file);
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  return library ? dlsym(library, symbol) : NULL;
}
