/* SPDX-License-Identifier: MIT
 *
 * Reads the events of a job to its end, over as many connections as that takes.
 *
 *   connect --200--> reading --final event--> done
 *      ^                |
 *      +--- wait <--- lost        (Last-Event-ID: nothing is missed, nothing comes twice)
 */
#ifndef FOLLOW_H
#define FOLLOW_H

#include "cli.h"

/* data is borrowed.  Returns 0 to go on, non-zero to end the stream. */
typedef int follow_event(void *arg, const char *event, const char *id, const json_t *data);

/* CLI_OK when `on_event` ended it or the job is over and no event is left, CLI_REFUSED (reported),
 * CLI_UNREACHABLE (reported) after 30 s without a connection, CLI_SERVER (reported) where it does
 * not speak as lathe does, CLI_INTERRUPTED.  `after`: the id of the last event known, or NULL. */
int follow_job(struct cli *c, const char *id, const char *after, follow_event *on_event, void *arg);
/* The events of all jobs of a batch, until the last of them is over. */
int follow_batch(struct cli *c, const char *id, follow_event *on_event, void *arg);
bool follow_is_final(const char *event);

#endif
