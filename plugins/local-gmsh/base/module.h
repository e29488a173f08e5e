/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Libraries beside mesher.so, which bring much along that few jobs want: the job that does loads
 * them.
 */
#ifndef BASE_MODULE_H
#define BASE_MODULE_H

/* The symbol of a file beside mesher.so, which stays loaded.  NULL: there is none, or it cannot be
 * loaded. */
void *module_symbol(const char *file, const char *symbol);

#endif
