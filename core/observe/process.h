/* SPDX-License-Identifier: MIT */
#ifndef OBSERVE_PROCESS_H
#define OBSERVE_PROCESS_H

#include "base/buf.h"

/* Appends the usual process_* metrics of this process: CPU time, memory, files, start. */
void process_render(struct buf *out);

#endif
