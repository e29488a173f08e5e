/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A tar archive (POSIX ustar) in memory, for an output of several files.  The same contents give
 * the same bytes: no owner and no time is in it.
 */
#ifndef OUTPUT_TAR_H
#define OUTPUT_TAR_H

struct out;

/* Adds a file and frees its content; a name of at most 99 bytes, without a slash at the start. */
void tar_add(struct out *tar, const char *name, struct out *content);
/* After the last file. */
void tar_end(struct out *tar);

#endif
