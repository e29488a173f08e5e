/* SPDX-License-Identifier: MIT
 *
 * The command line.
 */
#ifndef CHECK_OPTIONS_H
#define CHECK_OPTIONS_H

#include "check.h"

struct wishes { /* what concerns the runner alone */
  bool tap, verbose;
  const char **only; /* names; none: all */
  size_t only_count;
};
bool wishes_has(const struct wishes *w, const char *check);

enum { OPTIONS_GO_ON = -1 };
/* OPTIONS_GO_ON, or the exit code: 0 when all is said (--help), 2 with the reason in err. */
int options_read(struct tool *t, struct wishes *w, int argc, char **argv, struct err *err);

#endif
