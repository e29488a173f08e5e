/* SPDX-License-Identifier: MIT
 *
 * What a client may do.  Each role may do all that those before it may.
 */
#ifndef BASE_ROLE_H
#define BASE_ROLE_H

#include <stdbool.h>

enum role {
  ROLE_NONE,   /* of a route: nobody is asked who he is */
  ROLE_READ,   /* look at everything */
  ROLE_SUBMIT, /* and send jobs, and act on those of the same client */
  ROLE_ADMIN,  /* and act on everybody's jobs, and change how the server works */
};

const char *role_word(enum role role);
/* False when the word is none. */
bool role_find(const char *word, enum role *out);
/* The role's word that is nearest to what somebody wrote, NULL when none is near. */
const char *role_nearest(const char *word);

#endif
