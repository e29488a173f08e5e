/* SPDX-License-Identifier: MIT
 *
 * What the simulated host's files share.
 */
#ifndef CHECK_SIM_PRIVATE_H
#define CHECK_SIM_PRIVATE_H

#include "sim.h"
#include "worker/plugin.h"

#include <pthread.h>

struct sim { /* the one of this process */
  struct tool *tool;
  struct plugin plugin;
  enum host_shape shape;
  void *self;
  struct plugin_value *values;
  size_t value_count;
  struct started *started;
  pthread_mutex_t lock; /* of progress, which any thread may call */
};
extern struct sim the_sim;

/* The table in that shape; stays. */
const struct lathe_host *sim_table(enum host_shape shape);
/* A copy of a structure in that shape: an older one ends where reading it faults. */
void *sim_shaped(enum host_shape shape, const void *from, size_t size, size_t size_1_0);
/* Gives its memory back; without that, leaks would find ours. */
void sim_unshaped(const void *shaped);

#endif
