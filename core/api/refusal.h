/* SPDX-License-Identifier: MIT
 *
 * Why a request is not acceptable: a problem's slug and the sentence for a person.
 */
#ifndef API_REFUSAL_H
#define API_REFUSAL_H

#include "base/err.h"

struct refusal {
  const char *slug; /* of http/problem.h */
  struct err err;
  char *errors; /* all that is wrong, as `errors` of the problem (JSON, owned); or NULL */
};

/* `return refuse(no, "slug", "...")`: sets both, returns ERR_INVAL. */
#define refuse(no, word, ...) ((no)->slug = (word), err_set(&(no)->err, ERR_INVAL, __VA_ARGS__))

#endif
