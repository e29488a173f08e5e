/* SPDX-License-Identifier: MIT
 *
 * Addresses of machines and ranges of them, as text.
 */
#ifndef BASE_ADDRESS_H
#define BASE_ADDRESS_H

#include "base/err.h"

#include <stdbool.h>
#include <sys/socket.h>

struct address_range {     /* addresses that share the first `bits` bits */
  unsigned char bytes[16]; /* IPv4 as an IPv6 address that maps it */
  int bits;
};

/* "10.0.0.0/8", "192.0.2.7", "fd00::/8", "::1". */
int address_range_parse(const char *text, struct address_range *out, struct err *err);
/* Is the peer in it?  False for what is not an IP address. */
bool address_in_range(const struct sockaddr *peer, const struct address_range *range);

#endif
