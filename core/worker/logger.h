/* SPDX-License-Identifier: MIT
 *
 * The log of one step (or, with token 0, of the backend): lines of host->log() and pieces of stdout
 * and stderr, made valid UTF-8, cut at a limit, and sent on in frames that hold many lines.  For
 * any thread.
 */
#ifndef WORKER_LOGGER_H
#define WORKER_LOGGER_H

#include "worker/link.h"

struct logger {
  struct link *link;
  uint64_t token;
  int64_t limit, total; /* bytes; limit 0: none */
  int64_t since_us;     /* when the oldest unsent line came; 0: there is none */
  bool cut, said_no_memory;
  struct buf ready, partial; /* whole lines; the line of stdout that has not ended yet */
  const int *wake_fd; /* an eventfd that is told when logger_due_ms() is no longer -1; NULL: none */
  pthread_mutex_t lock;
};

void logger_init(struct logger *l, struct link *link, uint64_t token, int64_t limit);
void logger_free(struct logger *l);
/* Goes on with another step, after logger_end. */
void logger_turn_to(struct logger *l, uint64_t token, int64_t limit);
void logger_line(struct logger *l, int32_t level, const char *text);
void logger_chunk(struct logger *l, const char *data, size_t len);
/* Reads what a non-blocking pipe holds.  False once it is at its end. */
bool logger_drain(struct logger *l, int fd);
/* Milliseconds until logger_flush should be called; -1: nothing waits. */
int logger_due_ms(struct logger *l);
/* Sends the whole lines. */
void logger_flush(struct logger *l);
/* Sends everything, also a line without its end; the frame is left in the link's buffer. */
void logger_end(struct logger *l);

#endif
