/* SPDX-License-Identifier: MIT
 *
 * A table of texts.
 */
#include "table.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t text_width(const char *text) {
  size_t width = 0;
  for (; *text; text++)
    width += (*text & 0xc0) != 0x80;
  return width;
}

void table_begin(struct table *t, const char *header) {
  *t = (struct table){.columns = 1};
  for (const char *p = header; *p; p++)
    t->columns += *p == '|';
  char *names = mem_dup(header), *rest = names;
  for (size_t i = 0; i < t->columns && i < TABLE_COLUMNS_MAX; i++) {
    char *name = strsep(&rest, "|");
    t->right[i] = *name == '>';
    table_put(t, name + t->right[i]);
  }
  free(names);
}

void table_put(struct table *t, const char *cell) {
  if (t->rows == t->cap) {
    t->cap = t->cap ? t->cap * 2 : 64;
    t->cells = mem_grow(t->cells, t->cap * sizeof *t->cells);
  }
  char *copy = mem_dup(cell ? cell : "");
  for (char *p = copy; *p; p++)
    if ((unsigned char)*p < ' ' || *p == 0x7f)
      *p = ' ';
  t->cells[t->rows++] = copy;
}

void table_putf(struct table *t, const char *fmt, ...) {
  char text[512];
  va_list args;
  va_start(args, fmt);
  vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  table_put(t, text);
}

/* Appends as much of the text as fits in `width` columns. */
static void put_cut(struct buf *out, const char *line, size_t len, int width) {
  int used = 0;
  for (size_t i = 0; i < len; i++) {
    used += (line[i] & 0xc0) != 0x80;
    if (width > 0 && used > width)
      return;
    buf_putc(out, line[i]);
  }
}

void table_render(const struct table *t, int indent, int width, struct buf *out) {
  size_t widths[TABLE_COLUMNS_MAX] = {0};
  for (size_t i = 0; i < t->rows; i++) {
    size_t w = text_width(t->cells[i]);
    if (w > widths[i % t->columns])
      widths[i % t->columns] = w;
  }
  struct buf line = {0};
  for (size_t row = 0; row * t->columns < t->rows; row++) {
    buf_clear(&line);
    for (int i = 0; i < indent; i++)
      buf_putc(&line, ' ');
    for (size_t col = 0; col < t->columns && row * t->columns + col < t->rows; col++) {
      const char *cell = t->cells[row * t->columns + col];
      size_t pad = widths[col] - text_width(cell);
      for (size_t i = 0; t->right[col] && i < pad; i++)
        buf_putc(&line, ' ');
      buf_puts(&line, cell);
      for (size_t i = 0; !t->right[col] && i < pad; i++)
        buf_putc(&line, ' ');
      buf_puts(&line, "  ");
    }
    while (line.len && line.data[line.len - 1] == ' ')
      line.len--;
    put_cut(out, line.data, line.len, width);
    buf_putc(out, '\n');
  }
  buf_free(&line);
}

void table_print(struct table *t, int indent) {
  struct buf out = {0};
  table_render(t, indent, 0, &out);
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
