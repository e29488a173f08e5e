/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Progress of a strategy that is tried in a process of its own, to the process of the job.
 */
#ifndef TASK_RELAY_H
#define TASK_RELAY_H

#include <stdint.h>

/* What goes through the pipe; a struct outcome follows where stage is STAGES. */
struct progress_note {
  int32_t permille, stage;
};

void relay_progress(int fd, int permille, int stage);

#endif
