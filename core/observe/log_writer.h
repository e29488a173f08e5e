/* SPDX-License-Identifier: MIT
 *
 * The thread that writes the log, so that whoever reads standard error slowly, or not at all, holds
 * nobody but the log.  Lines wait in a queue of at most LOG_QUEUE_BYTES; what finds it full is
 * dropped and counted, and a line says how many were.  A line is written LOG_GATHER_MS after it
 * came at the latest, with those that came meanwhile.
 */
#ifndef OBSERVE_LOG_WRITER_H
#define OBSERVE_LOG_WRITER_H

#include <stdbool.h>
#include <stddef.h>

enum { LOG_QUEUE_BYTES = 4 << 20, LOG_END_WAIT_MS = 1000, LOG_GATHER_MS = 2 };

/* Any thread.  False: no thread writes, and the caller does. */
bool log_writer_put(const char *line, size_t len);
/* Writes all of it to standard error, here and now. */
void log_write_all(const char *data, size_t len);
/* The last line of a process that is about to abort, after those that wait.  Allocates nothing,
 * and gives up after LOG_END_WAIT_MS where nobody reads. */
void log_writer_last(const char *line, size_t len);

#endif
