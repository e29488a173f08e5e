/* SPDX-License-Identifier: MIT
 *
 * Backends that did a kind and went: taken out of the configuration, or failed.  An admin who
 * reloads twice, or puts a plugin's file anew, brings them back in a moment; so they are remembered
 * for return_ms by the kinds that their workers declared.  One whose worker never said what it does
 * is not remembered.
 */
#include "workers/internal.h"

#include "base/mem.h"
#include "base/string_list.h"

#include <stdlib.h>
#include <string.h>

struct gone {
  char *name;
  char **kinds; /* NULL-terminated */
  uint64_t at;  /* loop time, ms */
};

enum { RETURN_MS = 60000 };

static bool is_recent(const struct workers *w, const struct gone *g) {
  uint64_t most = (uint64_t)(w->return_ms > 0 ? w->return_ms : RETURN_MS);
  return uv_now(w->loop) - g->at < most;
}

static void clear(struct gone *g) {
  string_list_free(g->kinds);
  free(g->name);
}

/* The old ones, and what was known of one that goes again. */
static void forget(struct workers *w, const char *name) {
  size_t kept = 0;
  for (size_t i = 0; i < w->gone_count; i++) {
    if (is_recent(w, &w->gone[i]) && strcmp(w->gone[i].name, name) != 0)
      w->gone[kept++] = w->gone[i];
    else
      clear(&w->gone[i]);
  }
  w->gone_count = kept;
}

void departed_note(const struct backend *b) {
  struct workers *w = b->w;
  size_t n = string_list_count(backend_kinds(b));
  if (n == 0 || w->freeing)
    return;
  forget(w, b->o.name);
  if (w->gone_count == w->gone_cap) {
    w->gone_cap = w->gone_cap ? w->gone_cap * 2 : 4;
    w->gone = mem_grow(w->gone, w->gone_cap * sizeof *w->gone);
  }
  struct gone *g = &w->gone[w->gone_count++];
  *g = (struct gone){.name = mem_dup(b->o.name),
                     .kinds = string_list_copy(backend_kinds(b), n),
                     .at = uv_now(w->loop)};
}

const char *workers_next_gone(const struct workers *w, size_t *pos, const char *const **kinds) {
  while (*pos < w->gone_count) {
    const struct gone *g = &w->gone[(*pos)++];
    if (!is_recent(w, g))
      continue;
    *kinds = (const char *const *)g->kinds;
    return g->name;
  }
  return NULL;
}

void departed_free(struct workers *w) {
  for (size_t i = 0; i < w->gone_count; i++)
    clear(&w->gone[i]);
  free(w->gone);
}
