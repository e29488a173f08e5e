/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What passes between the job's process and the processes of its candidates.
 */
#ifndef BASE_PIPE_IO_H
#define BASE_PIPE_IO_H

#include <stdbool.h>
#include <stddef.h>

/* Whole, or false. */
bool pipe_write(int fd, const void *data, size_t len);
bool pipe_read(int fd, void *data, size_t len);

#endif
