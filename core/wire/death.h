/* SPDX-License-Identifier: MIT
 *
 * What the end of a process means for the step that it was at: a crash, or a limit that it ran
 * into. Both sides judge: the zygote its children, the daemon its workers.
 */
#ifndef WIRE_DEATH_H
#define WIRE_DEATH_H

#include "wire/messages.h"

struct wire_death {
  int exit_code;       /* when signal is 0 */
  int signal;          /* 0: it exited */
  int64_t cpu_ms;      /* it used; 0: not known */
  int64_t max_rss;     /* bytes at its highest; 0: not known */
  bool said_no_memory; /* its last words were about memory */
  enum wire_over over; /* it was killed for this; WIRE_OVER_NONE: it was not */
  int64_t found;       /* then: what was over the limit */
};

/* Writes the sentence for people (what, where, what to do) and returns the class. */
enum wire_class wire_judge(const struct wire_death *d, const struct wire_limits *limits, char *text,
                           size_t size);
/* The sentence for a job that wrote too much; INT64_MAX bytes: nobody knows how much. */
void wire_tell_output(int64_t bytes, int64_t limit, char *text, size_t size);
/* "SIGSEGV (invalid memory access)"; never NULL. */
const char *wire_signal_word(int signal);

#endif
