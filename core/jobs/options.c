/* SPDX-License-Identifier: MIT */
#include "jobs/options.h"

#include "base/mem.h"
#include "observe/log.h"

#include <stdlib.h>

void options_free(struct jobs *j) {
  for (size_t i = 0; i < j->o.budget_count; i++)
    free((char *)j->o.budgets[i].backend);
  free((void *)j->o.budgets);
  zone_free(j->zone);
}

/* It was there when the configuration was checked. */
static struct zone *load_zone(const char *name) {
  struct zone *z = NULL;
  struct err err = {0};
  if (zone_load(name ? name : "UTC", &z, &err) == 0)
    return z;
  log_error("jobs.time_zone", "months and days are those of UTC: %s", err.text);
  zone_load("UTC", &z, NULL);
  return z;
}

void options_copy(struct jobs *j, const struct jobs_options *o) {
  struct zone *zone = load_zone(o->time_zone);
  options_free(j);
  struct jobs_backend_budget *budgets = mem_array(o->budget_count + 1, sizeof *budgets);
  for (size_t i = 0; i < o->budget_count; i++) {
    budgets[i] = o->budgets[i];
    budgets[i].backend = mem_dup(o->budgets[i].backend);
    j->has_budgets |= o->budgets[i].budget_month != MONEY_UNKNOWN ||
                      o->budgets[i].budget_job != MONEY_UNKNOWN;
  }
  j->o = *o;
  j->o.budgets = budgets;
  j->zone = zone;
  j->o.time_zone = zone_name(zone);
}

const struct jobs_backend_budget *jobs_budgets(const struct jobs *j, size_t *count) {
  *count = j->o.budget_count;
  return j->o.budgets;
}

void jobs_month(const struct jobs *j, int64_t at_us, int64_t *from_us, int64_t *to_us) {
  int64_t from, to;
  zone_month(j->zone, at_us / 1000000, &from, &to);
  *from_us = from * 1000000;
  *to_us = to * 1000000;
}

const struct zone *jobs_zone(const struct jobs *j) {
  return j->zone;
}
