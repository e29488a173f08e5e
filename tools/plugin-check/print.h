/* SPDX-License-Identifier: MIT
 *
 * What a person, or a TAP reader, sees.
 */
#ifndef CHECK_PRINT_H
#define CHECK_PRINT_H

#include "options.h"

void print_head(const struct tool *t, const struct wishes *w);
void print_check(const struct tool *t, const struct wishes *w, const struct check *c, int64_t ms);
void print_sum(const struct wishes *w, int passed, int failed, int skipped);

#endif
