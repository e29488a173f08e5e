/* SPDX-License-Identifier: MIT
 *
 * Allocation that does not fail: out of memory ends the process with a message,
 * because every size that a client can choose is bounded by a limit first.
 * Free with free().
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

void *mem_alloc(size_t size);                  /* zeroed */
void *mem_array(size_t count, size_t size);    /* zeroed, checked for overflow */
void *mem_grow(void *old, size_t size);        /* realloc */
char *mem_dup(const char *text);               /* NULL gives NULL */
char *mem_dup_n(const char *text, size_t len); /* adds a NUL */
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
