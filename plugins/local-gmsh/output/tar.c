/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "output/tar.h"

#include "base/out.h"

#include <stdio.h>
#include <string.h>

#define BLOCK 512

struct header { /* numbers are octal digits */
  char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100];
  char magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155], unused[12];
};
_Static_assert(sizeof(struct header) == BLOCK, "a header is a block");

static void pad(struct out *tar, size_t bytes) {
  memset(out_room(tar, bytes), 0, bytes);
  tar->len += bytes;
}

static void put_header(struct out *tar, const char *name, size_t size) {
  struct header h = {.mode = "0000644",
                     .uid = "0000000",
                     .gid = "0000000",
                     .mtime = "00000000000",
                     .type = '0',
                     .magic = "ustar",
                     .version = {'0', '0'}};
  unsigned sum = 0;
  const unsigned char *bytes = (const unsigned char *)&h;
  snprintf(h.name, sizeof h.name, "%s", name);
  if (size < (size_t)1 << 33) { /* else in binary, as GNU tar and POSIX's readers take it */
    snprintf(h.size, sizeof h.size, "%011zo", size);
  } else {
    h.size[0] = (char)0x80;
    for (int k = 0; k < 8; k++)
      h.size[11 - k] = (char)(size >> (8 * k) & 0xff);
  }
  memset(h.checksum, ' ', sizeof h.checksum);
  for (size_t i = 0; i < BLOCK; i++)
    sum += bytes[i];
  snprintf(h.checksum, sizeof h.checksum, "%06o", sum & 0777777);
  out_put(tar, &h, BLOCK);
}

void tar_add(struct out *tar, const char *name, struct out *content) {
  put_header(tar, name, content->len);
  out_put(tar, content->data, content->len);
  pad(tar, (BLOCK - content->len % BLOCK) % BLOCK);
  out_free(content);
}

void tar_end(struct out *tar) {
  pad(tar, (size_t)2 * BLOCK);
}
