/* SPDX-License-Identifier: MIT
 *
 * Of the kinds that a backend does, those that it gets jobs of: not one that its plugin declares otherwise
 * than it counts here, where the plugin says LATHE_SAME_KINDS.
 */
#include "workers/internal.h"

#include "base/mem.h"
#include "base/string_list.h"
#include "observe/log.h"

#include <stdlib.h>
#include <string.h>

static struct declared_kind *find(const struct backend *b, const char *kind) {
  for (size_t i = 0; i < b->declared_count; i++)
    if (strcmp(b->declared[i].name, kind) == 0)
      return &b->declared[i];
  return NULL;
}

static bool leaves_out(const struct backend *b, const char *kind) {
  const struct declared_kind *d = b->flags & WIRE_SAME_KINDS ? find(b, kind) : NULL;
  return d && d->differs;
}

/* An empty list would mean that its kinds are not known: no kind has an empty name. */
void offered_set(struct backend *b) {
  const char *const *kinds = backend_kinds(b);
  string_list_free(b->offered);
  b->offered = NULL;
  if (!(b->flags & WIRE_SAME_KINDS))
    return;
  size_t all = string_list_count(kinds), count = 0;
  const char **list = mem_array(all + 2, sizeof *list);
  for (; *kinds; kinds++)
    if (!leaves_out(b, *kinds))
      list[count++] = *kinds;
  if (count == 0 && all > 0)
    list[count++] = "";
  b->offered = string_list_copy(list, count);
  free(list);
}

const char *const *backend_offers(const struct backend *b) {
  return b->offered ? (const char *const *)b->offered : backend_kinds(b);
}

void backend_kind_differs(struct backend *b, const char *kind, bool differs) {
  struct declared_kind *d = find(b, kind);
  if (!d || d->differs == differs)
    return;
  d->differs = differs;
  if (!(b->flags & WIRE_SAME_KINDS))
    return;
  log_write(differs ? LOG_WARN : LOG_INFO, "backend.kinds",
            differs ? "backend %s gets no jobs of the kind %s: it is declared differently here"
                    : "backend %s gets jobs of the kind %s again",
            b->o.name, kind);
  offered_set(b);
  b->notify = true;
}
