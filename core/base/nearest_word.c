/* SPDX-License-Identifier: MIT
 *
 * "Did you mean": the restricted Damerau-Levenshtein distance.
 */
#include "base/nearest_word.h"

#include <ctype.h>
#include <string.h>

enum { LONGEST = 64 };

static int least(int a, int b) {
  return a < b ? a : b;
}

int words_distance(const char *a, const char *b) {
  size_t m = strlen(a), n = strlen(b);
  if (m > LONGEST || n > LONGEST)
    return LONGEST;
  int rows[3][LONGEST + 1]; /* of row i: rows[i % 3] */
  for (size_t j = 0; j <= n; j++)
    rows[0][j] = (int)j;
  for (size_t i = 1; i <= m; i++) {
    int *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];
    row[0] = (int)i;
    for (size_t j = 1; j <= n; j++) {
      int x = tolower((unsigned char)a[i - 1]), y = tolower((unsigned char)b[j - 1]);
      row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + (x != y));
      if (i > 1 && j > 1 && x == tolower((unsigned char)b[j - 2]) &&
          y == tolower((unsigned char)a[i - 2]))
        row[j] = least(row[j], above2[j - 2] + 1);
    }
  }
  return rows[m % 3][n];
}

const char *words_nearest(const char *word, const char *(*candidate)(const void *ctx, size_t i),
                          const void *ctx, size_t count) {
  const char *best = NULL;
  int best_distance = (int)(strlen(word) + 2) / 3;
  if (best_distance > 3)
    best_distance = 3;
  for (size_t i = 0; i < count; i++) {
    const char *c = candidate(ctx, i);
    int d = words_distance(word, c);
    if (d < best_distance + (best == NULL)) {
      best = c;
      best_distance = d;
    }
  }
  return best;
}

static const char *nth(const void *names, size_t i) {
  return ((const char *const *)names)[i];
}

const char *words_nearest_of(const char *word, const char *const *names, size_t count) {
  return words_nearest(word, nth, names, count);
}
