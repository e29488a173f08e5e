/* SPDX-License-Identifier: MIT
 *
 * A file of ours, written as a whole or not at all.
 */
#ifndef SAVE_H
#define SAVE_H

#include <stddef.h>

/* What was there before is replaced when the new file is complete.  CLI_OK or CLI_USAGE (said). */
int save_file(const char *path, const char *data, size_t len);

/* The same for a file of somebody's, which is there: its owner and mode stay, and where it is a link,
 * that stays too.  It is on the disk afterwards. */
int save_in_place(const char *path, const char *data, size_t len);

#endif
