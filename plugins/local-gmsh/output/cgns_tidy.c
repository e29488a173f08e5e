/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the CGNS library and HDF5 put into a file beside what they were told: the time, in the
 * header of each object, and behind the text of some attributes what lay on the stack before,
 * addresses of this process among it.  HDF5 has no way to leave the first out that CGNS would pass
 * on, and none to mend it later, so both are set to zero in the file itself.  (HDF5 File Format
 * Specification 3.0, IV.A.1.b: object headers of version 2.)
 *
 * Each header has a checksum.  What looks like one and does not fit its checksum stays as it is.
 */
#include "output/cgns_tidy.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIGNATURE 4 /* "OHDR", "OCHK" */
#define CHECKSUM  4
#define TIMES     16
/* Flags of a header. */
#define SIZE_BYTES     3 /* 1 << these: of the field that says the size */
#define ORDERED        4 /* messages have a number */
#define PHASE_CHANGE   16
#define HAS_TIMES      32
#define ATTRIBUTE      0x0c /* types of messages */
#define CONTINUATION   0x10
#define STRING         3  /* a class of datatypes */
#define HEAD_MAX       34 /* bytes before the messages */
#define DEPTH_MAX      64
#define ATTRIBUTE_HEAD 9

struct image {
  unsigned char *data;
  size_t size;
};

static uint64_t cgns_tidy_number(const unsigned char *at, size_t bytes) {
  uint64_t n = 0;
  for (size_t i = bytes; i-- > 0;)
    n = n << 8 | at[i];
  return n;
}

static uint32_t cgns_tidy_turn(uint32_t x, int by) {
  return x << by | x >> (32 - by);
}

/* Bob Jenkins' lookup3, hashlittle() with 0: HDF5's checksum. */
static uint32_t checksum(const unsigned char *key, size_t left) {
  static const int MIX[] = {4, 6, 8, 16, 19, 4}, LAST[] = {14, 11, 25, 16, 4, 14, 24};
  uint32_t v[3];
  v[0] = v[1] = v[2] = 0xdeadbeef + (uint32_t)left;
  if (left == 0)
    return v[2];
  for (; left > 12; key += 12, left -= 12) {
    for (int k = 0; k < 3; k++)
      v[k] += (uint32_t)cgns_tidy_number(key + 4 * k, 4);
    for (int k = 0; k < 6;
         k++) { /* a -= c; a ^= cgns_tidy_turn(c); c += b; then b for a, and so on */
      uint32_t *a = &v[k % 3], *b = &v[(k + 1) % 3], *c = &v[(k + 2) % 3];
      *a -= *c;
      *a ^= cgns_tidy_turn(*c, MIX[k]);
      *c += *b;
    }
  }
  unsigned char rest[12] = {0};
  memcpy(rest, key, left);
  for (int k = 0; k < 3; k++)
    v[k] += (uint32_t)cgns_tidy_number(rest + 4 * k, 4);
  for (int k = 0; k < 7; k++) { /* c ^= b; c -= cgns_tidy_turn(b); then a ^= c, b ^= a */
    uint32_t *to = &v[(k + 2) % 3], *from = &v[(k + 1) % 3];
    *to ^= *from;
    *to -= cgns_tidy_turn(*from, LAST[k]);
  }
  return v[2];
}

/* A block of a header, from its signature to its checksum. */
static bool is_sound(const struct image *f, size_t at, size_t end) {
  return at < end && end <= f->size && f->size - end >= CHECKSUM &&
         checksum(f->data + at, end - at) == cgns_tidy_number(f->data + end, CHECKSUM);
}

static void seal(struct image *f, size_t at, size_t end) {
  uint32_t sum = checksum(f->data + at, end - at);
  for (int k = 0; k < CHECKSUM; k++)
    f->data[end + (size_t)k] = (unsigned char)(sum >> 8 * k);
}

