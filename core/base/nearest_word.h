/* SPDX-License-Identifier: MIT
 *
 * "Did you mean": the known word that is nearest to what somebody wrote.
 */
#ifndef BASE_NEAREST_WORD_H
#define BASE_NEAREST_WORD_H

#include <stddef.h>

/* Slips (letters wrong, missing, extra or swapped) between two words, letter case apart. */
int words_distance(const char *a, const char *b);
/* The nearest of `count` candidates, NULL when none is near. */
const char *words_nearest(const char *word, const char *(*candidate)(const void *ctx, size_t i),
                          const void *ctx, size_t count);
/* The same of a list. */
const char *words_nearest_of(const char *word, const char *const *names, size_t count);

#endif
