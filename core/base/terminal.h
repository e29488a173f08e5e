/* SPDX-License-Identifier: MIT
 *
 * Texts of others (clients, plugins, servers, files) on a terminal.
 */
#ifndef BASE_TERMINAL_H
#define BASE_TERMINAL_H

#include "base/buf.h"

enum terminal_form {
  TERMINAL_LINE, /* one line: line ends and tabs become spaces */
  TERMINAL_TEXT, /* line ends and tabs stay */
};

/* Appends the text so that a terminal only shows it: what would move the cursor, change colours or
 * the title, or make other characters read in another order (C0 and C1 controls, DEL, controls of
 * direction, invisible characters) becomes its \u escape, as JSON writes it; bytes that are not
 * UTF-8 become U+FFFD.  A JSON string stays the same JSON string. */
void terminal_put(struct buf *out, const char *text, size_t len, enum terminal_form form);

/* Columns that the text takes, once terminal_put has made it harmless. */
size_t terminal_width(const char *text);
/* As many bytes of the text as fit into so many columns. */
size_t terminal_fit(const char *text, size_t columns);

#endif
