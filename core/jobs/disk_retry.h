/* SPDX-License-Identifier: MIT */
#ifndef JOBS_DISK_RETRY_H
#define JOBS_DISK_RETRY_H

#include "jobs/types.h"

bool disk_is_failure(int code);
/* Looks at the data folder; `seen` is called later, unless the room closes before: the code of
 * storage_check. */
void disk_look(struct jobs *j, void (*seen)(struct jobs *j, int code));
/* Writes again what was not taken, and lets jobs start. */
void disk_retry(struct jobs *j);
void disk_later(struct jobs *j); /* disk_retry after a pause */
void disk_pause(struct jobs *j); /* the same, and no job starts until then */

#endif
