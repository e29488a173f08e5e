/* SPDX-License-Identifier: MIT */
#include "worker/remote/crash_owner.h"

#include "base/mem.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { STACK_SIZE = 64 << 10 };

static const int fatal[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS, SIGTRAP};
enum { FATAL_COUNT = sizeof fatal / sizeof *fatal };

static struct wire_board *the_board;
static struct sigaction before[FATAL_COUNT];
static _Thread_local uint64_t working_for;
static _Thread_local void *own_stack; /* for as long as the thread lives */

static void on_fatal(int number, siginfo_t *info, void *context) {
  (void)context;
  if (working_for)
    atomic_store(&the_board->crash_owner, working_for);
  for (int i = 0; i < FATAL_COUNT; i++)
    if (fatal[i] == number)
      sigaction(number, &before[i], NULL);
  /* A fault comes again when the instruction is tried again; what was sent has to be sent again. */
  if (info->si_code <= 0)
    raise(number);
}

static void on_exit_call(void) {
  if (working_for)
    atomic_store(&the_board->crash_owner, working_for);
}

void crash_owner_watch(struct wire_board *board) {
  the_board = board;
  for (int i = 0; i < FATAL_COUNT; i++) {
    struct sigaction act = {.sa_sigaction = on_fatal,
                            .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    sigemptyset(&act.sa_mask);
    sigaction(fatal[i], &act, &before[i]);
  }
  atexit(on_exit_call);
}

void crash_owner_thread(void) {
  own_stack = mem_alloc(STACK_SIZE);
  sigaltstack(&(stack_t){.ss_sp = own_stack, .ss_size = STACK_SIZE}, NULL);
}

void crash_owner_enter(uint64_t token) {
  working_for = token;
}
