/* SPDX-License-Identifier: MIT */
#include "base/role.h"

#include "base/nearest_word.h"

#include <string.h>

static const char *const words[] = {"none", "read", "submit", "admin"};
enum { ROLES = sizeof words / sizeof *words };

const char *role_word(enum role role) {
  return words[role];
}

bool role_find(const char *word, enum role *out) {
  for (int i = ROLE_READ; i < ROLES; i++)
    if (strcmp(words[i], word) == 0) {
      *out = (enum role)i;
      return true;
    }
  return false;
}

const char *role_nearest(const char *word) {
  return words_nearest_of(word, words + ROLE_READ, ROLES - ROLE_READ);
}
