/* SPDX-License-Identifier: MIT
 *
 * Blobs of requests that are not accepted yet: nobody removes them meanwhile.  A refused request leaves no file behind: the last
 * request that held a blob removes it, if one of them had brought it and no job names it.  Whoever
 * sends the same content meanwhile touches the file, and storage keeps what was touched later.
 */
#include "api/internal.h"
#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct hold {
  char sha256[SHA256_HEX_SIZE];
  struct api *api;
  int users;
  bool made_here, refused;
  int64_t held_us;
};

bool hold_is_held(void *api, const char *sha256) {
  struct api *a = api;
  return map_get(&a->holds, sha256) != NULL;
}

void hold_blob(struct api *a, const char *sha256) {
  struct hold *h = map_get(&a->holds, sha256);
  if (!h) {
    h = mem_alloc(sizeof *h);
    h->api = a;
    memcpy(h->sha256, sha256, SHA256_HEX_SIZE);
    map_put(&a->holds, h->sha256, h);
  }
  h->users++;
  h->held_us = clock_stamp_us();
}

static void on_unused(void *arg, int code, const char *const *unused, size_t n) {
  struct hold *h = arg;
  if (code == 0 && n == 1)
    storage_remove_blobs(h->api->at.storage, unused, 1, h->held_us, NULL, NULL);
  free(h);
}

void hold_release(struct api *a, const char *sha256, bool made_here, bool refused) {
  struct hold *h = map_get(&a->holds, sha256);
  h->made_here |= made_here;
  h->refused |= refused;
  if (--h->users > 0)
    return;
  map_remove(&a->holds, h->sha256);
  if (!h->made_here || !h->refused) {
    free(h);
    return;
  }
  const char *digest = h->sha256;
  store_unused_blobs(a->at.store, &digest, 1, on_unused, h);
}
