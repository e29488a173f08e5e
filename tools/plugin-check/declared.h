/* SPDX-License-Identifier: MIT
 *
 * Kinds that the plugin declares with their text.  Each check is a process of its own, so they lie in
 * files.
 */
#ifndef CHECK_DECLARED_H
#define CHECK_DECLARED_H

#include "check.h"

/* Fails the check where the text is not one of the kind. */
void declared_keep(struct tool *t, const char *kind, const char *json);
/* What was declared so far goes beside the kinds of files. */
void declared_load(struct tool *t);

#endif
