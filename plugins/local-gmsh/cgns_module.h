/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Between mesher.so and cgns.so, which it loads where a job wants a CGNS file.
 */
#ifndef CGNS_MODULE_H
#define CGNS_MODULE_H

#include "export.h"

#define CGNS_FILE   "cgns.so" /* beside mesher.so */
#define CGNS_SYMBOL "lathe_local_gmsh_cgns"

/* Writes the file whole.  False: it cannot. */
typedef bool cgns_writer(const struct export *x, const char *path);

#endif
