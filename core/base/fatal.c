/* SPDX-License-Identifier: MIT */
#include "base/fatal.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static void write_plain(const char *text) {
  fprintf(stderr, "lathe: %s\n", text); /* stderr has no buffer that would be allocated */
}

static _Atomic(fatal_writer *) fatal_write = write_plain;

void fatal_set_writer(fatal_writer *writer) {
  atomic_store(&fatal_write, writer);
}

void fatal(const char *fmt, ...) {
  char text[FATAL_TEXT];
  va_list args;
  va_start(args, fmt);
  vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  atomic_load (&fatal_write)(text);
  abort();
}
