/* SPDX-License-Identifier: MIT */
#include "print.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int printed; /* checks so far: TAP counts them */

void print_head(const struct tool *t, const struct wishes *w) {
  if (w->tap)
    printf("TAP version 13\n# %s\n# seed %llu\n", t->plugin, t->seed);
  else
    printf("%s, seed %llu\n", t->plugin, t->seed);
  fflush(stdout);
}

static void print_lines(const char *before, const char *text) {
  while (*text) {
    size_t len = strcspn(text, "\n");
    printf("%s%.*s\n", before, (int)len, text);
    text += len + (text[len] == '\n');
  }
}

static void print_row(const struct tool *t, const struct wishes *w, const struct check *c,
                      int64_t ms) {
  static const char *const words[] = {"", "ok", "FAIL", "skip"};
  const struct finding *f = t->finding;
  bool color = f->verdict == FAILED && isatty(STDOUT_FILENO);
  printf("%s%-4s%s  %-12s  %-66s %6lld ms\n", color ? "\033[31m" : "", words[f->verdict],
         color ? "\033[0m" : "", c->name, c->summary, (long long)ms);
  print_lines("      ", f->text);
  if (f->verdict == FAILED || w->verbose)
    print_lines("      ", f->notes);
}

static void print_tap(const struct tool *t, const struct wishes *w, const struct check *c) {
  const struct finding *f = t->finding;
  printf("%sok %d - %s: %s", f->verdict == FAILED ? "not " : "", printed, c->name, c->summary);
  if (f->verdict == SKIPPED)
    printf(" # SKIP %.*s", (int)strcspn(f->text, "\n"), f->text);
  putchar('\n');
  if (f->verdict == FAILED)
    print_lines("# ", f->text);
  if (f->verdict == FAILED || w->verbose)
    print_lines("# ", f->notes);
}

void print_check(const struct tool *t, const struct wishes *w, const struct check *c, int64_t ms) {
  printed++;
  if (w->tap)
    print_tap(t, w, c);
  else
    print_row(t, w, c, ms);
  fflush(stdout);
}

void print_sum(const struct wishes *w, int passed, int failed, int skipped) {
  if (w->tap)
    printf("1..%d\n", printed);
  else
    printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
}
