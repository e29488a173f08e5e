/* SPDX-License-Identifier: MIT
 *
 * The extension lathe.kinds/1: kinds that a plugin declares when it starts, or later.
 */
#ifndef WORKER_KINDS_H
#define WORKER_KINDS_H

#include "worker/host.h"

extern const struct lathe_kinds kinds_functions;

/* Tells lathed that create() is over; from here on each declaration travels at once. */
void kinds_send_ready(struct host *h, const char *libraries);

#endif
