/* SPDX-License-Identifier: MIT
 *
 * Texts in lines of the terminal's width.
 */
#ifndef WRAP_H
#define WRAP_H

#include "base/buf.h"

enum { WRAP_COLUMNS = 80 }; /* of help, where it does not go to a terminal */

/* Columns of the terminal behind `fd`; 0: it is not a terminal, and lines may have any length. */
int wrap_columns(int fd);
/* Appends the text, of which the first line begins in column `at` and the others in column
 * `indent`; a word is put on the next line where it does not fit.  Line ends of the text stay.
 * width 0: only those. */
void wrap_put(struct buf *out, const char *text, int at, int indent, int width);
void wrap_spaces(struct buf *out, int count);

#endif
