/* SPDX-License-Identifier: MIT
 *
 * The end of a process that cannot go on: one line that says why, then abort().  Nothing is
 * allocated.  Any thread.
 */
#ifndef BASE_FATAL_H
#define BASE_FATAL_H

/* The line has at most FATAL_TEXT bytes; the rest is left out. */
enum { FATAL_TEXT = 512 };

_Noreturn void fatal(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Who writes the line from here on, as the log does: without allocating, from any thread.  Until
 * one is set it is "lathe: TEXT" on stderr. */
typedef void fatal_writer(const char *text);
void fatal_set_writer(fatal_writer *writer);

#endif
