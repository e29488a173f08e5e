/* SPDX-License-Identifier: MIT
 *
 * Texts in lines of the terminal's width.
 */
#include "wrap.h"

#include "base/mem.h"
#include "base/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int wrap_columns(int fd) {
  struct winsize size;
  if (!isatty(fd))
    return 0;
  if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    return size.ws_col;
  const char *said = getenv("COLUMNS");
  int columns = said ? atoi(said) : 0;
  return columns > 0 ? columns : WRAP_COLUMNS;
}

void wrap_spaces(struct buf *out, int count) {
  for (int i = 0; i < count; i++)
    buf_putc(out, ' ');
}

/* One line of the text, without its end. */
static void put_line(struct buf *out, const char *line, size_t len, int at, int indent, int width) {
  bool first = true; /* on its line */
  for (size_t i = 0; i < len;) {
    size_t blanks = strspn(line + i, " "), n = strcspn(line + i + blanks, " \n");
    blanks = i + blanks > len ? len - i : blanks;
    n = i + blanks + n > len ? len - i - blanks : n;
    char *word = mem_dup_n(line + i + blanks, n);
    int columns = (int)terminal_width(word);
    if (width > 0 && !first && at + (int)blanks + columns > width) {
      buf_putc(out, '\n');
      wrap_spaces(out, indent);
      at = indent;
      blanks = 0;
      i += strspn(line + i, " ");
    } else {
      wrap_spaces(out, (int)blanks);
      i += blanks;
    }
    buf_puts(out, word);
    at += (int)blanks + columns;
    i += n;
    first = false;
    free(word);
  }
}

void wrap_put(struct buf *out, const char *text, int at, int indent, int width) {
  for (;;) {
    size_t len = strcspn(text, "\n");
    put_line(out, text, len, at, indent, width);
    if (!text[len] || !text[len + 1]) /* a last line end is the caller's */
      return;
    text += len + 1;
    buf_putc(out, '\n');
    wrap_spaces(out, indent);
    at = indent;
  }
}
