/* SPDX-License-Identifier: MIT
 *
 * What of the file system a jail lets in, besides the job's folder and its own part of /proc.
 */
#ifndef WORKER_JAIL_PATHS_H
#define WORKER_JAIL_PATHS_H

#include "worker/jail/jail.h"

/* The rights of Landlock that a kernel of this ABI knows. */
uint64_t jail_paths_known_rights(int abi);
/* Those of a folder that a job writes in. */
uint64_t jail_paths_folder_rights(int abi);
#define JAIL_PATHS_READ_RIGHTS UINT64_C(0xc) /* files and folders */

/* Opens system files, the plugin's folder, the folders of LD_LIBRARY_PATH, the paths of the
 * plugin's options, and what its rights need.  What is not there is left out. */
void jail_paths_open(struct jail *j, const struct plugin *p, const struct plugin_value *values,
                     size_t value_count);

#endif
