/* SPDX-License-Identifier: MIT
 *
 * Open addressing with linear probing.  `used` counts entries and graves: a removed entry leaves a
 * grave, so that a walk may remove what it just got, and graves go when the table is built anew.
 */
#include "base/map.h"

#include "base/fatal.h"
#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct map_slot {
  const char *key; /* NULL: never used since the last rebuild; `grave`: removed */
  void *value;
  uint64_t hash;
};

static const char grave[1];

static uint64_t map_seed[2]; /* chosen before main(), constant after */

__attribute__((constructor)) static void map_choose_seed(void) {
  if (getrandom(map_seed, sizeof(map_seed), 0) != (ssize_t)sizeof(map_seed))
    fatal("getrandom: %s; the process ends", strerror(errno));
}

/* SipHash-1-3 (Aumasson and Bernstein), as hash tables of several languages use it. */
#define ROTATE(x, n) (((x) << (n)) | ((x) >> (64 - (n))))

static inline void map_sip_round(uint64_t v[4]) {
  v[0] += v[1];
  v[2] += v[3];
  v[1] = ROTATE(v[1], 13) ^ v[0];
  v[3] = ROTATE(v[3], 16) ^ v[2];
  v[0] = ROTATE(v[0], 32) + v[3];
  v[2] += v[1];
  v[1] = ROTATE(v[1], 17) ^ v[2];
  v[3] = ROTATE(v[3], 21) ^ v[0];
  v[2] = ROTATE(v[2], 32);
}

static uint64_t map_hash(const char *key) {
  uint64_t v[4] = {map_seed[0] ^ 0x736f6d6570736575u, map_seed[1] ^ 0x646f72616e646f6du,
                   map_seed[0] ^ 0x6c7967656e657261u, map_seed[1] ^ 0x7465646279746573u};
  size_t len = strlen(key), left = len;
  for (; left >= 8; key += 8, left -= 8) {
    uint64_t word;
    memcpy(&word, key, 8);
    v[3] ^= word;
    map_sip_round(v);
    v[0] ^= word;
  }
  uint64_t last = 0;
  memcpy(&last, key, left);
  last |= (uint64_t)len << 56;
  v[3] ^= last;
  map_sip_round(v);
  v[0] ^= last;
  v[2] ^= 0xff;
  for (int i = 0; i < 3; i++)
    map_sip_round(v);
  return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void map_free(struct map *m) {
  free(m->slots);
  *m = (struct map){0};
}

static struct map_slot *map_find(const struct map *m, const char *key) {
  if (m->count == 0)
    return NULL;
  uint64_t hash = map_hash(key);
  for (size_t i = hash & (m->cap - 1); m->slots[i].key; i = (i + 1) & (m->cap - 1)) {
    struct map_slot *s = &m->slots[i];
    if (s->hash == hash && s->key != grave && strcmp(s->key, key) == 0)
      return s;
  }
  return NULL;
}

void *map_get(const struct map *m, const char *key) {
  struct map_slot *s = map_find(m, key);
  return s ? s->value : NULL;
}

static void map_insert(struct map *m, struct map_slot entry) {
  size_t i = entry.hash & (m->cap - 1);
  while (m->slots[i].key)
    i = (i + 1) & (m->cap - 1);
  m->slots[i] = entry;
  m->used++;
}

static void map_rebuild(struct map *m) {
  struct map old = *m;
  m->cap = 8;
  while (m->cap < (old.count + 1) * 2)
    m->cap *= 2;
  m->slots = mem_array(m->cap, sizeof(*m->slots));
  m->used = 0;
  for (size_t i = 0; i < old.cap; i++)
    if (old.slots[i].key && old.slots[i].key != grave)
      map_insert(m, old.slots[i]);
  free(old.slots);
}

void *map_put(struct map *m, const char *key, void *value) {
  assert(key && value); /* NULL is how map_get says that there is none */
  struct map_slot *s = map_find(m, key);
  if (s) {
    void *before = s->value;
    s->key = key; /* the old one may lie in the old value */
    s->value = value;
    return before;
  }
  if (m->used + 1 > m->cap / 4 * 3)
    map_rebuild(m);
  map_insert(m, (struct map_slot){.key = key, .value = value, .hash = map_hash(key)});
  m->count++;
  return NULL;
}

void *map_remove(struct map *m, const char *key) {
  struct map_slot *s = map_find(m, key);
  if (!s)
    return NULL;
  void *value = s->value;
  *s = (struct map_slot){.key = grave};
  m->count--;
  /* A grave that no probe has to cross is free at once, and so are those before it. */
  size_t i = (size_t)(s - m->slots), mask = m->cap - 1;
  if (!m->slots[(i + 1) & mask].key)
    for (; m->slots[i].key == grave; i = (i - 1) & mask) {
      m->slots[i].key = NULL;
      m->used--;
    }
  return value;
}

void *map_next(const struct map *m, size_t *pos) {
  while (*pos < m->cap) {
    const struct map_slot *s = &m->slots[(*pos)++];
    if (s->key && s->key != grave)
      return s->value;
  }
  return NULL;
}
