/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Between mesher.so and the writers that it loads where a job wants their file: cgns.so and med.so.
 */
#ifndef OUTPUT_WRITER_MODULE_H
#define OUTPUT_WRITER_MODULE_H

#include <stdbool.h>

struct export;

#define WRITER_SYMBOL "lathe_local_gmsh_writer"

/* Writes the file whole.  False: it cannot. */
typedef bool module_writer(const struct export *x, const char *path);

/* CGNS by its own library, which writes the file itself.  False: it cannot. */
bool cgns_write(const struct export *x, const char *path);
/* MED by HDF5. */
bool med_write(const struct export *x, const char *path);

#endif
