/* SPDX-License-Identifier: MIT
 *
 * A table of texts: gathered row by row, printed with columns as wide as needed.
 */
#ifndef TABLE_H
#define TABLE_H

#include "base/buf.h"

enum { TABLE_COLUMNS_MAX = 10 };

struct table { /* zeroed: empty */
  char **cells;
  size_t columns, rows, cap;
  bool right[TABLE_COLUMNS_MAX]; /* columns of numbers */
};

/* The header names the columns: "ID|KIND|>BYTES", '>' for one of numbers. */
void table_begin(struct table *t, const char *header);
/* One cell after the other; control characters of a server's texts are replaced. */
void table_put(struct table *t, const char *cell);
void table_putf(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Appends the lines; each is cut to `width` columns (0: not), after `indent` spaces. */
void table_render(const struct table *t, int indent, int width, struct buf *out);
/* Prints to stdout, and frees. */
void table_print(struct table *t, int indent);
void table_free(struct table *t);

/* Columns that the text takes on a terminal (code points; wide ones count as one). */
size_t text_width(const char *text);

#endif
