/* SPDX-License-Identifier: MIT
 *
 * The functions that a plugin calls: struct lathe_host of lathe/plugin.h, and its extensions.
 */
#ifndef WORKER_HOST_FUNCTIONS_H
#define WORKER_HOST_FUNCTIONS_H

#include "worker/host.h"

/* Fills in the table. */
void host_init(struct host *h);

#endif
