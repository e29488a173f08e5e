/* SPDX-License-Identifier: MIT
 *
 * Bearer tokens, from a file with a line `name:token role` each.  The name and `:` may be left out,
 * and so may the role: such a token is an admin's.  Kept as digests.
 */
#ifndef CONFIG_TOKENS_H
#define CONFIG_TOKENS_H

#include "base/err.h"
#include "base/role.h"

#include <stdbool.h>

struct tokens;

/* Refuses a file that others may read, short tokens, unknown roles, and a file without tokens. */
int tokens_load(const char *path, struct tokens **out, struct err *err);
void tokens_free(struct tokens *t); /* NULL is fine */

/* The client's name of a token, valid while `t` is, and its role; NULL when it is not one of ours. */
const char *tokens_client(const struct tokens *t, const char *token, enum role *role);
/* Is there a token of this client? */
bool tokens_know(const struct tokens *t, const char *client);

/* Every token: its client, its role and a mark by which two tokens are told apart. */
void tokens_each(const struct tokens *t,
                 void (*seen)(void *ctx, const char *client, enum role role, const char *mark),
                 void *ctx);

#endif
