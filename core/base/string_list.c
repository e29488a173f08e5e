/* SPDX-License-Identifier: MIT */
#include "base/string_list.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

size_t string_list_count(const char *const *list) {
  size_t n = 0;
  while (list && list[n])
    n++;
  return n;
}

char **string_list_copy(const char *const *list, size_t count) {
  char **copy = mem_array(count + 1, sizeof *copy);
  for (size_t i = 0; i < count; i++)
    copy[i] = mem_dup(list[i]);
  return copy;
}

void string_list_free(char **list) {
  for (char **p = list; p && *p; p++)
    free(*p);
  free(list);
}

bool string_list_has(const char *const *list, const char *text) {
  for (; list && *list; list++)
    if (strcmp(*list, text) == 0)
      return true;
  return false;
}

bool string_list_equal(const char *const *a, const char *const *b) {
  size_t n = string_list_count(a);
  if (n != string_list_count(b))
    return false;
  for (size_t i = 0; i < n; i++)
    if (strcmp(a[i], b[i]) != 0)
      return false;
  return true;
}
