/* SPDX-License-Identifier: MIT
 *
 * What clients call a server that stands behind a proxy: "https://example.org/lathe".
 */
#ifndef BASE_PUBLIC_URL_H
#define BASE_PUBLIC_URL_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct public_url {             /* each NULL where it is not known */
  char *scheme, *host, *prefix; /* "https", "example.org:8443", "/lathe" or "" */
};

/* Takes the text apart; "" has no parts.  public_url_free gives *out back. */
int public_url_parse(const char *text, struct public_url *out, struct err *err);
void public_url_free(struct public_url *p);

/* Is it "/a/b": whatever it is put in front of stays a path of this host? */
bool public_url_is_prefix(const char *text, size_t len);

#endif
