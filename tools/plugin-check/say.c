/* SPDX-License-Identifier: MIT
 *
 * What a check says of the plugin, and small things that checks share.
 */
#include "check.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

/* Several processes of a check may speak at once; one that dies while it does holds up nobody for
 * long. */
static bool take_turn(struct finding *f) {
  enum { TURNS = 100 };
  for (int i = 0; i < TURNS; i++) {
    if (atomic_exchange(&f->busy, 1) == 0)
      return true;
    nap_ms(1);
  }
  return false;
}

static void add_line(struct finding *f, char *text, const char *fmt, va_list args) {
  bool mine = take_turn(f);
  size_t used = strlen(text);
  if (used + 2 < TEXT_SIZE) {
    if (used)
      text[used++] = '\n';
    vsnprintf(text + used, TEXT_SIZE - used, fmt, args);
  }
  if (mine)
    atomic_store(&f->busy, 0);
}

void fail(struct tool *t, const char *fmt, ...) {
  va_list args;
  if (t->finding->verdict != FAILED)
    t->finding->text[0] = '\0'; /* a reason to skip is none any more */
  t->finding->verdict = FAILED;
  va_start(args, fmt);
  add_line(t->finding, t->finding->text, fmt, args);
  va_end(args);
}

void skip(struct tool *t, const char *fmt, ...) {
  va_list args;
  if (t->finding->verdict != NOT_RUN)
    return;
  t->finding->verdict = SKIPPED;
  va_start(args, fmt);
  add_line(t->finding, t->finding->text, fmt, args);
  va_end(args);
}

void note(struct tool *t, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  add_line(t->finding, t->finding->notes, fmt, args);
  va_end(args);
}

bool has_failed(const struct tool *t) {
  return t->finding->verdict == FAILED;
}

void entering(struct tool *t, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  vsnprintf(t->finding->where, sizeof t->finding->where, fmt, args);
  va_end(args);
}

unsigned next_random(struct tool *t, unsigned below) {
  t->seed = t->seed * 6364136223846793005ull + 1442695040888963407ull;
  return (unsigned)(t->seed >> 33) % below;
}

int64_t now_ms(void) {
  return clock_mono_ms();
}

void nap_ms(int64_t ms) {
  nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, NULL);
}

void *shared_memory(size_t size) {
  void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) {
    perror("lathe-plugin-check: no memory");
    exit(2);
  }
  return p;
}
