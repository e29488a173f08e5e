/* SPDX-License-Identifier: MIT */
#include "base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};

int address_range_parse(const char *text, struct address_range *out, struct err *err) {
  char name[64];
  size_t len = strcspn(text, "/");
  const char *bits = text[len] ? text + len + 1 : NULL;
  int shift = 0, most = 128;
  *out = (struct address_range){.bits = 128};
  memcpy(name, text, len < sizeof name ? len : sizeof name - 1);
  name[len < sizeof name ? len : sizeof name - 1] = 0;
  if (inet_pton(AF_INET, name, out->bytes + 12) == 1) {
    memcpy(out->bytes, mapped, sizeof mapped);
    shift = 96;
    most = 32;
  } else if (inet_pton(AF_INET6, name, out->bytes) != 1) {
    return err_set(err, ERR_INVAL,
                   "\"%.80s\" is not an address; write 192.0.2.7, 10.0.0.0/8 or ::1", text);
  }
  if (!bits)
    return 0;
  char *end;
  long n = strtol(bits, &end, 10);
  if (*bits < '0' || *bits > '9' || *end || n > most)
    return err_set(err, ERR_INVAL, "\"%.80s\" does not end in a number of bits from 0 to %d", text,
                   most);
  out->bits = shift + (int)n;
  return 0;
}

bool address_in_range(const struct sockaddr *peer, const struct address_range *range) {
  unsigned char bytes[16];
  if (peer && peer->sa_family == AF_INET) {
    memcpy(bytes, mapped, sizeof mapped);
    memcpy(bytes + 12, &((const struct sockaddr_in *)(const void *)peer)->sin_addr, 4);
  } else if (peer && peer->sa_family == AF_INET6) {
    memcpy(bytes, &((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr, 16);
  } else {
    return false;
  }
  int whole = range->bits / 8, rest = range->bits % 8;
  if (memcmp(bytes, range->bytes, (size_t)whole) != 0)
    return false;
  return !rest || ((bytes[whole] ^ range->bytes[whole]) >> (8 - rest)) == 0;
}
