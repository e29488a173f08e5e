/* SPDX-License-Identifier: MIT
 *
 * Lists of texts that end with NULL.  NULL itself is an empty list.
 */
#ifndef BASE_STRING_LIST_H
#define BASE_STRING_LIST_H

#include <stdbool.h>
#include <stddef.h>

size_t string_list_count(const char *const *list);
/* With the first `count` texts, copied; never NULL.  string_list_free() frees it. */
char **string_list_copy(const char *const *list, size_t count);
void string_list_free(char **list); /* NULL does no harm */
bool string_list_has(const char *const *list, const char *text);
bool string_list_equal(const char *const *a, const char *const *b); /* in the same order */

#endif
