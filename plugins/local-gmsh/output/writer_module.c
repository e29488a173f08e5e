/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The libraries of CGNS and HDF5 bring thirty others along, a quarter of the time in which a worker
 * starts: they are loaded by the job that wants them.
 */
#include "output/writer_module.h"

#include "base/module.h"
#include "output/export.h"

/* By the module of this name, beside mesher.so. */
static bool write_by(const char *module, const struct export *x, const char *path) {
  module_writer *const *write = module_symbol(module, WRITER_SYMBOL);
  return write && (*write)(x, path);
}

bool cgns_write(const struct export *x, const char *path) {
  return write_by("cgns.so", x, path);
}

bool med_write(const struct export *x, const char *path) {
  return write_by("med.so", x, path);
}
