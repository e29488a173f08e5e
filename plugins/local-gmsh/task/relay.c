/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "task/relay.h"

#include "base/pipe_io.h"

void relay_progress(int fd, int permille, int stage) {
  struct progress_note note = {permille, stage};
  pipe_write(fd, &note, sizeof note);
}
