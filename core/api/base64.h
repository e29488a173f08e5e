/* SPDX-License-Identifier: MIT */
#ifndef API_BASE64_H
#define API_BASE64_H

#include "base/buf.h"
#include "base/err.h"

/* Standard alphabet, padding required, white space between characters allowed; anything else is
 * ERR_INVAL with the position.  Appends to out. */
int base64_decode(const char *text, size_t len, struct buf *out, struct err *err);

/* URL-safe alphabet without padding, for tokens. */
void base64url_encode(const void *data, size_t len, struct buf *out);
int base64url_decode(const char *text, struct buf *out);

#endif
