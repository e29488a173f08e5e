/* SPDX-License-Identifier: MIT
 *
 * The estimates of all kinds on all backends, and of each kind wherever it ran.
 */
#ifndef ROUTING_MODELS_H
#define ROUTING_MODELS_H

#include "base/map.h"
#include "routing/estimate.h"
#include "routing/facts.h"

struct models { /* zeroed: empty */
  struct map kinds;
};

/* Of a kind on a backend, made if new; b NULL: wherever it ran.  Valid until models_free. */
struct estimate *models_of(struct models *m, const char *kind, const struct backend_facts *b);
/* The next kind that there are estimates of; *pos is 0 before the first, NULL: no more. */
const char *models_next(const struct models *m, size_t *pos);
void models_forget(struct models *m, const struct backend_facts *b); /* it is another one now */
void models_free(struct models *m);

#endif
