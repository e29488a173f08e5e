/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a strategy is, in words for people who do not know its name.
 */
#ifndef OUTPUT_STRATEGY_WORDS_H
#define OUTPUT_STRATEGY_WORDS_H

struct out;

/* Appends "half of the size that was asked for", for the name of a strategy of `fast` ("finer") or
 * of `exhaustive` ("frontal-delaunay-polished").  A name without words is appended itself. */
void strategy_words(struct out *o, const char *name);

#endif
