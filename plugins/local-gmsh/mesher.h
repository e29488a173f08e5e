/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What local-gmsh.so loads when it is created: Gmsh and OpenCASCADE are a hundred megabytes of
 * libraries, whose relocation alone takes most of the time that a host gives a plugin to show its
 * descriptor.
 */
#ifndef LOCAL_GMSH_MESHER_H
#define LOCAL_GMSH_MESHER_H

#include <lathe/plugin.h>

struct mesher { /* as in struct lathe_plugin */
  int32_t (*create)(const struct lathe_host *host, void **self);
  void (*destroy)(void *self);
  int32_t (*run)(void *self, struct lathe_job *job, const struct lathe_request *request);
};

#define MESHER_FILE   "local-gmsh/mesher.so" /* from the folder of local-gmsh.so */
#define MESHER_SYMBOL "local_gmsh_mesher"    /* a const struct mesher */

#endif
