/* SPDX-License-Identifier: MIT */
#include "wire/death.h"

#include <signal.h>
#include <stdio.h>

static const struct {
  int signal;
  const char *word;
} signals[] = {
    {SIGSEGV, "SIGSEGV (invalid memory access)"},
    {SIGBUS, "SIGBUS (bad memory access)"},
    {SIGFPE, "SIGFPE (arithmetic error)"},
    {SIGILL, "SIGILL (illegal instruction)"},
    {SIGABRT, "SIGABRT (abort or failed assertion)"},
    {SIGTRAP, "SIGTRAP (trap)"},
    {SIGKILL, "SIGKILL (killed)"},
    {SIGTERM, "SIGTERM (asked to end)"},
    {SIGPIPE, "SIGPIPE (wrote to a closed pipe)"},
    {SIGSYS, "SIGSYS (forbidden system call)"},
    {SIGXCPU, "SIGXCPU (CPU time)"},
    {SIGXFSZ, "SIGXFSZ (file size)"},
};

const char *wire_signal_word(int signal) {
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
    if (signals[i].signal == signal)
      return signals[i].word;
  return "a signal";
}

/* A process that could not get memory mostly dies by abort() or by using NULL.  It had a limit, and
 * it said so or was close to it: then the limit is the reason. */
static bool ran_out_of_memory(const struct wire_death *d, const struct wire_limits *l) {
  if (l->memory <= 0)
    return false;
  return d->said_no_memory || d->max_rss > l->memory / 10 * 7;
}

static void tell_over(const struct wire_death *d, const struct wire_limits *l, char *text,
                      size_t size) {
  switch (d->over) {
  case WIRE_OVER_PROCESSES:
    snprintf(text, size,
             "the job wanted to run more than %lld processes and threads at a time; let it begin "
             "fewer, or raise job_processes of the backend",
             (long long)d->found);
    break;
  case WIRE_OVER_MEMORY:
    snprintf(text, size,
             "the job's processes together took %lld MiB of memory and %lld MiB are allowed; use a "
             "simpler input or coarser parameters, or raise job_memory of the backend",
             (long long)(d->found >> 20), (long long)(l->memory >> 20));
    break;
  case WIRE_OVER_OUTPUT:
    wire_tell_output(d->found, l->output_bytes, text, size);
    break;
  default:
    snprintf(text, size,
             "the job used more than %.3g s of CPU time; use a simpler input or coarser "
             "parameters, or raise job_cpu of the backend",
             (double)l->cpu_ms / 1000);
  }
}

void wire_tell_output(int64_t bytes, int64_t limit, char *text, size_t size) {
  if (bytes == INT64_MAX)
    snprintf(text, size,
             "the job made files that cannot be measured: in folders too deep for a path or not "
             "readable, or "
             "without a name and only mapped (job_output)");
  else
    snprintf(
        text, size,
        "the job wrote more files than the %lld MiB that are allowed; use coarser parameters, or "
        "raise job_output of the backend",
        (long long)(limit >> 20));
}

enum wire_class wire_judge(const struct wire_death *d, const struct wire_limits *limits, char *text,
                           size_t size) {
  /* Who ignores SIGXCPU is killed at the hard limit, a second later. */
  bool late = d->signal == SIGKILL && d->cpu_ms > limits->cpu_ms;
  bool cpu = (d->signal == SIGXCPU || late) && limits->cpu_ms > 0;
  if (d->over != WIRE_OVER_NONE || cpu) {
    tell_over(d, limits, text, size);
    return WIRE_LIMIT;
  }
  if (d->signal == SIGXFSZ && limits->output_bytes > 0) {
    snprintf(text, size,
             "the job wrote a file of more than %.0f MiB; use coarser parameters, or raise "
             "job_output of the backend",
             (double)limits->output_bytes / (1 << 20));
    return WIRE_LIMIT;
  }
  if (d->signal != SIGKILL && ran_out_of_memory(d, limits)) {
    snprintf(text, size,
             "the job ran out of its %.0f MiB of memory (%s); use a simpler input or coarser "
             "parameters, or raise job_memory of the backend",
             (double)limits->memory / (1 << 20),
             d->signal ? wire_signal_word(d->signal) : "it exited");
    return WIRE_LIMIT;
  }
  if (d->signal == SIGKILL)
    snprintf(text, size,
             "the plugin's process was killed by the system or by a person (SIGKILL); if the "
             "machine ran "
             "out of memory, the kernel's log says so");
  else if (d->signal)
    snprintf(
        text, size,
        "the plugin's process died by %s, signal %d; the job's log holds its last words, and its "
        "author wants to hear of it",
        wire_signal_word(d->signal), d->signal);
  else
    snprintf(
        text, size,
        "the plugin's process ended with exit code %d and gave no result; a plugin must return, "
        "never exit",
        d->exit_code);
  return WIRE_CRASHED;
}
