/* SPDX-License-Identifier: MIT
 *
 * A key that this server makes for itself and keeps in a file, and what it signs with it.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include "base/err.h"
#include "base/sha256.h"

#include <stdbool.h>

enum { SECRET_BYTES = 32 };
struct secret {
  unsigned char key[SECRET_BYTES];
};

/* Reads the key; where there is no file yet it is made, with mode 0600, and is on disk afterwards.
 * A file that others may read, or of another size, is refused.  Blocks. */
int secret_load(const char *path, struct secret *out, struct err *err);
/* HMAC-SHA256 of the text. */
void secret_sign(const struct secret *s, const char *text, size_t len, char hex[SHA256_HEX_SIZE]);
/* Is `sent` the signature of the text?  Takes the same time whatever differs. */
bool secret_signed(const struct secret *s, const char *text, size_t len, const char *sent);

#endif
