/* SPDX-License-Identifier: MIT
 *
 * Whose jobs and batches a client may act on: an admin on all, others on their own.
 */
#include "api/internal.h"
#include "base/mem.h"

#include <string.h>

char *api_actor(const struct http_request *r) {
  return http_role(r) < ROLE_ADMIN ? mem_dup(http_client(r)) : NULL;
}

bool api_may_act(struct http_request *r, const char *actor, const char *what, const char *client) {
  if (!actor || strcmp(actor, client) == 0)
    return true;
  if (r)
    http_problem(
        r, 0, "forbidden-role", 0,
        "The %s is not one of %s's: on %s of others only a token with the role %s may act; "
        "this one has the role %s.",
        what, actor, strcmp(what, "job") == 0 ? "jobs" : "batches", role_word(ROLE_ADMIN),
        role_word(http_role(r)));
  return false;
}
