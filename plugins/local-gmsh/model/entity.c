/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/entity.h"

#include <gmshc.h>
#include <string.h>

double entity_mass(int dim, int tag) {
  double mass = 0;
  int e = 0;
  gmshModelOccGetMass(dim, tag, &mass, &e);
  return e ? 0 : mass;
}

bool entity_is(int dim, int tag, const char *type) {
  char *found = NULL;
  int e = 0;
  gmshModelGetType(dim, tag, &found, &e);
  bool is = e == 0 && found && strcmp(found, type) == 0;
  gmshFree(found);
  return is;
}

bool entity_is_among(const int *tags, size_t count, int tag) {
  for (size_t i = 0; i < count; i++)
    if (tags[i] == tag)
      return true;
  return false;
}