/* Version 3: the sizes of name, datatype and dataspace, and then these and the value. */
static void tidy_attribute(unsigned char *m, size_t size) {
  if (size < ATTRIBUTE_HEAD || m[0] != 3)
    return;
  size_t name = cgns_tidy_number(m + 2, 2), type = cgns_tidy_number(m + 4, 2),
         space = cgns_tidy_number(m + 6, 2);
  size_t head = ATTRIBUTE_HEAD + name + type + space;
  const unsigned char *datatype = m + ATTRIBUTE_HEAD + name;
  if (head > size || type < 8 || (datatype[0] & 0x0f) != STRING)
    return;
  size_t length = cgns_tidy_number(datatype + 4, 4);
  if (length > size - head)
    return;
  unsigned char *text = m + head, *end = memchr(text, 0, length);
  if (end)
    memset(end, 0, length - (size_t)(end - text));
}

static void tidy_block(struct image *f, size_t at, size_t from, size_t end, bool ordered,
                       int depth);

static void tidy_continuation(struct image *f, const unsigned char *m, size_t size, bool ordered,
                              int depth) {
  size_t at = size == 16 ? cgns_tidy_number(m, 8) : 0,
         length = size == 16 ? cgns_tidy_number(m + 8, 8) : 0;
  if (depth < DEPTH_MAX && length > SIGNATURE + CHECKSUM && at < f->size &&
      length <= f->size - at && memcmp(f->data + at, "OCHK", SIGNATURE) == 0 &&
      is_sound(f, at, at + length - CHECKSUM))
    tidy_block(f, at, at + SIGNATURE, at + length - CHECKSUM, ordered, depth + 1);
}

/* The messages between `from` and `end`, of the block that begins at `at`. */
static void tidy_block(struct image *f, size_t at, size_t from, size_t end, bool ordered,
                       int depth) {
  size_t head = ordered ? 6 : 4;
  while (end - from >= head) {
    unsigned char *m = f->data + from, type = m[0];
    size_t size = cgns_tidy_number(m + 1, 2);
    if (size > end - from - head)
      break;
    if (type == ATTRIBUTE)
      tidy_attribute(m + head, size);
    else if (type == CONTINUATION)
      tidy_continuation(f, m + head, size, ordered, depth);
    from += head + size;
  }
  seal(f, at, end);
}

static void tidy_header(struct image *f, size_t at) {
  size_t from = at + SIGNATURE + 2;
  if (f->size - at < HEAD_MAX || f->data[at + SIGNATURE] != 2)
    return;
  unsigned flags = f->data[at + SIGNATURE + 1];
  size_t times = from, bytes = (size_t)1 << (flags & SIZE_BYTES);
  from += (flags & HAS_TIMES ? TIMES : 0) + (flags & PHASE_CHANGE ? 4 : 0);
  uint64_t size = cgns_tidy_number(f->data + from, bytes);
  from += bytes;
  if (size > f->size || !is_sound(f, at, from + size))
    return;
  if (flags & HAS_TIMES)
    memset(f->data + times, 0, TIMES);
  tidy_block(f, at, from, from + size, flags & ORDERED, 0);
}

bool cgns_tidy(const char *path) {
  struct stat st;
  int fd = open(path, O_RDWR | O_CLOEXEC);
  bool ok = fd >= 0 && fstat(fd, &st) == 0;
  struct image f = {NULL, ok ? (size_t)st.st_size : 0};
  void *data = ok && f.size ? mmap(NULL, f.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
                            : MAP_FAILED;
  if (fd >= 0)
    close(fd);
  if (data == MAP_FAILED)
    return false;
  f.data = data;
  for (const unsigned char *at = data;
       (at = memmem(at, f.size - (size_t)(at - f.data), "OHDR", SIGNATURE)); at++)
    tidy_header(&f, (size_t)(at - f.data));
  munmap(data, f.size);
  return true;
}
