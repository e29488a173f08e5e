/* SPDX-License-Identifier: MIT
 *
 * Identifiers are ULIDs (26 characters of Crockford's base 32): 48 bits of
 * milliseconds and 80 random bits; they sort by time, also within a millisecond.
 * Source: github.com/ulid/spec.
 */
#ifndef BASE_ID_H
#define BASE_ID_H

#include <stdbool.h>

#define ID_LEN  26
#define ID_SIZE (ID_LEN + 1)

struct id_maker { /* zeroed: ready for use; one thread */
  long long last_ms;
  unsigned char random[10];
};

/* Writes a fresh id, greater than every one before from this maker. */
void id_make(struct id_maker *m, char out[ID_SIZE]);
bool id_is_valid(const char *text);
/* The beginning of an id as people write it (1 to 26 digits, letter case apart) in the form of ids.
 * False: no id can begin so. */
bool id_prefix(const char *text, char out[ID_SIZE]);

#endif
