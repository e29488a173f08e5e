/* SPDX-License-Identifier: MIT
 *
 * What is known of the backends beyond a life of the daemon, each as long as its backend is
 * configured as it was: breakers and estimates.
 */
#include "jobs/kept.h"

#include "jobs/backends.h"
#include "jobs/breakers.h"
#include "jobs/estimates.h"

static void take(void *ctx, const char *name, const char *value) {
  struct jobs *j = ctx;
  breakers_take_kept(j, name, value);
  estimates_take_kept(j, name, value);
}

int kept_load(struct jobs *j, struct err *err) {
  return store_kept(j->store, take, j, err);
}

void jobs_backend_is(struct jobs *j, const char *name, const char *identity) {
  struct backend_usage *p = usage_find(j, name);
  if (breakers_is(j, p, identity))
    estimates_forget(j, p);
}

void jobs_backend_gone(struct jobs *j, const char *name) {
  struct backend_usage *p = usage_find(j, name);
  breakers_gone(j, p);
  estimates_forget(j, p);
}
