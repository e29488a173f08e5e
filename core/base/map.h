/* SPDX-License-Identifier: MIT
 *
 * A hash map from strings to pointers.  Keys are not copied: they must outlive
 * their entry (usually they lie inside the value).  Hashing is keyed with a
 * random seed per process, so that clients cannot choose collisions.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stddef.h>

struct map {
  struct map_slot *slots;
  size_t count, cap, used;
};

void map_free(struct map *m);
void *map_get(const struct map *m, const char *key); /* NULL when absent */
/* Returns the value that was there before, or NULL. */
void *map_put(struct map *m, const char *key, void *value);
void *map_remove(struct map *m, const char *key); /* returns the removed value or NULL */
/* Walks all entries: start with *pos = 0; returns NULL at the end.  The map must
 * not be changed meanwhile, but for removing the entry just returned. */
void *map_next(const struct map *m, size_t *pos);

#endif
