/* SPDX-License-Identifier: MIT */
#include "jobs/options.h"

#include "base/mem.h"

#include <stdlib.h>

void options_free(struct jobs *j) {
  for (size_t i = 0; i < j->o.budget_count; i++)
    free((char *)j->o.budgets[i].backend);
  free((void *)j->o.budgets);
}

void options_copy(struct jobs *j, const struct jobs_options *o) {
  options_free(j);
  struct jobs_backend_budget *budgets = mem_array(o->budget_count + 1, sizeof *budgets);
  for (size_t i = 0; i < o->budget_count; i++) {
    budgets[i] = o->budgets[i];
    budgets[i].backend = mem_dup(o->budgets[i].backend);
  }
  j->o = *o;
  j->o.budgets = budgets;
}
