/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Between mesher.so and the writers that it loads where a job wants their file: cgns.so and med.so.
 */
#ifndef WRITER_MODULE_H
#define WRITER_MODULE_H

#include "export.h"

#define WRITER_SYMBOL "lathe_local_gmsh_writer"

/* Writes the file whole.  False: it cannot. */
typedef bool module_writer(const struct export *x, const char *path);

#endif
