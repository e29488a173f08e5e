/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sizes/size_options.h"

#include <gmshc.h>
#include <stddef.h>
#include <string.h>

void size_options_loosen_planes(void) {
  int *tags = NULL, e = 0;
  size_t n = 0;
  gmshModelGetEntities(&tags, &n, 2, &e);
  for (size_t i = 0; e == 0 && i < n; i += 2) {
    char *type = NULL;
    gmshModelGetType(2, tags[i + 1], &type, &e);
    if (e == 0 && strcmp(type, "Plane") == 0)
      gmshModelMeshSetSizeFromBoundary(2, tags[i + 1], 0, &e);
    gmshFree(type);
  }
  gmshFree(tags);
}
