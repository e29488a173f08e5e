/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Errors in Gmsh's log.
 */
#ifndef TASK_LOG_H
#define TASK_LOG_H

#include <stdbool.h>
#include <stddef.h>

struct outcome;

void log_begin(void);
/* False when the log since log_begin() holds an error: the first one, explained, is in *o. */
bool log_check(struct outcome *o);
void log_first_error(char *text, size_t size); /* empty when there was none */

#endif
