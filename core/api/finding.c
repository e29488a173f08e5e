/* SPDX-License-Identifier: MIT */
#include "api/finding.h"

#include "base/mem.h"

#include <stdlib.h>

static bool is_sought(const struct input *x) {
  return x->sha256[0] && !x->held;
}

static size_t count_sought(const struct finding *f) {
  size_t n = 0;
  for (size_t i = 0; i < f->count; i++)
    for (size_t k = 0; k < f->lists[i].count; k++)
      n += is_sought(&f->lists[i].list[k]);
  return n;
}

static void on_found(void *arg, const struct storage_found *found, size_t count) {
  struct finding *f = arg;
  f->call->api->pieces--;
  for (size_t i = 0; i < count; i++) {
    f->sought[i]->bytes = found[i].bytes;
    f->sought[i]->lost = found[i].code;
  }
  free(f->sought);
  f->sought = NULL;
  f->done(f->arg);
}

void finding_start(struct finding *f) {
  struct api *a = f->call->api;
  size_t total = count_sought(f), n = 0;
  if (total == 0) {
    f->done(f->arg);
    return;
  }
  const char **names = mem_array(total, sizeof *names);
  f->sought = mem_array(total, sizeof *f->sought);
  for (size_t i = 0; i < f->count; i++)
    for (size_t k = 0; k < f->lists[i].count; k++) {
      struct input *x = &f->lists[i].list[k];
      if (!is_sought(x))
        continue;
      hold_blob(a, x->sha256);
      x->held = true;
      names[n] = x->sha256;
      f->sought[n++] = x;
    }
  a->pieces++;
  storage_find_blobs(a->at.storage, names, n, true, on_found, f);
  free(names);
}
