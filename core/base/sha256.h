/* SPDX-License-Identifier: MIT */
#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include <stdbool.h>
#include <stddef.h>

#define SHA256_HEX_SIZE 65 /* 64 lower-case digits and a NUL */

struct sha256; /* a hash under way; one thread at a time */

struct sha256 *sha256_begin(void);
void sha256_add(struct sha256 *h, const void *data, size_t len);
void sha256_end(struct sha256 *h, char hex[SHA256_HEX_SIZE]); /* frees h; hex may be NULL */
void sha256_of(const void *data, size_t len, char hex[SHA256_HEX_SIZE]);
bool sha256_is_hex(const char *text);

#endif
