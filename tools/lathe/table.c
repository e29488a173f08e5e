/* SPDX-License-Identifier: MIT
 *
 * A table of texts.
 */
#include "table.h"

#include "base/mem.h"
#include "base/terminal.h"
#include "wrap.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CUT_MARK "\xe2\x80\xa6"
enum { GAP = 2, CUT_MIN = 16, PIPE_MAX = 60, WRAP_MIN = 24, WRAP_INDENT = 4 };

void table_begin(struct table *t, const char *header) {
  *t = (struct table){.columns = 1};
  for (const char *p = header; *p; p++)
    t->columns += *p == '|';
  char *names = mem_dup(header), *rest = names;
  for (size_t i = 0; i < t->columns && i < TABLE_COLUMNS_MAX; i++) {
    char *name = strsep(&rest, "|");
    struct table_column *k = &t->kind[i];
    for (; *name && strchr(">~=?+", *name); name++) {
      k->right |= *name == '>';
      k->may_cut |= *name == '~' || *name == '=';
      k->is_name |= *name == '=';
      k->may_go |= *name == '?';
      k->wraps |= *name == '+';
    }
    table_put(t, name);
  }
  free(names);
}

void table_put(struct table *t, const char *cell) {
  if (t->rows == t->cap) {
    t->cap = t->cap ? t->cap * 2 : 64;
    t->cells = mem_grow(t->cells, t->cap * sizeof *t->cells);
  }
  struct buf shown = {0};
  terminal_put(&shown, cell ? cell : "", cell ? strlen(cell) : 0, TERMINAL_LINE);
  t->cells[t->rows++] = buf_take(&shown);
}

void table_putf(struct table *t, const char *fmt, ...) {
  char text[512];
  va_list args;
  va_start(args, fmt);
  vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  table_put(t, text);
}

/* ---- the widths ---- */

struct layout {
  size_t width[TABLE_COLUMNS_MAX];
  bool empty[TABLE_COLUMNS_MAX]; /* no row has anything there */
  bool gone[TABLE_COLUMNS_MAX];
};

static void measure(const struct table *t, struct layout *l) {
  *l = (struct layout){0};
  for (size_t col = 0; col < t->columns; col++) {
    l->empty[col] = true;
    for (size_t i = col; i < t->rows; i += t->columns) {
      size_t w = terminal_width(t->cells[i]);
      l->width[col] = w > l->width[col] ? w : l->width[col];
      l->empty[col] &= w == 0 || i < t->columns;
    }
  }
}

/* Columns that the table takes; `narrowest`: when all that may be cut is. */
static size_t total(const struct table *t, const struct layout *l, bool narrowest) {
  size_t sum = 0, shown = 0;
  for (size_t i = 0; i < t->columns; i++) {
    const struct table_column *k = &t->kind[i];
    size_t w = l->width[i];
    if (l->gone[i] || k->wraps)
      continue;
    if (narrowest && k->may_cut && w > CUT_MIN)
      w = CUT_MIN;
    sum += w;
    shown++;
  }
  return sum + (shown > 1 ? (shown - 1) * GAP : 0);
}

/* Leaves one more column out.  False: there is none that may go. */
static bool leave_out(const struct table *t, struct layout *l) {
  for (size_t only_empty = 2; only_empty-- > 0;)
    for (size_t i = t->columns; i-- > 0;)
      if (t->kind[i].may_go && !l->gone[i] && (!only_empty || l->empty[i])) {
        l->gone[i] = true;
        return true;
      }
  return false;
}

/* Makes it fit: leaves columns out, then cuts the widest that may be cut. */
static void fit(const struct table *t, struct layout *l, size_t width) {
  while (total(t, l, false) > width) {
    bool empties = false;
    for (size_t i = 0; i < t->columns; i++)
      empties |= t->kind[i].may_go && !l->gone[i] && l->empty[i];
    if (!empties && total(t, l, true) <= width)
      break;
    if (!leave_out(t, l))
      break;
  }
  while (total(t, l, false) > width) {
    size_t widest = t->columns;
    for (size_t i = 0; i < t->columns; i++)
      if (t->kind[i].may_cut && !l->gone[i] && l->width[i] > 1 &&
          (widest == t->columns || l->width[i] > l->width[widest]))
        widest = i;
    if (widest == t->columns)
      return; /* the lines are cut then */
    l->width[widest]--;
  }
}

/* Into a file or a pipe: one long text does not push the columns of all lines apart. */
static void fit_pipe(const struct table *t, struct layout *l) {
  for (size_t i = 0; i < t->columns; i++)
    if (t->kind[i].is_name && l->width[i] > PIPE_MAX)
      l->width[i] = PIPE_MAX;
}

/* ---- the lines ---- */

static void put_cell(struct buf *line, const char *cell, size_t width, bool right) {
  size_t w = terminal_width(cell);
  bool cut = w > width;
  size_t bytes = cut ? terminal_fit(cell, width - 1) : strlen(cell);
  char *part = mem_dup_n(cell, bytes);
  size_t used = terminal_width(part) + cut, pad = used < width ? width - used : 0;
  if (right)
    wrap_spaces(line, (int)pad);
  buf_puts(line, part);
  if (cut)
    buf_puts(line, CUT_MARK);
  if (!right)
    wrap_spaces(line, (int)pad);
  free(part);
}

static void end_line(struct buf *out, struct buf *line, int width) {
  while (line->len && line->data[line->len - 1] == ' ')
    line->data[--line->len] = '\0';
  const char *text = line->len ? line->data : "";
  buf_put(out, text, width > 0 ? terminal_fit(text, (size_t)width) : strlen(text));
  buf_putc(out, '\n');
  buf_clear(line);
}

static void put_row(const struct table *t, const struct layout *l, size_t row, int indent,
                    int width, struct buf *out) {
  struct buf line = {0};
  const char *below = NULL; /* what is wrapped */
  wrap_spaces(&line, indent);
  for (size_t col = 0; col < t->columns && row * t->columns + col < t->rows; col++) {
    const char *cell = t->cells[row * t->columns + col];
    if (l->gone[col])
      continue;
    if (t->kind[col].wraps && width > 0)
      below = cell;
    else
      put_cell(&line, cell, l->width[col], t->kind[col].right);
    if (!below)
      wrap_spaces(&line, GAP);
  }
  int at = indent + (int)total(t, l, false) + GAP;
  if (below && *below && width - at >= WRAP_MIN) {
    wrap_put(&line, below, at, at, width);
  } else if (below && *below && row > 0) { /* a heading would stand above nothing */
    int deeper = indent + WRAP_INDENT;
    end_line(out, &line, width);
    wrap_spaces(&line, deeper);
    wrap_put(&line, below, deeper, deeper, width);
  }
  end_line(out, &line, below ? 0 : width);
  buf_free(&line);
}

void table_render(const struct table *t, int indent, int width, struct buf *out) {
  struct layout l;
  measure(t, &l);
  if (width > indent)
    fit(t, &l, (size_t)(width - indent));
  else
    fit_pipe(t, &l);
  for (size_t row = 0; row * t->columns < t->rows; row++)
    put_row(t, &l, row, indent, width, out);
}

void table_print(struct table *t, int indent) {
  struct buf out = {0};
  table_render(t, indent, wrap_columns(STDOUT_FILENO), &out);
  fwrite(out.data, 1, out.len, stdout);
  buf_free(&out);
  table_free(t);
}

void table_free(struct table *t) {
  for (size_t i = 0; i < t->rows; i++)
    free(t->cells[i]);
  free(t->cells);
  *t = (struct table){0};
}
