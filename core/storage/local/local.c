/* SPDX-License-Identifier: MIT
 *
 * The local folder as a backend; path.c says where an object lies.
 */
#include "base/mem.h"
#include "storage/local/private.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void local_close(struct backend *b) {
  struct local *l = (struct local *)b;
  syncers_free(&l->syncers);
  pthread_mutex_destroy(&l->blob_lock);
  if (l->outputs)
    closedir(l->outputs);
  free(l);
}

static const struct backend_ops local_ops = {
    .name = "local",
    .close = local_close,
    .put = local_put,
    .stat = local_stat,
    .get = local_get,
    .wait_get = local_wait_get,
    .remove = local_remove,
    .list = local_list,
};

struct backend *backend_local_open(struct storage *s) {
  struct local *l = mem_alloc(sizeof *l);
  l->base.ops = &local_ops;
  l->s = s;
  pthread_mutex_init(&l->blob_lock, NULL);
  syncers_init(&l->syncers);
  return &l->base;
}
