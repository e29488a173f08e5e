/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a strategy is, in words for whoever does not know its name.
 */
#ifndef STRATEGY_WORDS_H
#define STRATEGY_WORDS_H

#include "out.h"

/* Appends "half of the size that was asked for", for the name of a rung of `fast` ("finer") or of a
 * strategy ("frontal-delaunay-polished").  A name without words is appended itself. */
void strategy_words(struct out *o, const char *name);

#endif
