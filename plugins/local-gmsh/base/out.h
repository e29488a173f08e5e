/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Files are built in memory and written in one go: a preview has 20,000 numbers, and printf takes
 * longer over them than Gmsh over the mesh.
 */
#ifndef BASE_OUT_H
#define BASE_OUT_H

#include <stddef.h>
#include <stdint.h>

struct out {
  char *data; /* owned; free with out_free */
  size_t len, cap;
};

void out_free(struct out *o);
/* Room for `more` bytes at the end; the caller advances len by what it used.  Ends the process when
 * memory is out: the job's address space is limited, and the host knows what to make of it. */
char *out_room(struct out *o, size_t more);
void out_put(struct out *o, const void *data, size_t len);
void out_text(struct out *o, const char *text);
void out_printf(struct out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void out_json_string(struct out *o, const char *text); /* quoted; text is UTF-8 */
/* Shortest form that reads back to `digits` significant digits; NaN and infinity become null. */
void out_number(struct out *o, double value, int digits);
/* Right-aligned in `width` columns; 0: no blanks before it. */
void out_integer(struct out *o, uint64_t value, int width);
/* With a point or an exponent, so that no reader takes it for an integer, in at most `width` bytes
 * (8 to 24) and with as many digits as these hold, at most 15. */
void out_real(struct out *o, double value, int width);
/* Writes the file whole.  0, or errno. */
int out_file(const struct out *o, const char *path);

/* A fixed number of decimals, trailing zeros dropped; writes at most 32 bytes, returns the end.
 * |value| * 10^decimals must be under 9e18. */
#define OUT_FIXED_MAX 32
char *out_fixed(char *p, double value, int decimals);
/* Decimals that keep seven significant digits of a coordinate of this magnitude. */
int out_decimals(double magnitude);

void *out_alloc(size_t count, size_t size); /* zeroed; ends the process like out_room */
/* An array that was out_alloc'ed (or NULL), with more room: the first `kept` items are, the others
 * are zero. */
void *out_again(void *items, size_t kept, size_t room, size_t size);

#endif
