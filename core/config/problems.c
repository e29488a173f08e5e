/* SPDX-License-Identifier: MIT */
#include "base/mem.h"
#include "base/terminal.h"
#include "config/private.h"

#include <stdlib.h>
#include <string.h>

static void problems_add(struct config_problems *p, bool warning, const char *where, int line,
                         const char *fmt, va_list args) {
  char *text = NULL;
  if (vasprintf(&text, fmt, args) < 0)
    text = mem_dup(fmt);
  p->items = mem_grow(p->items, (p->count + 1) * sizeof(*p->items));
  p->items[p->count++] = (struct config_problem){
      .where = mem_dup(where), .text = text, .line = line, .warning = warning};
  p->errors += !warning;
}

void config_error(struct config_load *l, const char *where, int line, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  problems_add(l->problems, false, where, line, fmt, args);
  va_end(args);
}

void config_warning(struct config_load *l, const char *where, int line, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  problems_add(l->problems, true, where, line, fmt, args);
  va_end(args);
}

void config_problems_sort(struct config_problems *p) {
  /* By insertion, because those of one line keep their order and they are few. */
  for (size_t i = 1; i < p->count; i++)
    for (size_t j = i; j > 0 && p->items[j - 1].line > p->items[j].line; j--) {
      struct config_problem swap = p->items[j];
      p->items[j] = p->items[j - 1];
      p->items[j - 1] = swap;
    }
}

void config_problems_print(const struct config_problems *p, FILE *out) {
  for (size_t i = 0; i < p->count; i++) {
    char *line = mem_printf("%s: %s: %s", p->items[i].where,
                            p->items[i].warning ? "warning" : "error", p->items[i].text);
    struct buf shown = {0};
    terminal_put(&shown, line, strlen(line), TERMINAL_LINE);
    fprintf(out, "%s\n", shown.data);
    buf_free(&shown);
    free(line);
  }
}

void config_problems_free(struct config_problems *p) {
  for (size_t i = 0; i < p->count; i++) {
    free(p->items[i].where);
    free(p->items[i].text);
  }
  free(p->items);
  *p = (struct config_problems){0};
}
