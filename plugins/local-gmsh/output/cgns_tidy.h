/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OUTPUT_CGNS_TIDY_H
#define OUTPUT_CGNS_TIDY_H

#include <stdbool.h>

/* Takes times, and what lay in memory, out of a CGNS file that was closed: the same mesh is then
 * the same bytes.  False: the file cannot be read or written. */
bool cgns_tidy(const char *path);

#endif
