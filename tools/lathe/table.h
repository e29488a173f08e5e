/* SPDX-License-Identifier: MIT
 *
 * A table of texts: gathered row by row, printed with columns as wide as needed.  Where the
 * terminal is too narrow, columns are left out, cut or wrapped, as the header says.
 */
#ifndef TABLE_H
#define TABLE_H

#include "base/buf.h"

enum { TABLE_COLUMNS_MAX = 16 };

struct table { /* zeroed: empty */
  char **cells;
  size_t columns, rows, cap; /* rows: cells so far */
  struct table_column {
    bool right;   /* of numbers */
    bool may_cut; /* with a mark at the end */
    bool is_name; /* cut to 60 columns where there is no terminal, too */
    bool may_go;
    bool wraps; /* the last one: goes on below */
  } kind[TABLE_COLUMNS_MAX];
};

/* The header names the columns: "ID|~FILE|?>BYTES|+HELP".  '>': numbers, at the right; '~': may be
 * cut; '=': a name, which may be cut, and is where it would push the columns of all lines apart;
 * '?': may be left out where there is no room, the last one first; '+', for the last column:
 * wrapped. */
void table_begin(struct table *t, const char *header);
/* One cell after the other; made harmless for a terminal, on one line. */
void table_put(struct table *t, const char *cell);
void table_putf(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Appends the lines, after `indent` spaces, in `width` columns (0: as many as they take, where a
 * name has 60 at most). */
void table_render(const struct table *t, int indent, int width, struct buf *out);
/* Prints to stdout, as wide as the terminal, and frees. */
void table_print(struct table *t, int indent);
void table_free(struct table *t);

#endif
